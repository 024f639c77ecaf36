"""Content that is not what it should be, and places that are taken, forbidden or full: refused, with nothing left."""

from __future__ import annotations

import json
import re
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.refusals import DESTINATIONS, IMAGE, LAYER, PLAIN, QUICK, copy, mounted, nothing_left, said
from tests.support.cli import Done, pyskopeo_here
from tests.support.commands import PYSKOPEO, environment
from tests.support.faults import (
    Body,
    Cut,
    Endless,
    Fault,
    Flip,
    Long,
    Padded,
    SetHeaders,
    Short,
)
from tests.support.images import build
from tests.support.outputs import blob_path, write_dir, write_layout
from tests.support.simulator import Simulator
from tests.support.trees import tree


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with Simulator(IMAGE) as running:
        yield running


class TestContent:
    """Bytes that are not what they should be."""

    @pytest.mark.parametrize("destination", DESTINATIONS)
    @pytest.mark.parametrize(
        ("fault", "phrase"),
        [
            (Flip(-1), "sha256:"),
            (Short(), "ends after|short|too few|bytes"),
            (Long(), "too many|longer|more than|bytes"),
            (Cut(1000), "connection lost|bytes"),
            (Body(b""), "bytes"),
        ],
        ids=["flipped", "short", "long", "cut", "empty"],
    )
    def test_blobs(self, registry: Simulator, tmp_path: Path, destination: str, fault: Fault, phrase: str) -> None:
        registry.on_blob(LAYER, fault)
        message = said(copy(*PLAIN, registry.name(), destination.format(tmp_path)))
        assert LAYER in message or registry.host in message
        assert re.search(phrase, message)
        nothing_left(tmp_path)

    @pytest.mark.parametrize(
        ("fault", "phrase"),
        [
            (Padded(4 * 1024 * 1024 + 1), "limit of 4194304 bytes"),
            (Endless(), "limit of 4194304 bytes"),
            (Body(b"{"), "not valid JSON"),
            (Body(b""), "not valid JSON"),
            (Body(b"[]"), "not a JSON object"),
            (Body(b"[" * 100_000), "JSON"),
            (Body(b"\xff\xfe"), "JSON"),
            (Body(b'{"schemaVersion":2}'), ""),
            (Body(b'{"schemaVersion":1,"fsLayers":[]}'), ""),
            (Body(IMAGE.root.raw.replace(b'"layers"', b'"manifests":[],"layers"')), "ambiguous"),
            (Body(IMAGE.root.raw.replace(LAYER.encode(), b"sha256:../../etc/passwd")), "invalid digest"),
            (Body(IMAGE.root.raw.replace(b'"size":', b'"size":-')), "size"),
            (Body(IMAGE.root.raw.replace(b".manifest.v1+json", b".index.v1+json")), "but it was served as"),
            (SetHeaders({"Docker-Content-Digest": "sha256:" + "0" * 64}), "Docker-Content-Digest says"),
            (SetHeaders({"Docker-Content-Digest": "nonsense"}), "invalid digest"),
            (SetHeaders({"Content-Type": "application/vnd.oci.image.index.v1+json"}), "but it was served as"),
        ],
        ids=["large", "endless", "cut", "empty", "list", "deep", "binary", "bare", "schema1", "two-kinds", "bad-digest",
             "negative", "other-type", "other-digest", "bad-header", "other-content-type"],
    )  # fmt: skip
    def test_manifests(self, registry: Simulator, tmp_path: Path, fault: Fault, phrase: str) -> None:
        registry.on_manifest("latest", SetHeaders({"Docker-Content-Digest": None}), fault)
        message = said(copy(*PLAIN, registry.name(), f"oci:{tmp_path}/new"))
        assert message.startswith(f"initializing source {registry.name()}: ")
        assert phrase in message
        nothing_left(tmp_path)
        assert said(pyskopeo_here("inspect", "--tls-verify=false", *QUICK, registry.name()))

    def test_another_manifest_than_the_digest_says(self, registry: Simulator, tmp_path: Path) -> None:
        registry.on_manifest("sha256:*", Body(IMAGE.root.raw + b" "), SetHeaders({"Docker-Content-Digest": None}))
        name = f"docker://{registry.host}/test/image@{IMAGE.digest}"
        assert IMAGE.digest in said(copy(*PLAIN, name, f"oci:{tmp_path}/new"))
        nothing_left(tmp_path)

    @pytest.mark.parametrize("content", [b"{", b"[]", b'{"config":{"Labels":[]}}', b'{"architecture":1}'])
    def test_configurations(self, tmp_path: Path, content: bytes) -> None:
        import hashlib

        source = write_dir(IMAGE, tmp_path / "source")
        manifest = IMAGE.root.json
        digest = hashlib.sha256(content).hexdigest()
        assert isinstance(manifest["config"], dict)
        manifest["config"] |= {"digest": f"sha256:{digest}", "size": len(content)}
        (source / digest).write_bytes(content)
        (source / "manifest.json").write_text(json.dumps(manifest))
        assert "config" in said(pyskopeo_here("inspect", f"dir:{source}"))
        assert "config" in said(copy(f"dir:{source}", f"docker-archive:{tmp_path}/new.tar"))
        # The layers are kept for the next try.
        left = [name for name in tree(tmp_path) if ".kept.partial" not in name]
        assert sorted(left) == sorted(f"source/{name}" for name in tree(source))

    @pytest.mark.parametrize("transport", ["docker-archive", "oci-archive"])
    @pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08 no gzip", b"BZh no", b"\xfd7zXZ\0 no",
                                         b"\x28\xb5\x2f\xfd no", b"\0" * 10240])  # fmt: skip
    def test_archives(self, tmp_path: Path, transport: str, content: bytes) -> None:
        path = tmp_path / "archive"
        path.write_bytes(content)
        message = said(copy(f"{transport}:{path}", f"dir:{tmp_path}/new"))
        assert str(path) in message
        assert list(tree(tmp_path)) == ["archive"]

    @pytest.mark.parametrize(
        ("file", "content"),
        [("index.json", b"{"), ("index.json", b"[]"), ("index.json", b'{"manifests":[{}]}'), ("oci-layout", b"{"),
         ("oci-layout", b'{"imageLayoutVersion":"2.0.0"}')],
    )  # fmt: skip
    def test_layouts(self, tmp_path: Path, file: str, content: bytes) -> None:
        layout = write_layout(IMAGE, tmp_path / "layout")
        (layout / file).write_bytes(content)
        assert file in said(copy(f"oci:{layout}:latest", f"dir:{tmp_path}/new"))
        assert not (tmp_path / "new").exists()

    def test_a_blob_that_is_missing_from_a_layout(self, tmp_path: Path) -> None:
        layout = write_layout(IMAGE, tmp_path / "layout")
        blob_path(layout, LAYER).unlink()
        done = copy(f"oci:{layout}:latest", f"dir:{tmp_path}/new")
        assert LAYER[7:] in said(done, done.code)
        assert done.code in (1, 2)
        assert not (tmp_path / "new").exists()

    def test_a_destination_with_a_broken_index(self, registry: Simulator, tmp_path: Path) -> None:
        layout = write_layout(build("docker"), tmp_path / "layout")
        (layout / "index.json").write_bytes(b'{"manifests":')
        assert "index.json" in said(copy(*PLAIN, registry.name(), f"oci:{layout}:x"))
        assert (layout / "index.json").read_bytes() == b'{"manifests":'


class TestDestinations:
    """Places that are taken, forbidden, or full."""

    @pytest.mark.parametrize("destination", DESTINATIONS)
    def test_no_such_folder(self, registry: Simulator, destination: str) -> None:
        message = said(copy(*PLAIN, registry.name(), destination.format("/proc/nowhere")))
        assert "/proc/nowhere" in message

    def test_a_folder_that_holds_something_else(self, registry: Simulator, tmp_path: Path) -> None:
        mine = tmp_path / "mine"
        mine.mkdir()
        (mine / "thesis").write_text("years")
        message = said(copy(*PLAIN, registry.name(), f"dir:{mine}"))
        assert message == (
            f"initializing destination dir:{mine}: "
            f'"{mine}" is not a containers image directory, don\'t want to overwrite important data'
        )
        assert registry.requests == ()
        for transport in ("docker-archive", "oci-archive"):
            assert "is a directory" in said(copy(*PLAIN, registry.name(), f"{transport}:{mine}"))
        assert tree(tmp_path) == {"mine/thesis": b"years"}

    def test_files_in_the_way(self, registry: Simulator, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_text("years")
        assert "docker-archive doesn't support modifying existing images" in said(
            copy(*PLAIN, registry.name(), f"docker-archive:{path}")
        )
        for destination in (f"dir:{path}", f"oci:{path}", f"dir:{path}/below", f"oci-archive:{path}/below"):
            assert str(path) in said(copy(*PLAIN, registry.name(), destination))
        assert tree(tmp_path) == {"file": b"years"}

    @pytest.mark.parametrize("destination", DESTINATIONS)
    def test_a_read_only_file_system(self, registry: Simulator, tmp_path: Path, destination: str) -> None:
        """Also root must not write there; a bind mount makes sure of it."""
        with mounted(tmp_path, "--bind", str(tmp_path)):
            remount = subprocess.run(
                ["mount", "-o", "remount,bind,ro", str(tmp_path)], capture_output=True, check=False
            )
            assert remount.returncode == 0, remount.stderr
            message = said(copy(*PLAIN, registry.name(), destination.format(tmp_path), env={"TMPDIR": "/tmp"}))
        assert "read-only file system" in message.lower()
        assert tree(tmp_path) == {}

    @pytest.mark.parametrize("destination", DESTINATIONS)
    def test_a_full_disk(self, registry: Simulator, tmp_path: Path, destination: str) -> None:
        with mounted(tmp_path, "-t", "tmpfs", "-o", "size=256k", "tmpfs"):
            message = said(copy(*PLAIN, registry.name(), destination.format(tmp_path)))
            nothing_left(tmp_path)
        assert "no space left on device" in message.lower()
        assert str(tmp_path) in message

    @pytest.mark.parametrize("destination", DESTINATIONS)
    def test_a_file_that_may_not_grow(self, registry: Simulator, tmp_path: Path, destination: str) -> None:
        """As a full disk, but it needs no root."""
        done = subprocess.run(
            [*PYSKOPEO, "copy", *PLAIN, registry.name(), destination.format(tmp_path)],
            env=environment({"PYTHONDONTWRITEBYTECODE": "1"}), capture_output=True, timeout=30, check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
        )  # fmt: skip
        message = said(Done(done.returncode, done.stdout, done.stderr.decode()))
        assert "file too large" in message.lower()
        nothing_left(tmp_path)

    @pytest.mark.parametrize("transport", ["docker-archive", "oci-archive"])
    def test_a_device_that_is_full(self, registry: Simulator, tmp_path: Path, transport: str) -> None:
        words = (*PLAIN, "--tmpdir", str(tmp_path), registry.name(), f"{transport}:/dev/full")
        message = said(copy(*words))
        assert "no space left on device" in message.lower()
        assert "/dev/full" in message
        assert tree(tmp_path) == {}

    def test_no_temporary_folder(self, registry: Simulator, tmp_path: Path) -> None:
        words = (*PLAIN, f"--tmpdir={tmp_path}/nowhere", registry.name(), f"docker-archive:{tmp_path}/new.tar")
        assert f"{tmp_path}/nowhere" in said(copy(*words))
        assert tree(tmp_path) == {}
