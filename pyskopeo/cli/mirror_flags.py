"""The flags of ``sync`` for mirrors of many repositories: which of a registry, and what they are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .flags import Flag, Parsed

if TYPE_CHECKING:
    from ..syncing.mapping import Renaming
    from ..syncing.repository_selection import RepositorySelection

MIRROR = (
    Flag("include-repository", "of a whole registry (--src registry), copy only repositories whose names, without the "
         "registry, contain a match of REGEX", value="REGEX", repeat=True, group="images"),
    Flag("exclude-repository", "of a whole registry, do not copy repositories whose names contain a match of REGEX",
         value="REGEX", repeat=True, group="images"),
    Flag("map", "rename images: what REGEX finds in HOST/REPOSITORY:TAG becomes REPLACEMENT, with groups as \\1, and "
         "the result is the name below DESTINATION; the first rule that matches counts", value="REGEX=REPLACEMENT",
         repeat=True, group="destination"),
)  # fmt: skip


def repository_selection(parsed: Parsed) -> RepositorySelection:
    """Return which repositories of a registry are wanted; raises `InvalidInput`."""
    from ..syncing.repository_selection import RepositorySelection

    return RepositorySelection.parse(
        parsed.repeated("include-repository", str), parsed.repeated("exclude-repository", str)
    )


def renaming(parsed: Parsed) -> Renaming:
    """Return the rules of ``--map``; raises `InvalidInput`."""
    from ..syncing.mapping import Renaming

    return Renaming.parse(parsed.repeated("map", str))
