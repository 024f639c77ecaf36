"""``pyskopeo``: global flags, then a command with its own."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from .. import __version__
from ..errors import PyskopeoError
from .command import GLOBAL, VERSION, Command
from .flags import Parsed, UsageError, parse, usage
from .log import log, set_debugging

# The version whose flags and words are meant, for scripts that ask `skopeo --version`.
SKOPEO = "1.22.0"

SUMMARIES = {
    "completion": "Print the completion script for a shell: bash, zsh or fish",
    "copy": "Copy an image, or a list of images, from one place to another",
    "credential-helper": "Answer those who look for credentials: Bazel, Docker",
    "delete": "Delete an image from a registry, or a tag alone",
    "help": "Show what a command does and its flags",
    "inspect": "Show what is known of an image: facts, manifest, configuration",
    "list-tags": "List the tags of a repository, or of the images in an archive",
    "login": "Log in to a container registry",
    "logout": "Log out of a container registry",
    "manifest-digest": "Compute the digest of a manifest in a file",
    "serve": "Serve the images of an OCI layout as a read-only registry",
    "sync": "Copy many images from one place to another, and keep them up to date",
    "tag": "Give an image in a registry more tags, moving nothing",
}


def run() -> None:
    """The console script."""
    # A short life with few cycles: collecting while modules load costs more than it gives back.
    gc.set_threshold(50_000, 20, 20)
    words = sys.argv[1:]
    if os.path.basename(sys.argv[0]) == "docker-credential-pyskopeo":
        words = ["credential-helper", *(f"docker-{word}" for word in words)]
    code = main(words)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:  # the reader has closed the pipe: the output is incomplete
            code = code or 1
    # Nothing is left to do, and taking the interpreter apart takes longer than some commands.
    os._exit(code)


def main(words: Sequence[str]) -> int:
    """Run a command line; answers with the exit code: 0, 1, 2 (image not found), 130 or 143."""
    from .supervision import Interrupted, leave

    try:
        return _dispatch(words)
    except PyskopeoError as error:
        log("fatal", str(error))
        return error.exit_code
    except BrokenPipeError:
        return 1
    except Interrupted as interrupted:
        leave(interrupted.number)
    except KeyboardInterrupt:
        leave(2)


def _dispatch(words: Sequence[str]) -> int:
    name = program()
    parsed, rest = parse(words, (*GLOBAL, VERSION), stop_at_argument=True)
    if parsed["version"]:
        meant = f"{SKOPEO} pyskopeo: " if name == "skopeo" else ""
        print(f"{name} version {meant}{__version__}")
        return 0
    while rest[:1] == ["help"]:
        rest, parsed.values["help"] = rest[1:], True
    if not rest:
        if not parsed["help"]:
            raise UsageError(f"Missing command '{name} COMMAND'\nTry '{name} --help' for more information")
        print(_overview())
        return 0
    verb, *arguments = rest
    if verb not in SUMMARIES:
        raise UsageError(
            f"Unrecognized command `{name} {verb}`\n{_guess(verb)}Try '{name} --help' for more information"
        )
    return _run(load_command(verb), arguments, parsed)


def program() -> str:
    """What this was called: those who link ``skopeo`` to it find that name in what it says."""
    return "skopeo" if os.path.basename(sys.argv[0]) == "skopeo" else "pyskopeo"


def load_command(verb: str) -> Command:
    """The command of that name; its module is loaded for it."""
    command: Command = import_module(f".{verb.replace('-', '_')}", __package__).COMMAND
    return command


def _guess(name: str) -> str:
    """What may have been meant; there is time to look, now that nothing else can be done."""
    from difflib import get_close_matches

    near = [known for known in SUMMARIES if known.startswith(name)] or get_close_matches(name, SUMMARIES)
    return f"Did you mean '{near[0]}'? " if near else ""


def _run(command: Command, words: Sequence[str], outer: Parsed) -> int:
    parsed, _ = parse(words, (*GLOBAL, *command.flags))
    if parsed["help"] or outer["help"]:
        print(_help(command))
        return 0
    for name in outer.given - parsed.given:
        parsed.values[name] = outer.values[name]
    parsed.given |= outer.given
    set_debugging(parsed["debug"])
    _check_count(command, parsed.arguments)
    return command.run(parsed)


def _check_count(command: Command, arguments: Sequence[str]) -> None:
    """As many as the command names; its last one may say by ``...`` that more may follow.

    One in brackets may be left out, and what is wrong with it is said by the command.
    """
    wanted = command.arguments.split()
    if command.arguments.startswith("["):
        return
    more = command.arguments.endswith("...")
    if len(arguments) == len(wanted) or (more and len(arguments) > len(wanted)):
        return
    count = ("one argument", "two arguments")[len(wanted) - 1]
    expected = f"{'At least' if more else 'Exactly'} {count} expected"
    stray = next((word for word in arguments if word in ("true", "false")), None)
    hint = f"; for a flag that is {stray} write --flag={stray}" if stray else ""
    raise UsageError(
        f"{expected}: {command.arguments}, got {len(arguments)}{hint}\n"
        f"Try '{program()} {command.name} --help' for more information"
    )


def _overview() -> str:
    width = max(map(len, SUMMARIES)) + 3
    commands = "\n".join(f"  {name:<{width}}{summary}" for name, summary in sorted(SUMMARIES.items()))
    return (
        "Copy and inspect container images, without a daemon\n\n"
        f"Usage:\n  {program()} [flags] COMMAND [command flags]\n\n"
        f"Available Commands:\n{commands}\n\nFlags:\n{usage((*GLOBAL, VERSION))}\n\n"
        f'Use "{program()} COMMAND --help" for more information about a command.'
    )


def _help(command: Command) -> str:
    examples = "\n".join(f"  {example}" for example in command.examples)
    flags = f"Flags:\n{usage(command.flags)}\n\n" if command.flags else ""
    return (
        f"{command.description}\n\nUsage:\n  {program()} {command.name} [command flags] {command.arguments}\n\n"
        f"Examples:\n{examples}\n\n{flags}Global Flags:\n{usage(GLOBAL)}"
    )
