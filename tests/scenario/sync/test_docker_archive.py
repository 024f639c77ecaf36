"""``sync --src docker-archive``: all images of an archive, as ``docker save`` of several writes it."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyskopeo.model.strict_json import parse_list
from pyskopeo.storage import scratch
from pyskopeo.storage.docker_archive import reader
from tests.support.cli import fatal, pyskopeo_here, succeed
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.outputs import write_layout
from tests.support.simulator import Simulator
from tests.support.trees import leftovers

IMAGES = {name: build(ImageSpec(layers=(LayerSpec("base", size=50_000), LayerSpec(name)))) for name in ("one", "two")}
SYNC = ("sync", "--src=docker-archive")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An archive of two images with names, and of one without."""
    for name, image in (*IMAGES.items(), ("none", build("oci"))):
        write_layout(image, tmp_path / name, tag=f"example.com/team/{name}:1" if name != "none" else None)
    names = [*(f"oci:{tmp_path}/{name}:example.com/team/{name}:1" for name in IMAGES), f"oci:{tmp_path}/none"]
    succeed(pyskopeo_here("copy", *names, f"docker-archive:{tmp_path}/all.tar"))
    return tmp_path / "all.tar"


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


def config(name: str) -> bytes:
    return succeed(pyskopeo_here("inspect", "--config", "--raw", "--tls-verify=false", name)).stdout


@pytest.mark.parametrize("transport", ["docker", "oci", "dir"])
def test_every_image_with_a_name_is_copied_and_copied_once(
    registry: Simulator, archive: Path, tmp_path: Path, transport: str
) -> None:
    place, name = {
        "docker": (f"{registry.host}/mirror", "docker://{}/{}:1"),
        "oci": (f"{tmp_path}/layout", "oci:{}:{}:1"),
        "dir": (f"{tmp_path}/images", "dir:{}/{}:1"),
    }[transport]
    words = (*SYNC, f"--dest={transport}", "--dest-tls-verify=false", archive, place)
    done = succeed(pyskopeo_here(*words))
    assert "Images without a name are passed over" in done.stderr
    assert "2 images: 2 copied" in done.stderr
    for one, image in IMAGES.items():
        assert config(name.format(place, one)) == image.config()
    assert "2 images: 0 copied, 2 present" in succeed(pyskopeo_here(*words)).stderr


def test_a_compressed_archive_is_unpacked_once(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked: list[Path] = []
    real = scratch._unpack  # noqa: SLF001 - what is to be counted

    def counted(path: Path, *more: object) -> None:
        unpacked.append(path)
        real(path, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(scratch, "_unpack", counted)
    packed = tmp_path / "all.tar.gz"
    packed.write_bytes(gzip.compress(archive.read_bytes()))
    succeed(pyskopeo_here(*SYNC, "--dest=oci", "--scoped", packed, tmp_path / "layout"))
    assert unpacked == [packed]
    for one, image in IMAGES.items():
        assert config(f"oci:{tmp_path}/layout:example.com/team/{one}:1") == image.config()
    assert leftovers(tmp_path) == []


def test_images_are_chosen_as_from_any_source(archive: Path, tmp_path: Path) -> None:
    done = succeed(pyskopeo_here(*SYNC, "--dest=oci", "--include=two", "--dry-run", archive, tmp_path / "layout"))
    assert "Would have synced 1 images" in done.stderr
    assert not (tmp_path / "layout").exists()


def test_what_cannot_be_is_one_line(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    colon = archive.rename(tmp_path / "a:b.tar")
    assert "cannot have a colon in it" in fatal(pyskopeo_here(*SYNC, "--dest=oci", colon, tmp_path / "layout"))
    (tmp_path / "empty.tar").write_bytes(bytes(10240))
    said = fatal(pyskopeo_here(*SYNC, "--dest=oci", tmp_path / "empty.tar", tmp_path / "layout"))
    assert "is not a docker-archive: no manifest.json in it" in said
    fatal(pyskopeo_here(*SYNC, "--dest=oci", tmp_path / "nowhere.tar", tmp_path / "layout"))
    said = fatal(pyskopeo_here(*SYNC, "--dest=oci", "--referrers", colon, tmp_path / "layout"))
    assert "what refers to an image is not in docker-archive" in said
    said = fatal(pyskopeo_here(*SYNC, "--dest=oci", f"--plan={tmp_path}/plan", colon, tmp_path / "layout"))
    assert said == "the images of an archive are copied without a plan: sync --src docker-archive"
    assert not (tmp_path / "plan").exists()
    monkeypatch.setattr("sys.argv", ["skopeo"])
    said = fatal(pyskopeo_here(*SYNC, "--dest=dir", colon, tmp_path / "layout"))
    assert said == '"docker-archive" is not a valid source transport: want docker, dir, oci or yaml'


def test_an_archive_is_read_once_for_all_images(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: Counter[str] = Counter()

    def counted(name: str, called: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            calls[name] += 1
            return called(*arguments)

        return call

    monkeypatch.setattr(reader, "parse_list", counted("manifest.json", parse_list))
    monkeypatch.setattr(reader, "_full_name", counted("tag", reader._full_name))
    succeed(pyskopeo_here(*SYNC, "--dest=oci", archive, tmp_path / "layout"))
    assert calls == {"manifest.json": 1, "tag": len(IMAGES)}
