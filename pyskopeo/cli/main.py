"""``pyskopeo``: global flags, then a command with its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from ..errors import PyskopeoError
from ..version import __version__
from .command import GLOBAL, Command
from .flags import Parsed, UsageError, parse, usage
from .log import log

SUMMARIES = {
    "copy": "Copy an IMAGE-NAME from one location to another",
    "inspect": "Inspect image IMAGE-NAME",
    "serve": "Serve the images of an OCI layout as a read-only registry",
}


def run() -> None:
    """The console script."""
    code = main(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has seen enough; say nothing more when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = code or 1
    sys.exit(code)


def main(words: Sequence[str]) -> int:
    """Run a command line; answers with the exit code: 0, 1, 2 (image not found), 130 or 143."""
    from .run import Interrupted, leave

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
    parsed, rest = parse(words, GLOBAL, stop_at_argument=True)
    if parsed["version"]:
        print(f"pyskopeo version {__version__}")
        return 0
    if not rest:
        if parsed.help or parsed.arguments:
            print(_overview())
            return 0
        raise UsageError("Missing command 'pyskopeo COMMAND'\nTry 'pyskopeo --help' for more information")
    name, *arguments = rest
    if name == "help":
        name, arguments = (arguments[0], ["--help"]) if arguments else ("", [])
        if not name:
            print(_overview())
            return 0
    if name not in SUMMARIES:
        raise UsageError(f"Unrecognized command `pyskopeo {name}`\nTry 'pyskopeo --help' for more information")
    command: Command = import_module(f".{name}", __package__).COMMAND
    return _run(command, arguments, parsed)


def _run(command: Command, words: Sequence[str], outer: Parsed) -> int:
    parsed, _ = parse(words, (*GLOBAL, *command.flags))
    if parsed.help or outer.help:
        print(_help(command))
        return 0
    for name in outer.given - parsed.given:
        parsed.values[name] = outer.values[name]
    parsed.given |= outer.given
    if len(parsed.arguments) != len(command.arguments.split()):
        print(_help(command), file=sys.stderr)
        wanted = len(command.arguments.split())
        raise UsageError(f"{command.name}: want {wanted} argument{'s' * (wanted > 1)}: {command.arguments}")
    return command.run(parsed)


def _overview() -> str:
    commands = "\n".join(f"  {name:<10}{summary}" for name, summary in SUMMARIES.items())
    return (
        "Copy and inspect container images, without a daemon\n\n"
        "Usage:\n  pyskopeo [flags] COMMAND [command flags]\n\n"
        f"Available Commands:\n{commands}\n\nFlags:\n{usage(GLOBAL)}\n\n"
        'Use "pyskopeo COMMAND --help" for more information about a command.'
    )


def _help(command: Command) -> str:
    examples = "\n".join(f"  {example}" for example in command.examples)
    return (
        f"{command.description}\n\nUsage:\n  pyskopeo {command.name} [command flags] {command.arguments}\n\n"
        f"Examples:\n{examples}\n\nFlags:\n{usage(command.flags)}\n\nGlobal Flags:\n{usage(GLOBAL)}"
    )
