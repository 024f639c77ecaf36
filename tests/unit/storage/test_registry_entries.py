"""The names of entries as those of repositories, and their order."""

from __future__ import annotations

import random

import pytest

from pyskopeo.model.digest import Digest
from pyskopeo.storage.registry_entries import RegistryEntry, Repository, split_entry_name, tag_order

DIGEST = Digest("sha256", "a" * 64)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("app:1.0", ("app", "1.0", None)),
        ("team/a__b/c-d:latest", ("team/a__b/c-d", "latest", None)),
        (f"app@{DIGEST}", ("app", "", DIGEST)),
        ("docker.io/library/app:1", ("docker.io/library/app", "1", None)),
        ("localhost:5000/team/app:1", ("team/app", "1", None)),
        ("1.0", None), ("", None), (":1", None), ("app:", None), ("App:1", None), ("app:a b", None), ("a//b:1", None),
        ("app@sha256:abc", None), ("app:1@", None), ("localhost:5000/app", None), ("../app:1", None),
        (f"app:1@{DIGEST}", ("app", "", DIGEST)), (f"localhost:5000/app@{DIGEST}", ("app", "", DIGEST)),
    ],
)  # fmt: skip
def test_names(name: str, parts: tuple[str, str, Digest | None] | None) -> None:
    assert split_entry_name(name) == parts


def entry(tag: str, number: int) -> RegistryEntry:
    return RegistryEntry("app", tag, Digest("sha256", f"{number:064x}"), "", 1, b"")


def test_entries_are_added_and_removed() -> None:
    """Compared with a plain dictionary, in random order."""
    chance, found, wanted = random.Random(7), Repository("app"), dict[str, int]()
    for step in range(2000):
        tag, number = f"{chance.choice('abAB')}{chance.randrange(20)}", chance.randrange(5)
        if chance.random() < 0.6:
            found.add(entry(tag, number))
            wanted[tag] = number
        else:
            found.remove(entry(tag, number))
            wanted.pop(tag, None)
        if step % 50:
            continue
        ordered = sorted(wanted, key=tag_order)
        assert found.tags_after("", 1000) == (ordered, False)
        last = chance.choice(["", "b", "A3", *wanted])
        rest = [tag for tag in ordered if not last or tag_order(tag) > tag_order(last)]
        assert found.tags_after(last, 3) == (rest[:3], len(rest) > 3)
        for value in range(5):
            digest = entry("", value).digest
            tags = {tag for tag, number in wanted.items() if number == value}
            assert found.count_of(digest) == len(tags)
            assert {one.tag for one in found.entries_of(digest)} == tags
            assert (found.entry_of(digest) is not None) == bool(tags)
        assert found.has_entries == bool(wanted)
