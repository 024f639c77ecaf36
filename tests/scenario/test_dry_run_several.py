"""``copy --dry-run`` of several images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.cli import pyskopeo_here, succeed
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.outputs import write_layout
from tests.support.simulator import Simulator
from tests.support.trees import tree

BASE = LayerSpec("base", size=30_000)
IMAGES = [build(ImageSpec(layers=(BASE, LayerSpec(f"layer {number}")))) for number in range(12)]
PLAN = ("copy", "--dry-run", "--src-tls-verify=false", "--dest-tls-verify=false")


def add_images(registry: Simulator) -> list[str]:
    for number, image in enumerate(IMAGES):
        registry.add(image, f"team/app{number}", "v1")
    return [f"docker://{registry.host}/team/app{number}:v1" for number in range(len(IMAGES))]


@pytest.mark.parametrize("place", ["oci:{}/o", "oci:{}/o:app", "oci-archive:{}/a", "dir:{}/d", "docker-archive:{}/t.tar"])
def test_a_row_each_in_the_order_of_the_names_and_sums_in_which_a_blob_counts_once(place: str, tmp_path: Path) -> None:
    with Simulator(IMAGES[0]) as registry:
        names = add_images(registry)
        done = succeed(pyskopeo_here(*PLAN, *names, place.format(tmp_path)))
        assert registry.connections_seen < len(IMAGES) + 5
    head, *rows, sums = done.stdout.decode().splitlines()
    assert head.split() == ["SIZE", "TO", "FETCH", "DIGEST", "IMAGE"]
    assert [row.split()[-1] for row in rows] == names
    if place.startswith("oci"):
        assert [row.split()[-2] for row in rows] == [str(image.root.digest) for image in IMAGES]
    assert sums.startswith(f"{len(IMAGES)} images, {1 + 2 * len(IMAGES)} blobs, ")
    assert f"; to fetch: {1 + 2 * len(IMAGES)} blobs, " in sums
    assert tree(tmp_path) == {}
    assert done.stderr == ""


def test_as_json_each_is_a_line_as_if_it_was_planned_alone(tmp_path: Path) -> None:
    with Simulator(IMAGES[0]) as registry, Simulator(IMAGES[1]) as target:
        names = [*add_images(registry)[:4], f"oci:{write_layout(IMAGES[5], tmp_path / 'layout')}"]
        destination = target.name("test/image", "new")
        done = succeed(pyskopeo_here(*PLAN, "--json", *names, destination))
        alone = [json.loads(succeed(pyskopeo_here(*PLAN, "--json", name, destination)).stdout) for name in names[:2]]
        assert all(request.method in ("GET", "HEAD") for request in target.requests)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["source"] for one in found] == names
    assert found[:2] == alone
    # The second image is at the destination, of the others only their base is.
    assert [one["toFetch"] < one["size"] for one in found] == [True] * 5
    assert [one["toFetch"] == 0 for one in found] == [False, True, False, False, False]


@pytest.mark.parametrize("as_json", [True, False])
def test_one_that_is_missing_does_not_stop_the_others(as_json: bool, tmp_path: Path) -> None:
    with Simulator(IMAGES[0]) as registry:
        good, bad = registry.name(), registry.name(tag="none")
        flags = ("--json",) if as_json else ()
        done = pyskopeo_here(*PLAN, *flags, good, bad, good, f"oci:{tmp_path}/o:a")
    assert done.code == 2
    (line,) = done.lines
    assert "manifest none" in line
    lines = done.stdout.decode().splitlines()
    if as_json:
        found = [json.loads(line) for line in lines]
        assert [one["source"] for one in found] == [good, bad, good]
        assert "manifest none" in found[1]["error"]
        assert found[1]["destination"] == f"oci:{tmp_path}/o:a"
    else:
        assert [row.split()[-1] for row in lines[1:-1]] == [good, good]
        assert lines[-1].startswith("2 images, 3 blobs, ")
        assert lines[-1].endswith("; not planned: 1 image name")


def test_without_a_single_one_there_is_no_table(tmp_path: Path) -> None:
    names = [f"oci:{tmp_path}/none{number}:a" for number in range(3)]
    done = pyskopeo_here(*PLAN, *names, f"oci:{tmp_path}/o:a")
    assert (done.code, done.stdout) == (1, b"")
    assert [f"none{number}:a" in line for number, line in enumerate(done.lines)] == [True] * 3


def test_an_error_of_the_destination_says_which_image_it_is_about(tmp_path: Path) -> None:
    names = [f"oci:{write_layout(IMAGES[number], tmp_path / str(number), tag='a')}:a" for number in range(2)]
    done = pyskopeo_here(*PLAN, "--retry-times=0", *names, "docker://127.0.0.1:1/team/app")
    assert (done.code, done.stdout) == (1, b"")
    assert [f"{name}: 127.0.0.1:1: " in line for name, line in zip(names, done.lines, strict=True)] == [True, True]


def test_names_are_kept_where_that_is_asked_for(tmp_path: Path) -> None:
    with Simulator(IMAGES[0]) as registry:
        names = add_images(registry)[:2]
        done = succeed(pyskopeo_here(*PLAN, "--json", "--keep-name", *names, f"oci:{tmp_path}/o"))
    found = [json.loads(line) for line in done.stdout.splitlines()]
    kept = [name.removeprefix("docker://") for name in names]
    assert [one["destination"] for one in found] == [f"oci:{tmp_path}/o:{name}" for name in kept]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("dir:a", "dir:b", "oci:there"), "2 images are copied into one docker-archive:PATH, not to oci:there"),
        (("--dry-run", "--digestfile=d", "dir:a", "dir:b", "oci:there"), "--digestfile is for a single image"),
        (("--dry-run", "--keep-name", "dir:a", "dir:b", "oci:there"), "--keep-name needs a source with a name"),
    ],
)
def test_what_is_refused(words: tuple[str, ...], said: str) -> None:
    done = pyskopeo_here("copy", *words)
    assert done.code == 1
    assert said in done.stderr


def test_called_skopeo_it_takes_two_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["skopeo"])
    done = pyskopeo_here("copy", "--dry-run", "dir:a", "dir:b", "dir:c")
    assert done.code == 1
    assert "Exactly two arguments expected" in done.stderr
