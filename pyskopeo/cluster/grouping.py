"""Divide the images of a plan into groups, each of which one task copies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..syncing.plan_file import PlannedImage

_IN_TURN = 3  # images that each job of a group copies, one after the other: each group makes connections of its own
_ROUNDS = 12  # groups for each thread of the workers: the last ones end at about the same time
_MOST = 64  # images in a group
_REQUESTS = 8  # of an image whose plan does not say
_BYTES = 1_000_000  # that take as long as a request


def group_images(images: Sequence[PlannedImage], threads: int, jobs: int) -> list[list[int]]:
    """Return groups of positions in ``images``, in the order in which they should start.

    Images of one repository with the same base stay together, as far as a group is not larger than its share of the
    work. The first group of each base comes before all second ones: what it puts at the destination is there when the
    others need it. ``threads`` is the number of groups that are copied at the same time, ``jobs`` that of the images of
    a group: there are some more in it, if there is work for all threads.
    """
    costs = [_cost(image) for image in images]
    for_each_thread = sum(costs) / max(threads, 1)
    share = min(max(for_each_thread / _ROUNDS, sum(costs) / max(len(costs), 1) * jobs * _IN_TURN), for_each_thread)
    rounds: list[list[list[int]]] = []
    for family in _families(images, costs):
        for number, group in enumerate(_divided(family, costs, share)):
            if number == len(rounds):
                rounds.append([])
            rounds[number].append(group)
    return [group for groups in rounds for group in _joined(groups, costs, share)]


def _cost(image: PlannedImage) -> float:
    return (image.requests or _REQUESTS) + (image.size or 0) / _BYTES


def _families(images: Sequence[PlannedImage], costs: Sequence[float]) -> list[list[int]]:
    """Return the images that share a base, or without one those of a repository; the largest first."""
    found: dict[str, list[int]] = {}
    for position, image in enumerate(images):
        found.setdefault(image.base or _repository(image), []).append(position)
    for family in found.values():
        family.sort(key=lambda position: _repository(images[position]))
    return sorted(found.values(), key=lambda family: -sum(costs[position] for position in family))


def _repository(image: PlannedImage) -> str:
    head, slash, last = image.destination.partition("@")[0].rpartition("/")
    return head + slash + last.partition(":")[0]


def _divided(family: Sequence[int], costs: Sequence[float], share: float) -> Iterator[list[int]]:
    """Yield the parts of a family, each of about a share."""
    part: list[int] = []
    cost = 0.0
    for position in family:
        if part and (cost + costs[position] > share or len(part) == _MOST):
            yield part
            part, cost = [], 0.0
        part.append(position)
        cost += costs[position]
    if part:
        yield part


def _joined(groups: Sequence[list[int]], costs: Sequence[float], share: float) -> Iterator[list[int]]:
    """Yield the groups; small ones are put together, since each task has its own connections."""
    joined: list[int] = []
    cost = 0.0
    for group in groups:
        added = sum(costs[position] for position in group)
        if joined and (cost + added > share or len(joined) + len(group) > _MOST):
            yield joined
            joined, cost = [], 0.0
        joined = joined + group
        cost += added
    if joined:
        yield joined
