"""A row of the tables: one command line, what it finds, and where the two programs differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Row:
    """``line`` is given to both programs in folders of their own; ``{...}`` stands for what `World.names` holds.

    ``code`` is skopeo's, and ours too but where ``differs`` says otherwise. Who fails says ``says`` in its last log
    line; of two, skopeo says the first and we the second. ``differs`` names rows of differences.md. ``before`` are
    command lines that skopeo carries out first, for both; ``files`` are written first, ``env`` is added. ``apart`` runs
    ours as a process, for what writes to a descriptor. ``called`` is the name that ours is called by.
    """

    line: str
    code: int = 0
    says: str | tuple[str, str] = ""
    differs: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    stdin: str = ""
    apart: bool = False
    called: str = "pyskopeo"

    def __str__(self) -> str:
        return self.line
