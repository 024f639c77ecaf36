"""The shards of a plan: independent of its order, balanced, and with bases in one shard."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

import pytest

from pyskopeo.errors import InvalidInput
from pyskopeo.syncing.places import repository_of
from pyskopeo.syncing.plan_file import PlannedImage
from pyskopeo.syncing.shards import Shard, choose_shard, cost


def planned(repository: str, tag: str, base: str = "", size: int = 1_000_000, requests: int = 10) -> PlannedImage:
    source = f"docker://a.example/{repository}:{tag}"
    return PlannedImage(source, f"docker://b.example/{repository}:{tag}", None, size, requests, base)


def many(seed: int = 1) -> list[PlannedImage]:
    """Images of 60 repositories on 12 bases of different popularity, of different sizes."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    return [
        planned(f"team{r}/app", f"v{t}", f"base{min(r % 17, 11)}", chance.randrange(10**9), chance.randrange(5, 60))
        for r in range(60) for t in range(chance.randrange(1, 30))
    ]  # fmt: skip


def shards_of(images: Sequence[PlannedImage], count: int) -> list[list[PlannedImage]]:
    return [list(choose_shard(lambda: images, Shard(number, count))) for number in range(1, count + 1)]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 40])
def test_each_image_is_in_one_shard_whatever_the_order(count: int) -> None:
    images = many()
    shards = shards_of(images, count)
    assert sorted(image.source for shard in shards for image in shard) == sorted(image.source for image in images)
    shuffled = random.Random(2).sample(images, len(images))  # noqa: S311 - no secret
    assert [set(shard) for shard in shards_of(shuffled, count)] == [set(shard) for shard in shards]


@pytest.mark.parametrize("count", [2, 3, 7])
def test_shards_cost_the_same(count: int) -> None:
    costs = [sum(map(cost, shard)) for shard in shards_of(many(), count)]
    assert max(costs) < 1.15 * min(costs)


def test_images_with_one_base_are_in_one_shard_unless_they_are_more_than_a_share() -> None:
    images = [planned(f"r{n}", "1", f"base{n % 10}") for n in range(100)]
    where = defaultdict(set)
    for number, shard in enumerate(shards_of(images, 3)):
        for image in shard:
            where[image.base].add(number)
    assert all(len(numbers) == 1 for numbers in where.values())


def test_a_base_of_more_than_a_share_is_divided_by_repository() -> None:
    images = [planned(f"r{r}", f"v{t}", "alpine") for r in range(30) for t in range(10)]
    shards = shards_of(images, 4)
    assert [len(shard) for shard in shards] == [80, 80, 70, 70]
    repositories = [{repository_of(image.source) for image in shard} for shard in shards]
    assert sum(map(len, repositories)) == 30, "no repository is divided"


def test_a_repository_of_more_than_a_share_is_divided() -> None:
    images = [planned("one", f"v{t}") for t in range(40)] + [planned("two", "1")]
    assert sorted(len(shard) for shard in shards_of(images, 4)) == [10, 10, 10, 11]


def test_there_may_be_more_shards_than_images() -> None:
    assert sorted(len(shard) for shard in shards_of([planned("one", "1"), planned("two", "1")], 5)) == [0, 0, 0, 1, 1]
    assert shards_of([], 2) == [[], []]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("4", "want I/N, such as 1/4"),
        ("a/b", "want I/N"),
        ("-1/4", "want I/N"),
        ("1/4/5", "want I/N"),
        ("\u0661/4", "want I/N"),
        ("0/4", "there is no shard 0/4: shards are numbered from 1/4 to 4/4"),
        ("5/4", "there is no shard 5/4"),
        ("1/0", "want between 1 and 10000 shards"),
        ("1/9999999", "want between 1 and 10000 shards"),
    ],
)
def test_a_shard_that_is_not_there_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Shard.parse(text)


def test_a_shard_is_parsed() -> None:
    assert str(Shard.parse("03/12")) == "3/12"
