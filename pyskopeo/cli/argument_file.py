"""Arguments from a file: ``@FILE`` on the command line, as build tools write long command lines.

The file has one argument a line, as it is, without quotes: the format that Bazel calls ``multiline``. An empty line is
an empty argument. Nothing in the file is expanded again, and ``@@TEXT`` on the command line is the argument ``@TEXT``.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import InvalidInput, NotFound, StorageFailed, TooLarge

_LIMIT = 64 * 1024 * 1024  # bytes


class LiteralWord(str):
    """A word of the command line that stands for itself, even if it begins with ``@``."""

    __slots__ = ()


def read_arguments(word: str) -> list[str]:
    """Return the arguments that ``@FILE`` stands for, or the one that ``@@TEXT`` does.

    Raises `InvalidInput` for a file that cannot be read; its content is not repeated in the message.
    """
    if word.startswith("@@"):
        return [LiteralWord(word[1:])]
    from ..storage.files import read_bounded

    path = Path(word[1:])
    try:
        raw = read_bounded(path, _LIMIT)
    except (NotFound, StorageFailed, TooLarge) as error:
        raise InvalidInput(
            f"reading arguments from {word}: {error}; an argument that begins with @ is written @{word}"
        ) from None
    if b"\0" in raw:
        raise InvalidInput(f"reading arguments from {word}: it contains a NUL byte")
    return [LiteralWord(os.fsdecode(line)) for line in raw.removesuffix(b"\n").split(b"\n")] if raw else []
