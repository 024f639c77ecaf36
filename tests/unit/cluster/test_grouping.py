"""How the images of a plan are divided into tasks."""

from __future__ import annotations

import pytest

from pyskopeo.cluster.grouping import group_images
from pyskopeo.syncing.plan_file import PlannedImage


def _images(count: int, *, repositories: int = 1, bases: int = 0, size: int | None = None) -> list[PlannedImage]:
    return [
        PlannedImage(
            "docker://s/x:1", f"docker://d:5000/r{n % repositories}:v{n}", size=size,
            base=f"base{n % bases}" if bases else "",
        )
        for n in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("images", "threads", "jobs", "groups", "most"),
    [
        (_images(0), 4, 8, 0, 0),
        (_images(1), 4, 8, 1, 1),
        (_images(24), 3, 8, 3, 8),
        (_images(2), 8, 8, 2, 1),
        (_images(2000, repositories=200), 4, 8, 50, 40),
        (_images(2000, repositories=200, bases=7), 4, 8, 49, 41),
        (_images(100_000), 4, 8, 1563, 64),
    ],
)
def test_number_and_size(images: list[PlannedImage], threads: int, jobs: int, groups: int, most: int) -> None:
    found = group_images(images, threads, jobs)
    assert sorted(position for group in found for position in group) == list(range(len(images)))
    assert len(found) == pytest.approx(groups, rel=0.1)
    assert max(map(len, found), default=0) == most


def test_images_of_a_repository_and_a_base_stay_together() -> None:
    images = _images(36, repositories=4)
    for group in group_images(images, 4, 1):
        assert len({images[position].destination.rpartition(":")[0] for position in group}) == 1


def test_the_first_group_of_each_base_comes_first() -> None:
    images = _images(400, repositories=400, bases=4)
    first = group_images(images, 4, 8)[:4]
    assert {images[position].base for group in first for position in group} == {f"base{n}" for n in range(4)}


def test_a_large_image_is_a_group_of_its_own() -> None:
    images = [*_images(50, size=1000), *_images(1, size=10**9)]
    assert [50] in group_images(images, 2, 4)
