"""``copy`` and its dry run: what is printed where, and with what the program ends."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import fatal, pyskopeo_here, run, succeed
from tests.support.fake_daemon import FakeDaemon
from tests.support.images import BuiltImage, BuiltManifest, build, digest_of
from tests.support.outputs import write_dir, write_layout
from tests.support.pulling import asked_for_blobs
from tests.support.simulator import Simulator
from tests.support.trees import tree

pytestmark = pytest.mark.usefixtures("no_machine_policy")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return write_dir(build("oci-index"), tmp_path / "image")


def test_global_flags_are_taken_on_both_sides_of_the_command(capsys: pytest.CaptureFixture[str], image: Path) -> None:
    def architecture(*words: object) -> str:
        code, out, messages = run(capsys, *words)
        assert (code, messages) == (0, [])
        return out.strip()

    show = ("inspect", "--format", "{{.Architecture}}", f"dir:{image}")
    assert architecture("--override-arch", "s390x", *show) == "s390x"
    assert architecture(*show, "--override-arch", "s390x") == "s390x"
    assert architecture("--override-arch=arm64", *show, "--override-arch=s390x") == "s390x"
    assert architecture("--insecure-policy", *show, "--platform", "linux/arm64/v8") == "arm64"


@pytest.mark.parametrize(
    ("name", "code"),
    [("dir:{}/nowhere", 1), ("docker-archive:{}/nowhere", 1), ("oci-archive:{}/nowhere", 1), ("oci:{}/layout:nope", 2)],
)
def test_what_is_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, code: int) -> None:
    write_layout(build("oci"), tmp_path / "layout")
    name = name.format(tmp_path)
    ended, out, (message,) = run(capsys, "inspect", name)
    assert (ended, out) == (code, "")
    assert message.startswith(f'fatal: Error parsing image name "{name}": ')
    ended, out, (message,) = run(capsys, "copy", name, f"dir:{tmp_path}/new")
    assert (ended, out) == (code, "")
    assert message.startswith(f"fatal: initializing source {name}: ")
    assert not (tmp_path / "new").exists()


def test_no_platform_matches(capsys: pytest.CaptureFixture[str], tmp_path: Path, image: Path) -> None:
    said = (
        'no image found in image index for architecture "riscv64", variant "", OS "linux"; there is: '
        "linux/amd64, linux/arm/v6, linux/arm/v7, linux/arm64/v8, linux/s390x, windows/amd64"
    )
    arch = ("--override-arch", "riscv64")
    assert run(capsys, *arch, "inspect", f"dir:{image}") == (
        1, "", [f"fatal: Error parsing manifest for image: choosing image instance: {said}"]
    )  # fmt: skip
    assert run(capsys, *arch, "copy", f"dir:{image}", f"dir:{tmp_path}/new") == (
        1, "", [f"fatal: choosing an image from manifest list dir:{image}: {said}"]
    )  # fmt: skip


def test_a_destination_that_is_not_ours(capsys: pytest.CaptureFixture[str], tmp_path: Path, image: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis").write_text("years")
    name = f"dir:{tmp_path}/mine"
    assert run(capsys, "copy", f"dir:{image}", name) == (
        1, "", [(f'fatal: initializing destination {name}: "{tmp_path}/mine" is not a containers image directory, '
                "don't want to overwrite important data")]
    )  # fmt: skip


def test_the_digest_file(capsys: pytest.CaptureFixture[str], tmp_path: Path, image: Path) -> None:
    path = tmp_path / "digest"
    code, out, _ = run(capsys, "copy", "-aq", "--digestfile", path, f"dir:{image}", f"oci:{tmp_path}/layout:x")
    assert (code, out, path.read_bytes()) == (0, "", build("oci-index").digest.encode())
    bad = tmp_path / "no" / "digest"
    code, _, messages = run(capsys, "copy", "-aq", "--digestfile", bad, f"dir:{image}", f"oci:{tmp_path}/layout:x")
    assert (code, [re.sub(": No", ": no", m) for m in messages]) == (
        1, [f'fatal: Failed to write digest to file "{bad}": no such file or directory']
    )  # fmt: skip


@pytest.mark.parametrize("flags", [[], ["--dry-run"]])
def test_what_a_destination_does_not_take_is_said_of_the_destination(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, image: Path, flags: list[str]
) -> None:
    target = f"oci:{tmp_path}/layout:x"
    one = ("--override-arch=amd64", "--format=v2s1")
    code, out, messages = run(capsys, "copy", "-q", *flags, *one, f"dir:{image}", target)
    assert (code, out, (tmp_path / "layout").exists()) == (1, "", False)
    refused = f"{target} takes nothing of type application/vnd.docker.distribution.manifest.v1+json"
    assert messages == [f"fatal: {refused}: leave out --format v2s1, or choose oci or v2s2"]


def test_a_dry_run_prints_the_plan_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, image: Path
) -> None:
    built = build("oci-index")
    before = sorted(tmp_path.rglob("*"))
    target = f"oci:{tmp_path}/layout:x"
    code, out, messages = run(capsys, "copy", "--all", "--dry-run", f"dir:{image}", target)
    assert (code, messages, sorted(tmp_path.rglob("*"))) == (0, [], before)
    total = sum(map(len, built.blobs.values()))
    lines = out.splitlines()
    assert lines[-1].startswith(f"6 images, {len(built.blobs)} blobs, ")
    assert lines[-1].count(f"({total} bytes)") == 2
    assert sorted(line.split()[2] for line in lines if line.startswith("to fetch")) == sorted(built.blobs)
    assert {line.split()[1] for line in lines if line.startswith("manifest")} == set(built.manifests)
    run(capsys, "copy", "-q", "--override-arch", "amd64", f"dir:{image}", target)
    _, out, _ = run(capsys, "copy", "--all", "--dry-run", f"dir:{image}", target)
    present = sorted(line.split()[1] for line in out.splitlines() if line.startswith("present"))
    child = built.child(0).digest
    assert present == sorted({*built.layer_digests(child), built.config_digest(child)})


def test_a_dry_run_within_a_registry_fetches_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    built = build("oci")
    with Simulator(built, "a/b") as registry:
        words = ("copy", "--dry-run", "--src-tls-verify=false", "--dest-tls-verify=false", "--override-arch=amd64")
        code, out, _ = run(capsys, *words, registry.name("a/b"), registry.name("c/d"))
    assert code == 0
    *lines, last = out.splitlines()
    total = sum(map(len, built.blobs.values()))
    assert sorted(line.split()[2] for line in lines if line.startswith("to mount")) == sorted(built.blobs)
    assert not [line for line in lines if line.startswith("to fetch")]
    assert last.count(f"({total} bytes)") == 2
    assert f"; to fetch: 0 blobs, 0 B (0 bytes); to mount: {len(built.blobs)} blobs, " in last


def test_the_old_spelling_of_tls_verify_warns(capsys: pytest.CaptureFixture[str], tmp_path: Path, image: Path) -> None:
    words = ("copy", "-q", f"dir:{image}", f"dir:{tmp_path}/new")
    deprecated = "warning: '--tls-verify' is deprecated, "
    own = [f"{deprecated}instead use: --src-tls-verify, --dest-tls-verify"]
    shared = [f"{deprecated}please set this on the specific subcommand"]
    assert run(capsys, *words, "--tls-verify=false") == (0, "", own)
    assert run(capsys, "--tls-verify=false", *words) == (0, "", shared)
    assert run(capsys, "--tls-verify=false", "inspect", "--raw", f"dir:{image}")[2] == shared
    assert run(capsys, "inspect", "--raw", "--tls-verify=false", f"dir:{image}")[2] == []


def encrypted() -> BuiltImage:
    """An image whose last layer says that it can be read only with a key."""
    image = build("oci")
    root: Any = image.root.json
    root["layers"][-1]["mediaType"] += "+encrypted"
    raw = json.dumps(root).encode()
    new = BuiltManifest(digest_of(raw), image.root.media_type, raw)
    return BuiltImage(new, {new.digest: new}, image.blobs, image.tars)


@pytest.mark.parametrize("flags", [(), ("--format=v2s2",), ("--dry-run",)])
@pytest.mark.parametrize("place", ["docker-archive:{}/new.tar:a:b", "docker-daemon:a:b"])
def test_encrypted_layers_are_refused_before_a_blob_is_read(
    place: str, flags: tuple[str, ...], tmp_path: Path
) -> None:
    name = place.format(tmp_path)
    with Simulator(encrypted()) as registry, FakeDaemon() as daemon:
        flags = (*flags, "--src-tls-verify=false", f"--dest-daemon-host={daemon.host}")
        said = fatal(pyskopeo_here("copy", *flags, registry.name(), name))
        assert said.startswith(f"{name} holds layers decompressed, and this image has encrypted layers (")
        assert asked_for_blobs(registry) == []
        assert daemon.images == {}
    assert not (tmp_path / "new.tar").exists()


class TestPlainLayersInADirectory:
    """An archive's layers are plain, and its manifest says gzip, as skopeo's; a directory gets both as they are."""

    @pytest.fixture
    def directory(self, tmp_path: Path) -> Path:
        source = write_dir(build("docker"), tmp_path / "source")
        succeed(pyskopeo_here("copy", f"dir:{source}", f"docker-archive:{tmp_path}/image.tar:a:1"))
        succeed(pyskopeo_here("copy", f"docker-archive:{tmp_path}/image.tar", f"dir:{tmp_path}/plain"))
        return tmp_path / "plain"

    def test_they_are_compressed_as_the_manifest_says(self, directory: Path, tmp_path: Path) -> None:
        succeed(pyskopeo_here("copy", f"docker-archive:{tmp_path}/image.tar", f"oci:{tmp_path}/wanted:x"))
        succeed(pyskopeo_here("copy", f"dir:{directory}", f"oci:{tmp_path}/new:x"))
        assert tree(tmp_path / "new/blobs") == tree(tmp_path / "wanted/blobs")

    @pytest.mark.parametrize("flags", [[], ["--preserve-digests"]])
    def test_another_directory_has_the_same_files(self, flags: list[str], directory: Path, tmp_path: Path) -> None:
        succeed(pyskopeo_here("copy", *flags, f"dir:{directory}", f"dir:{tmp_path}/new"))
        assert tree(tmp_path / "new") == tree(directory)

    def test_an_archive_has_the_same_bytes(self, directory: Path, tmp_path: Path) -> None:
        succeed(pyskopeo_here("copy", f"dir:{directory}", f"docker-archive:{tmp_path}/new.tar:a:1"))
        assert (tmp_path / "new.tar").read_bytes() == (tmp_path / "image.tar").read_bytes()

    def test_digests_that_are_preserved_stay(self, directory: Path) -> None:
        manifest = (directory / "manifest.json").read_bytes()
        with Simulator() as registry:
            words = ("copy", "--preserve-digests", "--dest-tls-verify=false", f"dir:{directory}")
            succeed(pyskopeo_here(*words, registry.name("a/kept")))
            kept = registry.manifest("latest", "a/kept")
            succeed(pyskopeo_here(*words[:1], *words[2:], registry.name("a/new")))
            new = registry.manifest("latest", "a/new")
        assert kept is not None
        assert new is not None
        assert kept.raw == manifest != new.raw
