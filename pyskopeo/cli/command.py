"""The commands: what each consists of, their list, and the global flags that precede any of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .. import __version__
from ..errors import PyskopeoError
from ..fast_dataclass import dataclass
from .flags import Flag, Parsed, UsageError, boolean, duration

if TYPE_CHECKING:
    from .preconnect import Visit

# The version of skopeo whose flags and messages are followed, for scripts that parse `skopeo --version`.
SKOPEO = "1.22.0"

# Commands that take several images or repositories, and called skopeo one.
_OF_ONE = ("copy", "inspect", "list-tags")

Options = TypeVar("Options")


@dataclass(frozen=True, slots=True)
class Command(Generic[Options]):
    """One command: each module of this package that has a ``COMMAND`` offers one, or a `CommandGroup`.

    ``arguments`` names the positional arguments for the help text. ``read`` turns a parsed command
    line into the command's options and raises `InvalidInput` for flags that are invalid or exclude
    each other. ``run`` carries the command out and returns the exit code; it is a coroutine function
    if the command needs an event loop from its beginning to its end. ``summary`` is one line for the help text of
    a group; for the other commands it is in `SUMMARIES`. ``usage`` is skopeo's answer to a wrong number of arguments,
    for the commands for which it has one of their own. ``error_code`` is the exit code of errors that have none of
    their own; another one than 1 for a command that says something with that. ``beyond`` is what the description goes
    on with where the program is not called skopeo. ``instead`` is the name of a flag that is given instead of the
    arguments, "" without one. ``visits`` are the images that the command begins with, so that connections to their
    registries can be opened in advance; None where that is not done.
    """

    name: str
    arguments: str
    description: str
    examples: tuple[str, ...]
    flags: tuple[Flag, ...]
    read: Callable[[Parsed], Options]
    run: Callable[[Options], int | Coroutine[Any, Any, int]]
    summary: str = ""
    usage: str = ""
    error_code: int = 1
    beyond: str = ""
    instead: str = ""
    visits: Callable[[Options], Iterable[Visit]] | None = None

    @property
    def whole_description(self) -> str:
        """The description with all that this program does beyond skopeo."""
        return "\n\n".join(filter(None, (self.description, self.beyond)))

    @property
    def takes_more(self) -> bool:
        """Whether an argument can be repeated: one whose name ends with ``...``, unless skopeo takes only one."""
        return "..." in self.arguments and not (program() == "skopeo" and self.name in _OF_ONE)

    @contextmanager
    def coding_errors(self) -> Iterator[None]:
        """Give errors that are raised in this context the exit code for them."""
        try:
            yield
        except PyskopeoError as error:
            if error.exit_code == PyskopeoError.exit_code:
                error.exit_code = self.error_code
            raise

    def check_count(self, given: Sequence[str], flags: Collection[str] = ()) -> None:
        """Raise `UsageError` unless as many arguments are given as are named, or more if a name ends with ``...``.

        Those in brackets at the end may be left out; if all are in brackets, the command itself checks them. ``flags``
        are the names of the flags that are given.
        """
        if self.instead and self.instead in flags:
            if given:
                raise UsageError(f"No arguments expected with --{self.instead}, got {len(given)}")
            return
        names = self.arguments.split()
        wanted = [name for name in names if not name.startswith("[")]
        if self.arguments.startswith("["):
            return
        if not wanted:
            if given:
                raise UsageError(
                    f"No arguments expected, got {len(given)}\n"
                    f"Try '{program()} {self.name} --help' for more information"
                )
            return
        more = self.takes_more
        if len(wanted) <= len(given) and (more or len(given) <= len(names)):
            return
        if self.usage:
            raise UsageError(f"Usage: {program()} {self.usage}")
        count = ("one argument", "two arguments")[len(wanted) - 1]
        least = "At least" if more or len(names) > len(wanted) else "Exactly"
        expected = f"{least} {count} expected"
        if len(given) > len(names) > len(wanted):
            expected = f"At most {len(names)} arguments expected"
        stray = next((word for word in given if word in ("true", "false")), None)
        hint = f"; for a flag that is {stray} write --flag={stray}" if stray else _hint_of_order(self.name, given)
        shown = self.arguments if more else self.arguments.replace("...", "")
        raise UsageError(
            f"{expected}: {shown}, got {len(given)}{hint}\n"
            f"Try '{program()} {self.name} --help' for more information"
        )


@dataclass(frozen=True, slots=True)
class CommandGroup:
    """A command whose first argument is a sub-command with flags of its own, such as ``store ls``.

    The name of each of the ``commands`` is that of the group, a space and its own.
    """

    name: str
    description: str
    commands: tuple[Command[Any], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the sub-commands, without that of the group."""
        return tuple(command.name.removeprefix(f"{self.name} ") for command in self.commands)

    def command(self, name: str) -> Command[object]:
        """Return the sub-command ``name``; raises `UsageError`."""
        if name in self.names:
            return self.commands[self.names.index(name)]
        from difflib import get_close_matches

        near = [known for known in self.names if known.startswith(name)] or get_close_matches(name, self.names)
        meant = f"Did you mean '{near[0]}'? " if near else f"The commands are {', '.join(self.names)}. "
        raise UsageError(
            f"Unrecognized command `{program()} {self.name} {name}`\n"
            f"{meant}Try '{program()} {self.name} --help' for more information"
        )


def _hint_of_order(name: str, given: Sequence[str]) -> str:
    """Return a hint for the name of a group that follows that of its sub-command, such as ``verify layout``."""
    group = load_command(given[0]) if given and given[0] in SUMMARIES and given[0] != "help" else None
    found = isinstance(group, CommandGroup) and name in group.names
    return f"; did you mean '{program()} {given[0]} {name}'?" if found else ""


# Here, and not in the modules of the commands, so that the overview need not import them.
SUMMARIES = {
    "attach": "Attach files to an image, such as lists of packages",
    "blob": "Download or upload single blobs of a registry",
    "bundle": "Carry many images to machines without a network",
    "cat": "Print a file of an image",
    "catalog": "List the repositories of a registry",
    "completion": "Print a shell completion script for bash, zsh or fish",
    "config": "Show the values that are set for flags, and where",
    "copy": "Copy an image from one place to another",
    "credential-helper": "Provide registry credentials to Bazel and Docker",
    "delete": "Delete an image, or only a tag, from a registry",
    "detach": "Remove what is attached to an image",
    "diff": "Show how two images differ",
    "download": "Download what is attached to an image",
    "du": "Show where the bytes of an image are",
    "export": "Write the files of an image as a tar archive",
    "extract": "Extract files of an image to a directory",
    "generate-sigstore-key": "Make a key for signatures of sigstore",
    "help": "Show the help text of a command",
    "index": "Make a list of images, one for each platform",
    "inspect": "Show the properties of an image, or its manifest",
    "layout": "Verify, repair, complete, merge and split OCI layouts",
    "list-tags": "List the tags of a repository or of an archive",
    "lock": "Record the digests of images in a lock file",
    "login": "Log in to a container registry",
    "logout": "Log out of a container registry",
    "ls": "List the files of an image, or the tags of a repository",
    "manifest": "Download or upload single manifests of a registry",
    "manifest-digest": "Compute the digest of a manifest file",
    "nix-prefetch": "Pull an image into the Nix store",
    "prefetch": "Fetch the images of a lock file",
    "rebase": "Put an image onto another base image",
    "referrers": "List what refers to an image, such as signatures",
    "report": "Merge and show the reports of sync",
    "serve": "Run a registry over a layout, or as a cache",
    "standalone-sign": "Sign a manifest in a file with a GPG key",
    "standalone-verify": "Verify a signature of a manifest, both in files",
    "store": "List, measure, verify or prune the content store",
    "sync": "Copy many images, and skip those that are up to date",
    "tag": "Add tags to an image in a registry",
    "tree": "Show the platforms, layers and referrers of an image",
    "verify": "Verify the signatures and every blob of an image",
    "version": "Print the version",
}

# Commands that no help text names, as for skopeo.
HIDDEN = frozenset({"untrusted-signature-dump-without-verification"})
# That the scripts of completion call; there is none where the program is called skopeo.
COMPLETE_TAGS = "complete-tags"

VERSION = Flag("version", "print the version", short="v", read=boolean, default=False, group="output")

GLOBAL = (
    Flag("command-timeout", "time limit for the command (default: none)", value="DURATION", read=duration,
         default=0.0, group="network"),
    Flag("debug", "log requests and the origin of settings to standard error", read=boolean, default=False,
         group="output"),
    Flag("insecure-policy", "accept all images, without checking a policy", read=boolean, default=False, group="trust"),
    Flag("offline", "send no request: what is missing on this machine is listed, and the exit code is 3", read=boolean,
         default=False, group="network"),
    Flag("override-arch", "use ARCH instead of the architecture of this machine to choose images", value="ARCH",
         default="", group="images"),
    Flag("override-os", "use OS instead of linux to choose images", value="OS", default="", group="images"),
    Flag("override-variant", "use VARIANT instead of the variant of this machine to choose images", value="VARIANT",
         default="", group="images"),
    Flag("policy", "path of the policy that decides which images are accepted (default: $CONTAINERS_POLICY_JSON, "
         "else policy.json in the configuration directories; without a policy all images are accepted)", value="PATH",
         group="trust"),
    Flag("registries-conf", "", value="PATH", hidden=True),
    Flag("registries.d", "directory that configures where registries keep signatures", value="DIR", group="trust"),
    Flag("require-signed", "reject images that the policy accepts without a signature", read=boolean, default=False,
         group="trust"),
    Flag("store", "directory of the content store: what is fetched is kept there, and what is there is not fetched "
         "(default: $PYSKOPEO_STORE, else none)", value="DIR", group="network"),
    Flag("tls-details", "YAML file with minVersion, cipherSuites and namedGroups for TLS", value="PATH",
         group="network"),
    Flag("tls-verify", "", read=boolean, hidden=True),
    Flag("tmpdir", "directory for large temporary files (default: $TMPDIR, else next to the destination)",
         value="DIR", group="destination"),
    Flag("user-agent-prefix", "prefix for the User-Agent header of requests", value="PREFIX", group="network"),
)  # fmt: skip


def is_command(name: str) -> bool:
    """Return whether `load_command` can import a command of this name, and the program has it."""
    return name in SUMMARIES or name in HIDDEN or (name == COMPLETE_TAGS and program() != "skopeo")


def load_command(name: str) -> Command[object] | CommandGroup:
    """Import the module of the command ``name``, a key of `SUMMARIES` other than ``help``, or a hidden one."""
    command: Command[object] | CommandGroup = import_module(f".{name.replace('-', '_')}", __package__).COMMAND
    return command


def every_command() -> list[Command[object]]:
    """Import all modules of commands; return the commands sorted by name, and in place of groups their sub-commands."""
    loaded = (load_command(name) for name in sorted(SUMMARIES) if name != "help")
    return [
        command
        for one in loaded
        for command in (one.commands if isinstance(one, CommandGroup) else (one,))
    ]  # fmt: skip


def program() -> str:
    """Return the name this program is called by: ``skopeo`` for a link of that name, else ``pyskopeo``."""
    return "skopeo" if os.path.basename(sys.argv[0]) == "skopeo" else "pyskopeo"


def version_line() -> str:
    """Return the name and the version of the program; called skopeo, also the version of skopeo that it follows."""
    version = f"{SKOPEO} pyskopeo: {__version__}" if program() == "skopeo" else __version__
    return f"{program()} version {version}"
