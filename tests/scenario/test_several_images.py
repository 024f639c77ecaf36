"""Several images in one docker archive: ``copy IMAGE... docker-archive:FILE``, as ``docker save`` of several."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyskopeo
from tests.support.cli import fatal, pyskopeo_here, succeed
from tests.support.faults import Cut
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.outputs import write_layout
from tests.support.pulling import ranges
from tests.support.simulator import Simulator
from tests.support.trees import leftovers, tree

BASE = LayerSpec("base", size=300_000)
IMAGES = [build(ImageSpec(layers=(BASE, LayerSpec(name, size=400_000)))) for name in ("one", "two", "three")]
SHARED = IMAGES[0].layer_digests()[0]
COPY = ("copy", "--src-tls-verify=false")


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with Simulator(IMAGES[0]) as simulator:
        simulator.add(IMAGES[1], "test/other", "2.0")
        simulator.add(IMAGES[2], "test/third", "latest")
        yield simulator


@pytest.fixture
def there(tmp_path: Path) -> Path:
    (tmp_path / "there").mkdir()
    return tmp_path / "there"


def names(registry: Simulator) -> list[str]:
    return [registry.name("test/image"), registry.name("test/other", "2.0"), registry.name("test/third")]


def listed(path: Path, member: str = "manifest.json") -> Any:
    with tarfile.open(path) as archive:
        file = archive.extractfile(member)
        assert file is not None
        return json.load(file)


def test_each_keeps_its_name_and_what_they_share_is_there_once(registry: Simulator, there: Path) -> None:
    done = succeed(pyskopeo_here(*COPY, *names(registry), f"docker-archive:{there}/all.tar"))
    host = registry.host
    tags = [f"{host}/test/image:latest", f"{host}/test/other:2.0", f"{host}/test/third:latest"]
    items = listed(there / "all.tar")
    assert [item["RepoTags"] for item in items] == [[tag] for tag in tags]
    assert len({item["Layers"][0] for item in items}) == 1
    assert len({layer for item in items for layer in item["Layers"]}) == 4
    old = listed(there / "all.tar", "repositories")
    assert {f"{name}:{tag}" for name, found in old.items() for tag in found} == set(tags)
    assert len(ranges(registry, SHARED)) == 1
    with tarfile.open(there / "all.tar") as archive:
        assert len(archive.getnames()) == len(set(archive.getnames()))
    assert [line for line in done.lines if line.startswith("docker://")] == names(registry)
    assert done.lines[-1] == f"Wrote docker-archive:{there}/all.tar: 3 images"
    assert done.stdout == b""
    for tag, image in zip(tags, IMAGES, strict=True):
        shown = succeed(pyskopeo_here("inspect", "--config", "--raw", f"docker-archive:{there}/all.tar:{tag}"))
        assert shown.stdout == image.config()
    assert "expected 1 item, got 3" in fatal(pyskopeo_here("inspect", f"docker-archive:{there}/all.tar"))


def test_the_bytes_are_the_same_whenever_and_from_wherever_it_is_made(registry: Simulator, there: Path) -> None:
    succeed(pyskopeo_here(*COPY, *names(registry), f"docker-archive:{there}/a.tar"))
    succeed(pyskopeo_here(*COPY, "--image-parallel-copies=1", *names(registry), f"docker-archive:{there}/b.tar"))
    again = [f"docker-archive:{there}/a.tar:@{position}" for position in range(3)]
    succeed(pyskopeo_here("copy", *again, f"docker-archive:{there}/c.tar"))
    assert (there / "a.tar").read_bytes() == (there / "b.tar").read_bytes() == (there / "c.tar").read_bytes()


def test_a_run_after_an_interruption_goes_on_in_the_image_that_was_written(registry: Simulator, there: Path) -> None:
    registry.on_blob(IMAGES[2].layer_digests()[1], Cut(100_000))
    words = (*COPY, "--retry-times=0", *names(registry), f"docker-archive:{there}/all.tar")
    fatal(pyskopeo_here(*words))
    assert leftovers(there) != []
    registry.heal()
    succeed(pyskopeo_here(*words))
    assert list(tree(there)) == ["all.tar"]
    for image in IMAGES[:2]:
        assert [len(ranges(registry, digest)) for digest in image.layer_digests()] == [1, 1]
    resumed = (there / "all.tar").read_bytes()
    succeed(pyskopeo_here(*COPY, *names(registry), f"docker-archive:{there}/fresh.tar"))
    assert resumed == (there / "fresh.tar").read_bytes()


def test_the_file_is_not_there_if_one_fails(registry: Simulator, there: Path) -> None:
    missing = registry.name("test/other", "3.0")
    said = fatal(pyskopeo_here(*COPY, "--no-resume", names(registry)[0], missing, f"docker-archive:{there}/all.tar"), 2)
    assert f"initializing source {missing}" in said
    assert list(tree(there)) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("A", "B", "oci:{}/layout"), "2 images are copied into one docker-archive:PATH, not to oci:"),
        (("A", "B", "docker-archive:{}/a.tar:a:1"), "several images keep their own names: docker-archive:PATH"),
        (("A", "docker-daemon:{host}/test/image:latest", "docker-archive:{}/a.tar"), "would both be"),
        (("--additional-tag=x:1", "A", "B", "docker-archive:{}/a.tar"), "--additional-tag is for a single image"),
        (("--receipt={}/r", "A", "B", "docker-archive:{}/a.tar"), "--receipt is for a single image"),
        (("--digestfile={}/d", "A", "B", "docker-archive:{}/a.tar"), "--digestfile is for a single image"),
        (("A", "nowhere:x", "docker-archive:{}/a.tar"), "Invalid source name nowhere:x"),
        (("A",), "At least two arguments expected: SOURCE-IMAGE... DESTINATION-IMAGE, got 1"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_read(
    registry: Simulator, there: Path, words: tuple[str, ...], said: str
) -> None:
    by_letter = dict(zip("AB", names(registry), strict=False))
    given = [by_letter.get(word) or word.replace("{}", str(there)).replace("{host}", registry.host) for word in words]
    done = pyskopeo_here(*COPY, *given)
    assert done.code == 1
    assert said in done.stderr
    assert list(tree(there)) == []
    assert not registry.requests


def test_called_skopeo_it_takes_two_names(
    registry: Simulator, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["skopeo"])
    done = pyskopeo_here(*COPY, *names(registry), f"docker-archive:{there}/all.tar")
    assert "Exactly two arguments expected: SOURCE-IMAGE DESTINATION-IMAGE, got 4" in done.stderr
    shown = succeed(pyskopeo_here("copy", "--help")).stdout.decode()
    assert "SOURCE-IMAGE DESTINATION-IMAGE" in shown
    assert "Several images" not in shown


def test_a_dry_run_counts_what_images_share_once(registry: Simulator, there: Path) -> None:
    words = (*COPY, "--dry-run", "--json", *names(registry), f"docker-archive:{there}/all.tar")
    plans = [json.loads(line) for line in succeed(pyskopeo_here(*words)).stdout.splitlines()]
    placed = [blob["placement"] for plan in plans for blob in plan["blobs"] if blob["digest"] == str(SHARED)]
    assert placed == ["written", "present", "present"]
    assert list(tree(there)) == []


def test_the_events_of_one_image_follow_those_of_the_one_before(registry: Simulator, there: Path) -> None:
    done = succeed(pyskopeo_here(*COPY, "--progress=json", *names(registry), f"docker-archive:{there}/all.tar"))
    events = [json.loads(line) for line in done.lines]
    assert list(dict.fromkeys(event["image"] for event in events)) == names(registry)
    ends = [number for number, event in enumerate(events) if event["event"] == "CopyFinished"]
    assert [events[number]["image"] for number in ends] == names(registry)
    assert [event["image"] for event in events] == sorted((e["image"] for e in events), key=names(registry).index)


def test_names_of_images_that_are_not_in_a_registry(registry: Simulator, there: Path) -> None:
    for folder, name in (("app", "1.4"), ("other", "example.com/team/db:2"), ("Upper", "1")):
        write_layout(build(ImageSpec(layers=(LayerSpec(folder),))), there / folder, tag=name)
    digest = registry.name("test/image").replace(":latest", f"@{IMAGES[0].digest}")
    sources = (f"oci:{there}/app:1.4", f"oci:{there}/other:example.com/team/db:2", digest, f"oci:{there}/Upper:1")
    done = succeed(pyskopeo_here(*COPY, *sources, f"docker-archive:{there}/all.tar"))
    assert [item["RepoTags"] for item in listed(there / "all.tar")] == [
        ["docker.io/library/app:1.4"], ["example.com/team/db:2"], [], [],
    ]  # fmt: skip
    assert sum("has no name that the archive could list" in line for line in done.lines) == 2


@pytest.mark.anyio
async def test_the_library_and_its_client(registry: Simulator, there: Path) -> None:
    async with pyskopeo.Client(insecure=True) as client:
        digests = await client.copy_images(names(registry), f"docker-archive:{there}/a.tar")
        with pytest.raises(pyskopeo.DestinationRefused):
            await client.copy_images(names(registry), f"docker-archive:{there}/a.tar")
    positions = [f"docker-archive:{there}/a.tar:@{position}" for position in (1, 0, 2, 1)]
    again = await pyskopeo.copy_images(positions, f"docker-archive:{there}/b.tar")
    assert again == (digests[1], digests[0], digests[2], digests[1])
    assert len(listed(there / "b.tar")) == 3
