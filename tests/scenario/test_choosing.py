"""Choosing an image from a list: by version, features and annotations, with every command that chooses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Done, fatal, pyskopeo_here, succeed
from tests.support.images import BuiltImage, ImageSpec, IndexSpec, LayerSpec, build, digest_of, edited
from tests.support.outputs import write_layout
from tests.support.simulator import Simulator
from tests.support.specs import PlatformSpec

PLATFORMS = (
    PlatformSpec("arm64", "darwin", os_version="macOS 13.0"),
    PlatformSpec("arm64", "darwin", os_version="macOS 12.6"),
    PlatformSpec("amd64", os_features=("sse4",)),
    PlatformSpec("s390x"),
)
REF_NAME = "org.opencontainers.image.ref.name"
NAMES = ("8.0.1.arm64_ventura", "8.0.1.arm64_monterey", "8.0.1.x86_64_linux", "8.0.1.s390x_linux")


def bottles() -> BuiltImage:
    """A list as Homebrew makes them: what tells images apart is in versions and annotations."""
    specs = (ImageSpec(layers=(LayerSpec(name),), platform=one) for name, one in zip(NAMES, PLATFORMS, strict=True))

    def annotate(document: dict[str, Any]) -> None:
        for entry, name in zip(document["manifests"], NAMES, strict=True):
            entry["annotations"] = {REF_NAME: name}

    return edited(build(IndexSpec(tuple(specs))), annotate)


IMAGE = bottles()
DIGESTS = [entry["digest"] for entry in json.loads(IMAGE.root.raw)["manifests"]]
DARWIN = ("--platform", "darwin/arm64")


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with Simulator(IMAGE) as running:
        yield running


def chosen(registry: Simulator, command: str, tmp_path: Path, *flags: str) -> tuple[str, Done]:
    """The digest of the image that a command chose, by what it fetched, and how it ended."""
    before = len(registry.requests)
    if command == "copy":
        done = pyskopeo_here("copy", "-q", "--src-tls-verify=false", *flags, registry.name(), f"dir:{tmp_path}/copy")
    elif command == "sync":
        name = registry.name().removeprefix("docker://")
        done = pyskopeo_here(
            "sync", "--src-tls-verify=false", "--src=docker", "--dest=dir", *flags, name, tmp_path / "sync"
        )
    else:
        words = ["--no-tags"] if command == "inspect" else []
        done = pyskopeo_here(command, "--tls-verify=false", *words, *flags, registry.name())
    fetched = [request.path.rpartition("/")[2] for request in registry.requests[before:] if "/manifests/sha256" in request.path]
    return fetched[0] if fetched else "", done


@pytest.mark.parametrize("command", ["copy", "inspect", "verify", "sync"])
@pytest.mark.parametrize(
    ("flags", "position"),
    [
        ((*DARWIN, "--os-version", "macOS 12.6"), 1),
        ((*DARWIN, "--os-version=macOS 13"), 0),
        (("--select-annotation", f"{REF_NAME}=8.0.1.arm64_monterey"), 1),
        ((*DARWIN, "--select-annotation", f"{REF_NAME}=8.0.1.arm64_monterey"), 1),
        (("--platform=linux/amd64", "--os-feature=sse4"), 2),
        (("--platform=bashbrew:s390x",), 3),
    ],
)
def test_every_command(
    command: str, flags: tuple[str, ...], position: int, registry: Simulator, tmp_path: Path
) -> None:
    digest, done = chosen(registry, command, tmp_path, *flags)
    succeed(done)
    assert digest == DIGESTS[position]
    assert "match" not in done.stderr


@pytest.mark.parametrize("command", ["copy", "inspect", "verify", "sync"])
@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--platform", "darwin/arm64/macOS 12.6"), "'macOS 12.6' is no variant of arm64 that is known"),
        ((*DARWIN, "--os-version=macOS 11"), 'OS version "macOS 11"; there is: darwin/arm64 (os.version macOS 13.0)'),
        (("--platform=linux/amd64", "--os-feature=avx"), 'OS feature "avx"'),
        (("--platform=linux/amd64", "--select-annotation=a=b"), 'annotation "a=b"'),
    ],
)
def test_what_is_not_there_is_refused(
    command: str, flags: tuple[str, ...], says: str, registry: Simulator, tmp_path: Path
) -> None:
    digest, done = chosen(registry, command, tmp_path, *flags)
    assert (digest, done.code) == ("", 1)
    assert says in fatal(done)


@pytest.mark.parametrize("command", ["copy", "inspect", "verify", "sync"])
def test_several_matches_are_a_warning_and_the_first_is_used(command: str, registry: Simulator, tmp_path: Path) -> None:
    digest, done = chosen(registry, command, tmp_path, *DARWIN)
    succeed(done)
    assert digest == DIGESTS[0]
    (warning,) = [line for line in done.lines if "level=warning" in line]
    assert "2 images of the list match darwin/arm64" in warning
    for number in (0, 1):
        assert f"{DIGESTS[number]} (os.version {PLATFORMS[number].os_version}, {REF_NAME} {NAMES[number]})" in warning


def test_called_skopeo_nothing_changes(
    registry: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No warning, no platform in the layout, and a variant that nobody knows gives way to none."""
    monkeypatch.setattr("sys.argv", ["/usr/local/bin/skopeo"])
    for flags in (("--override-variant=odd",), ()):
        overrides = ("--override-os=darwin", "--override-arch=arm64", *flags)
        words = (*overrides, "copy", "-q", "--src-tls-verify=false", registry.name(), f"oci:{tmp_path}/layout:x")
        done = succeed(pyskopeo_here(*words))
        assert "match" not in done.stderr
        (entry,) = json.loads((tmp_path / "layout/index.json").read_bytes())["manifests"]
        assert entry["digest"] == DIGESTS[0]
        assert "platform" not in entry


@pytest.mark.parametrize("flag", ["--platform=linux/amd64", "--os-version=1", "--os-feature=x", "--select-annotation=a=b"])
@pytest.mark.parametrize(
    "words",
    [
        ("copy", "--all", "dir:x", "dir:y"), ("copy", "--multi-arch=linux/amd64", "dir:x", "dir:y"),
        ("verify", "--all", "dir:x"), ("sync", "--all", "--src=dir", "--dest=dir", "x", "y"),
    ],
)  # fmt: skip
def test_one_image_is_not_all(flag: str, words: tuple[str, ...]) -> None:
    done = pyskopeo_here(*words, flag)
    assert done.code == 1
    assert f"{flag.partition('=')[0]} chooses one image, so it does not go with --all" in done.stderr


@pytest.mark.parametrize("text", ["a", "=b", ""])
def test_an_annotation_is_a_name_and_a_value(text: str) -> None:
    done = pyskopeo_here("inspect", f"--select-annotation={text}", "dir:x")
    assert (done.code, "want NAME=VALUE" in done.stderr) == (1, True)


def test_another_choice_is_another_copy_for_sync(registry: Simulator, tmp_path: Path) -> None:
    """What was copied by another version of the system is not what is asked for now."""
    for version in ("macOS 12.6", "macOS 13.0", "macOS 13.0"):
        _, done = chosen(registry, "sync", tmp_path, *DARWIN, "--os-version", version)
        succeed(done)
        manifest = next((tmp_path / "sync").rglob("manifest.json")).read_bytes()
        assert digest_of(manifest) == DIGESTS[0 if version == "macOS 13.0" else 1]


class TestPlatformsOfEntries:
    """What ``index.json`` of a layout says of an image's platform, and what that costs."""

    def entry(self, layout: Path) -> dict[str, object]:
        (found,) = json.loads((layout / "index.json").read_bytes())["manifests"]
        return dict(found)

    def test_from_the_list(self, registry: Simulator, tmp_path: Path) -> None:
        source = ("--src-tls-verify=false", *DARWIN, "--os-version=macOS 12.6", registry.name())
        succeed(pyskopeo_here("copy", "-q", *source, f"oci:{tmp_path}/a:x"))
        wanted = {"architecture": "arm64", "os": "darwin", "os.version": "macOS 12.6"}
        assert self.entry(tmp_path / "a")["platform"] == wanted
        manifest = json.loads(IMAGE.manifests[DIGESTS[1]].raw)
        # The list, the image, its configuration and its layer; nothing is asked for the platform.
        blobs = [manifest["config"]["digest"], *(layer["digest"] for layer in manifest["layers"])]
        asked = [request.path.rpartition("/")[2] for request in registry.requests if request.path != "/v2/"]
        assert sorted(asked) == sorted(["latest", DIGESTS[1], *blobs])

    def test_from_the_configuration(self, tmp_path: Path) -> None:
        spec = PlatformSpec("arm", variant="v7")
        write_layout(build(ImageSpec("docker", platform=spec)), tmp_path / "source", tag="x")
        for target in ("oci:{}/a:x", "oci:{}/a:y"):
            succeed(pyskopeo_here("copy", "-q", f"oci:{tmp_path}/source:x", target.format(tmp_path)))
        entries = json.loads((tmp_path / "a/index.json").read_bytes())["manifests"]
        assert [entry["platform"] for entry in entries] == [spec.as_json()] * 2

    def test_from_the_layout_that_it_was_in(self, tmp_path: Path) -> None:
        layout = write_layout(build("oci"), tmp_path / "source", tag="x")
        index = json.loads((layout / "index.json").read_bytes())
        index["manifests"][0]["platform"] = {"architecture": "amd64", "os": "linux", "variant": "v3"}
        (layout / "index.json").write_text(json.dumps(index))
        succeed(pyskopeo_here("copy", "-q", f"oci:{layout}:x", f"oci:{tmp_path}/a:x"))
        assert self.entry(tmp_path / "a")["platform"] == index["manifests"][0]["platform"]

    @pytest.mark.parametrize("kind", ["artifact", "oci-index"])
    def test_what_has_none(self, kind: str, tmp_path: Path) -> None:
        write_layout(build(kind), tmp_path / "source", tag="x")
        succeed(pyskopeo_here("copy", "-q", "--all", f"oci:{tmp_path}/source:x", f"oci:{tmp_path}/a:x"))
        assert "platform" not in self.entry(tmp_path / "a")

    def test_images_without_names_for_different_platforms_are_one_image(self, registry: Simulator, tmp_path: Path) -> None:
        for platform in ("linux/amd64", "linux/s390x"):
            words = ("--src-tls-verify=false", "--platform", platform, registry.name())
            succeed(pyskopeo_here("copy", "-q", *words, f"oci:{tmp_path}/a"))
        for platform, digest in (("linux/amd64", DIGESTS[2]), ("linux/s390x", DIGESTS[3])):
            succeed(pyskopeo_here("copy", "-q", "--platform", platform, f"oci:{tmp_path}/a", f"dir:{tmp_path}/d"))
            assert digest_of((tmp_path / "d/manifest.json").read_bytes()) == digest

    def test_sync(self, registry: Simulator, tmp_path: Path) -> None:
        name = registry.name().removeprefix("docker://")
        words = ("sync", "--src-tls-verify=false", "--src=docker", "--dest=oci", "--platform=linux/s390x", name)
        succeed(pyskopeo_here(*words, tmp_path / "a"))
        assert self.entry(tmp_path / "a")["platform"] == {"architecture": "s390x", "os": "linux"}

    def test_a_second_copy_changes_nothing(self, tmp_path: Path) -> None:
        write_layout(build("oci"), tmp_path / "source", tag="x")
        found = set()
        for _ in range(2):
            succeed(pyskopeo_here("copy", "-q", f"oci:{tmp_path}/source:x", f"oci:{tmp_path}/a:x"))
            found.add(((tmp_path / "a/index.json").stat().st_mtime_ns, (tmp_path / "a/index.json").read_bytes()))
        assert len(found) == 1
