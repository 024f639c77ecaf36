"""Bundles that are damaged, altered, of another version or hostile, and disks that are full: one line, nothing named."""

from __future__ import annotations

import gzip
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyskopeo.bundles import reading
from tests.scenario.bundles.making import IMAGES, apply, changed, create, image, listed, made, members
from tests.support.cli import fatal, pyskopeo_here, succeed
from tests.support.sigstore_keys import write_sigstore_key
from tests.support.simulator import Simulator
from tests.support.system_calls import DiskFull, SystemCalls
from tests.support.trees import leftovers, tree, without_kept

LAYER = "blobs/sha256/" + IMAGES[0].layer_digests()[1].partition(":")[2]


@pytest.fixture
def bundle(registry: Simulator, tmp_path: Path) -> Path:
    return made(tmp_path / "b", listed(tmp_path / "list", a=image(registry, 0), b=image(registry, 1)))


def edited(name: str, change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, bytes]], None]:
    """A change of a document in an archive, which keeps its name."""

    def edit(files: dict[str, bytes]) -> None:
        found = _contents_name(files) if name == "contents" else name
        document = json.loads(files[found])
        change(document)
        files[found] = json.dumps(document).encode()

    return edit


def _contents_name(files: dict[str, bytes]) -> str:
    digest: str = json.loads(files["bundle.json"])["layers"][0]["digest"]
    return "blobs/" + digest.replace(":", "/")


def flipped(name: str) -> Callable[[dict[str, bytes]], None]:
    def flip(files: dict[str, bytes]) -> None:
        files[name] = bytes([files[name][0] ^ 1]) + files[name][1:]

    return flip


class TestDamaged:
    @pytest.mark.parametrize(("change", "reason"), [
        (flipped(LAYER), "shows what is damaged: copy that file again"),
        (lambda files: files.pop(LAYER), "which quay.io/team/a:latest needs, is not in the bundle"),
        (lambda files: files.update({LAYER: files[LAYER][:-1]}), "is not in the bundle"),
        (lambda files: files.pop("bundle.json"), "this archive is no bundle"),
        (edited("bundle.json", lambda d: d.update(artifactType="application/vnd.pyskopeo.bundle.v2+json")), "of another version"),
        (edited("contents", lambda d: d["images"].pop()), "its descriptor says"),
        (lambda files: files.pop(_contents_name(files)), "in this archive"),
        (lambda files: files.update({"bundle.json": b"[]"}), "is not a JSON object"),
        (lambda files: files.update({"bundle.part.json": b'{"bundleVersion": 1}'}), "part is not a number"),
        (lambda files: files.update({"bundle.signature-1": b"nonsense"}), "unrecognized signature format"),
    ])  # fmt: skip
    def test_by_a_change(
        self, bundle: Path, mirror: Simulator, change: Callable[[dict[str, bytes]], object], reason: str
    ) -> None:
        changed(bundle, change)
        assert reason in fatal(apply(f"docker://{mirror.host}", bundle))
        assert not [line for line in mirror.log if line.startswith("PUT") and "/manifests/" in line]
        done = pyskopeo_here("bundle", "verify", bundle)
        assert done.code == 1
        assert "Traceback" not in done.stderr

    @pytest.mark.parametrize(("more", "reason"), [
        (0, "which quay.io/team/a:latest needs, is not in the bundle: it was cut short, or altered"),
        (100, "is a damaged tar archive: no header"),
        (600, "is a damaged tar archive: unexpected end of data"),
    ])  # fmt: skip
    def test_cut(self, bundle: Path, mirror: Simulator, more: int, reason: str) -> None:
        """Between the files in it, in a header, and in a file."""
        content = bundle.read_bytes()
        os.truncate(bundle, content.index(LAYER.encode()) + more)
        assert reason in fatal(apply(f"docker://{mirror.host}", bundle))
        assert mirror.log == []

    def test_names_in_it_lead_nowhere(self, bundle: Path, tmp_path: Path) -> None:
        """Nothing is unpacked; a link in the place of a blob leads to a member only."""
        with tarfile.open(bundle, "a") as archive:
            for name, kind, link in (
                ("../evil", tarfile.REGTYPE, ""), ("/tmp/evil", tarfile.REGTYPE, ""), ("device", tarfile.CHRTYPE, ""),
                ("blobs/sha256/" + "0" * 64, tarfile.SYMTYPE, "/etc/passwd"),
            ):  # fmt: skip
                info = tarfile.TarInfo(name)
                info.type, info.linkname = kind, link
                archive.addfile(info)
        before = set(tree(tmp_path))
        succeed(apply(f"oci:{tmp_path}/l", bundle))
        new = set(tree(tmp_path)) - before
        assert {name.partition("/")[0] for name in new} == {"l"}
        assert not any("0" * 64 in name for name in new)

    def test_a_blob_that_says_it_is_huge(self, bundle: Path, tmp_path: Path) -> None:
        content = bytearray(bundle.read_bytes())
        start = content.index(LAYER.encode())
        info = tarfile.TarInfo(LAYER)
        info.size = 2**42
        content[start : start + 512] = info.tobuf(tarfile.GNU_FORMAT)
        bundle.write_bytes(content)
        assert "is a damaged tar archive: unexpected end of data" in fatal(apply(f"oci:{tmp_path}/l", bundle))
        assert not (tmp_path / "l").exists()

    def test_contents_without_end(self, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reading, "CONTENTS_LIMIT", 1000)
        for path in (bundle, bundle.with_name("b.manifest")):
            assert "is over the limit of 1000 bytes" in fatal(pyskopeo_here("bundle", "diff", path, path))

    def test_an_index_for_other_programs_that_differs(self, bundle: Path) -> None:
        changed(bundle, edited("index.json", lambda d: d["manifests"].pop()))
        done = pyskopeo_here("bundle", "verify", "--json", bundle)
        assert done.code == 1
        (fault,) = json.loads(done.stdout)[0]["faults"]
        assert fault["error"] == "index.json names other images than the contents of the bundle"

    @pytest.mark.parametrize(("content", "reason"), [
        (b"", "is not a tar archive: it is empty"),
        (b"text\n" * 300, "is not a tar archive"),
        (gzip.compress(b"x", mtime=0), "is compressed: decompress it first (gzip -d)"),
        (b'{"bundleVersion":1}', "give the bundle itself"),
    ])  # fmt: skip
    def test_something_else(self, tmp_path: Path, content: bytes, reason: str) -> None:
        (tmp_path / "x").write_bytes(content)
        for command in ("ls", "verify", "apply"):
            assert reason in fatal(pyskopeo_here("bundle", command, tmp_path / "x", *(["--to=oci:y"] * (command == "apply"))))

    def test_not_there(self, tmp_path: Path) -> None:
        said = fatal(pyskopeo_here("bundle", "ls", tmp_path / "x"))
        assert said.endswith("x: no such file, and no part x.part001 beside it")
        assert fatal(pyskopeo_here("bundle", "ls", tmp_path / "x.part002")).endswith("x.part002: no such file")


class TestManifestFiles:
    @pytest.mark.parametrize(("change", "reason"), [
        (lambda d: d.update(bundleVersion=2), "version 2 of bundles is not known"),
        (lambda d: d.pop("bundleVersion"), "this is no bundle"),
        (lambda d: d.update(blobs=[]), "blobs is not an object"),
        (lambda d: d["images"][0]["annotations"].clear(), "is no full name of an image"),
        (lambda d: d["images"].append(d["images"][0]), "two have the same name"),
        (lambda d: d["blobs"].clear(), "is not in the bundle"),
        (lambda d: d["leftOut"].update(d["blobs"]), "is in the bundle and left out"),
        (lambda d: d["blobs"].update({"sha256:" + "0" * 64: {"size": True, "image": "a/b:c"}}), "want size and image"),
        (lambda d: d["blobs"].update({"sha256:" + "0" * 64: {"size": True, "image": "quay.io/b:c"}}), "size is not a number"),
        (lambda d: d["blobs"].update({"md5:" + "0" * 32: {"size": 1, "image": "quay.io/b:c"}}), "md5 is not supported"),
    ])  # fmt: skip
    def test_wrong(
        self, registry: Simulator, bundle: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object], reason: str
    ) -> None:
        path = bundle.with_name("b.manifest")
        document = json.loads(path.read_bytes())
        change(document)
        path.write_text(json.dumps(document))
        assert reason in fatal(create(tmp_path / "c", image(registry, 1), "--since", path))


def test_parts_of_different_bundles(registry: Simulator, mirror: Simulator, tmp_path: Path) -> None:
    one, other = tmp_path / "1", tmp_path / "2"
    large = f"docker://{registry.host}/team/large:1"
    made(one, large, "--max-size=2M")
    made(other, large, image(registry, 0), "--max-size=2M")
    said = fatal(apply(f"docker://{mirror.host}", f"{one}.part001", f"{other}.part002"))
    assert said.endswith(f": part 2 of 2 is missing; {other}.part002 is of another bundle")
    made(tmp_path / "3", large, "--max-size=1200K")
    said = fatal(apply(f"docker://{mirror.host}", f"{one}.part001", tmp_path / "3.part002"))
    assert said.endswith("in parts of different sizes: give the files of one run")
    assert mirror.log == []
    assert fatal(create(other, large)).startswith(f"{other}.part001 is there, of an earlier bundle")


def test_parts_that_would_be_too_small(registry: Simulator, tmp_path: Path) -> None:
    said = fatal(create(tmp_path / "b", image(registry, 0), "--max-size=1K"))
    assert said.startswith("parts of less than 1024 bytes are too small for this bundle: want more than ")


@pytest.mark.parametrize(("room", "fetched"), [(300_000, False), (600_000, True)])
def test_a_full_disk_while_it_is_made(registry: Simulator, tmp_path: Path, room: int, *, fetched: bool) -> None:
    """While images are fetched, and while the archive is written, when all of them are."""
    words = (image(registry, 0), image(registry, 1))
    with SystemCalls(DiskFull(room)):
        assert "no space left on device" in fatal(create(tmp_path / "b", *words))
    assert not without_kept(tree(tmp_path))
    before = len(registry.log)
    made(tmp_path / "b", *words)
    again = [line for line in registry.log[before:] if "/blobs/" in line]
    assert (again == []) == fetched
    succeed(pyskopeo_here("bundle", "verify", tmp_path / "b"))
    assert leftovers(tmp_path) == []


def test_a_full_disk_where_it_is_applied(bundle: Path, tmp_path: Path) -> None:
    with SystemCalls(DiskFull(250_000)):
        assert "no space left on device" in fatal(apply(f"oci:{tmp_path}/l", bundle))
    assert not (tmp_path / "l" / "index.json").exists()
    succeed(apply(f"oci:{tmp_path}/l", bundle))
    succeed(pyskopeo_here("layout", "verify", f"oci:{tmp_path}/l"))


class TestSigned:
    @pytest.fixture
    def signed(self, registry: Simulator, tmp_path: Path) -> Path:
        key = write_sigstore_key(tmp_path)
        return made(
            tmp_path / "b", image(registry, 0), "--sign-by-sigstore-private-key", key.private,
            "--sign-passphrase-file", key.passphrase, "--sign-identity=example.com/bundles/b:1",
        )  # fmt: skip

    def test_accepted_by_the_key_only(self, signed: Path, mirror: Simulator, tmp_path: Path) -> None:
        key, other = write_sigstore_key(tmp_path), write_sigstore_key(tmp_path, number=1)
        assert b"accepted" in succeed(pyskopeo_here("bundle", "verify", "--key", key.public, signed)).stdout
        assert "are not accepted" in fatal(pyskopeo_here("bundle", "verify", "--key", other.public, signed))
        assert "are not accepted" in fatal(apply(f"docker://{mirror.host}", signed, "--key", other.public))
        elsewhere = ("--key", key.public, "--signed-as=example.com/other")
        assert "are not accepted" in fatal(apply(f"docker://{mirror.host}", signed, *elsewhere))
        assert mirror.log == []
        succeed(apply(f"docker://{mirror.host}", signed, "--key", key.public, "--signed-as=example.com/bundles/b"))
        assert b"1 signature" in succeed(pyskopeo_here("bundle", "ls", signed)).stdout

    def test_contents_that_are_exchanged(self, signed: Path, registry: Simulator, tmp_path: Path) -> None:
        """Its signature is beside the contents of another bundle."""
        key = write_sigstore_key(tmp_path)
        other = made(tmp_path / "other", image(registry, 1))
        taken = members(signed)["bundle.signature-1"]
        changed(other, lambda files: files.update({"bundle.signature-1": taken}))
        assert "are not accepted" in fatal(pyskopeo_here("bundle", "verify", "--key", key.public, other))

    def test_by_a_policy(self, signed: Path, mirror: Simulator, tmp_path: Path) -> None:
        key = write_sigstore_key(tmp_path)
        wanted = {
            "type": "sigstoreSigned", "keyPath": str(key.public),
            "signedIdentity": {"type": "exactRepository", "dockerRepository": "example.com/bundles/b"},
        }  # fmt: skip
        policy = tmp_path / "policy.json"
        policy.write_text(json.dumps({"default": [{"type": "reject"}], "transports": {"oci-archive": {"": [wanted]}}}))
        succeed(pyskopeo_here("--policy", policy, "bundle", "apply", "--tls-verify=false", signed, "--to", f"docker://{mirror.host}"))
        policy.write_text(json.dumps({"default": [{"type": "reject"}]}))
        said = fatal(pyskopeo_here("--policy", policy, "bundle", "apply", signed, "--to", f"oci:{tmp_path}/l"))
        assert "are not accepted" in said
        assert not (tmp_path / "l").exists()

    def test_without_a_name_to_sign_as(self, registry: Simulator, tmp_path: Path) -> None:
        key = write_sigstore_key(tmp_path)
        words = ("--sign-by-sigstore-private-key", key.private, "--sign-passphrase-file", key.passphrase)
        assert fatal(create(tmp_path / "b", image(registry, 0), *words)).endswith("by --sign-identity")
        assert registry.log == []
