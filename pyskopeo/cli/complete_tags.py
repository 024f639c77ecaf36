"""``pyskopeo complete-tags``: what a shell offers behind ``docker://HOST/REPOSITORY:``. It is in no list of commands.

The scripts of `completion` call it with the command line so far on standard input, where no other process sees it.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from typing import TYPE_CHECKING

from ..errors import PyskopeoError
from ..fast_dataclass import dataclass, replace
from ..model.reference import Reference
from .access_options import AccessOptions
from .command import GLOBAL, SUMMARIES, Command, CommandGroup, load_command
from .flags import Parsed, parse
from .main import supervise

if TYPE_CHECKING:
    from ..access import Access
    from ..model.events import Event

# Seconds: who has pressed the key is waiting.
_TIMEOUT = 2.0
_MAX_TAGS = 1000
_MAX_LINE = 64 * 1024
_PREFIX = "docker://"


@dataclass(frozen=True, slots=True)
class CompleteTagsOptions:
    """The options of ``complete-tags``: the command line up to the cursor."""

    line: str

    @classmethod
    def of(cls, _parsed: Parsed) -> CompleteTagsOptions:
        """Read the command line from standard input."""
        return cls(sys.stdin.buffer.read(_MAX_LINE).decode("utf-8", "surrogateescape").rstrip("\n"))


def run(options: CompleteTagsOptions) -> int:
    """Print the image names that the last word can become; whatever is in the way of that is no message."""
    try:
        names = _image_names(split_line(options.line))
    except (PyskopeoError, OSError):
        return 1
    for name in names:
        print(name)
    return 0


def split_line(line: str) -> list[str]:
    """Return the words of an unfinished command line, the last one up to the cursor; [] if it cannot be split."""
    for ending in ("", "'", '"'):
        try:
            words = shlex.split(line + ending)
        except ValueError:
            continue
        if line[-1:].isspace() and not ending:
            words.append("")
        while words and re.match(r"\w+=", words[0]):  # variables for the command
            words.pop(0)
        return words
    return []


def tag_repository(word: str) -> tuple[str, str] | None:
    """Return the repository as it is written, and the beginning of the tag; None if no tag is being written.

    ``docker://HOST:`` is the beginning of a port: without a slash behind the host nobody is asked.
    """
    repository, colon, tag = word.removeprefix(_PREFIX).rpartition(":")
    if not word.startswith(_PREFIX) or not colon or "/" not in repository or "/" in tag or "@" in repository:
        return None
    return repository, tag


def _image_names(words: list[str]) -> list[str]:
    """Ask the registry; raises `PyskopeoError`."""
    flag, word = _flag_and_value(words[-1]) if words else ("", "")
    wanted = tag_repository(word)
    if wanted is None:
        return []
    repository, begin = wanted
    access = _access([*words[1:-1], f"{flag}{_PREFIX}{repository}"])
    if access is None:
        return []
    from ..api.repositories import first_tags

    reference = Reference.parse(repository, default_tag="")
    tags = supervise(first_tags(reference, _MAX_TAGS, access), _TIMEOUT)
    return [f"{_PREFIX}{repository}:{tag}" for tag in tags if tag.startswith(begin)]


def _flag_and_value(word: str) -> tuple[str, str]:
    """Split ``--flag=value``; any other word is a value."""
    flag, equals, value = word.partition("=")
    return (flag + equals, value) if word.startswith("--") and equals else ("", word)


def _access(words: list[str]) -> Access | None:
    """Return how the command on the command line would reach the registry of its last word, without retries.

    None: not at all. Raises `PyskopeoError`.
    """
    outer, rest = parse(words, GLOBAL, stop_at_argument=True)
    if not rest or rest[0] not in SUMMARIES or rest[0] == "help":
        return None
    command = load_command(rest[0])
    if isinstance(command, CommandGroup):
        between, rest = parse(rest[1:], GLOBAL, stop_at_argument=True)
        between.inherit(outer)
        outer = between
        if not rest:
            return None
        command = command.command(rest[0])
    flags = (*GLOBAL, *command.flags)
    if not any(flag.name == "authfile" for flag in flags):
        return None
    parsed, _ = parse(rest[1:], flags)
    parsed.inherit(outer)
    _add_defaults(command, parsed)
    is_argument = parsed.arguments[-1:] == words[-1:]
    prefix = side(command, len(parsed.arguments) - 1) if is_argument else ""
    if _asks_for_a_password(parsed, prefix) or parsed.get("offline", bool):
        return None
    access = AccessOptions.of(parsed, prefix).access(_ignore)
    retry = replace(access.network.retry, times=0)
    return replace(access, network=replace(access.network, retry=retry))


def _ignore(_event: Event) -> None:
    """Drop an event: nothing may be printed beside the names."""


def side(command: Command[object], position: int) -> str:
    """Return the prefix of the flags for the registry of an argument: ``src-``, ``dest-`` or "" ."""
    if not any(flag.name == "src-creds" for flag in command.flags):
        return ""
    names = command.arguments.split()
    return "dest-" if "DESTINATION" in names[min(position, len(names) - 1)] else "src-"


def _add_defaults(command: Command[object], parsed: Parsed) -> None:
    from .defaults_location import has_defaults

    if has_defaults(os.environ):
        from .defaults import apply_defaults

        apply_defaults(command, parsed, os.environ)


def _asks_for_a_password(parsed: Parsed, prefix: str) -> bool:
    """Return whether the command would ask for a password at the terminal, which is not there now."""
    names = (f"{prefix}creds", *([f"{prefix[0]}creds"] if prefix else []))
    return any(":" not in (parsed.optional(name, str) or ":") for name in names)


COMMAND = Command(
    name="complete-tags",
    arguments="",
    description="Complete the tag at the end of the command line on standard input, for the scripts of completion.",
    examples=("pyskopeo complete-tags",),
    flags=(),
    read=CompleteTagsOptions.of,
    run=run,
)
