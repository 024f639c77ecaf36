"""The entry point of ``pyskopeo``: parses the command line, runs the command and returns its exit code."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from typing import NoReturn, TypeVar

from ..errors import InvalidInput, PyskopeoError, StorageFailed, first_error
from .command import GLOBAL, VERSION, Command, CommandGroup, is_command, load_command, program, version_line
from .flags import Flag, Parsed, UnknownFlag, UsageError, parse
from .log import debugging, emit, emit_notice, log, set_debugging
from .preconnect import preconnected
from .standard_streams import flush_standard_streams, prepare_standard_streams, print_styled

_STOPS_AT_ONCE = 0.3  # seconds

T = TypeVar("T")


class Interrupted(BaseException):
    """SIGINT or SIGTERM was received, and the command has cleaned up. ``number`` is the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def run() -> None:
    """The console script."""
    # The process is short-lived and makes few cycles: collecting while modules load costs more than it frees.
    gc.set_threshold(50_000, 20, 20)
    prepare_standard_streams()
    words = sys.argv[1:]
    if os.path.basename(sys.argv[0]) == "docker-credential-pyskopeo":
        words = ["credential-helper", *(f"docker-{word}" for word in words)]
    code = main(words)
    try:
        flush_standard_streams()
    except BrokenPipeError:  # the reader has closed the pipe: the output is incomplete
        code = code or 1
    except PyskopeoError as error:
        if not code:  # else what failed has been logged
            log("fatal", str(error))
        code = code or 1
    # Finalizing the interpreter takes longer than some commands, and nothing is left for it to do.
    os._exit(code)


def main(words: Sequence[str]) -> int:
    """Run the command line ``words``.

    Returns the exit code: 0, 1, or 2 for an image that does not exist. After SIGINT or SIGTERM the
    process exits with 130 or 143.
    """
    try:
        invocation = _parse_command_line(words)
        if invocation is None:
            return 0
        command, options, seconds = invocation
        with preconnected(() if command.visits is None else command.visits(options)):
            outcome = command.run(options)
            if isinstance(outcome, int):
                return outcome
            import anyio

            return anyio.run(supervised, outcome, seconds)
    except PyskopeoError as error:
        log("fatal", str(error))
        return error.exit_code
    except BrokenPipeError:
        return 1
    except OSError as error:
        if debugging():
            raise
        log("fatal", str(StorageFailed.of(error, _place(error))))
        return 1
    except Interrupted as interrupted:
        _exit_for_signal(interrupted.number)
    except KeyboardInterrupt:
        _exit_for_signal(signal.SIGINT)


async def supervised(work: Awaitable[T], seconds: float = 0.0) -> T:
    """Await ``work`` and return its result; cancel it on SIGINT and SIGTERM, and after ``seconds`` (0: never).

    Raises `Interrupted` or, after ``seconds``, `PyskopeoError`, when the cancelled work has cleaned up.
    """
    import anyio

    received: list[int] = []
    stopping = ExitStack()

    async def cancel_on_signal() -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for number in signals:
                received.append(number)
                stopping.enter_context(_announced_stop())
                tasks.cancel_scope.cancel()
                return

    try:
        with stopping, first_error():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(cancel_on_signal)
                with anyio.move_on_after(seconds or None) as limit:
                    result = await work
                tasks.cancel_scope.cancel()
    except Exception:
        if not received:  # after a signal, errors of the clean-up do not matter
            raise
    if received:
        raise Interrupted(received[0])
    if limit.cancelled_caught:
        text = f"not finished after {seconds:g} s: given up, as --command-timeout says"
        raise PyskopeoError(text + _what_is_kept())
    return result


@contextmanager
def _announced_stop() -> Iterator[None]:
    """Print on a terminal that the command stops, if that takes a moment within the block."""
    if program() == "skopeo" or not sys.stderr.isatty():
        yield
        return
    from threading import Timer

    timer = Timer(_STOPS_AT_ONCE, emit_notice, ("Stopping ...",))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def supervise(work: Awaitable[T], seconds: float = 0.0) -> T:
    """Run ``work`` by `supervised` in an event loop of its own.

    For commands that do more than wait for I/O: a prompt or a regular expression would block the
    event loop, which then could not react to signals.
    """
    import anyio

    return anyio.run(supervised, work, seconds)


def _place(error: OSError) -> str:
    """Return which file an error is about, or the working directory if that has been removed."""
    if error.filename is not None:
        return os.fsdecode(error.filename)
    try:
        os.getcwd()
    except OSError:
        return "the working directory"
    return "the system"


def _what_is_kept() -> str:
    """Return the end of a message: what the next run will go on with, "" if that is nothing."""
    if f"{__package__.rpartition('.')[0]}.storage.kept_bytes" not in sys.modules:
        return ""  # nothing was to be kept
    from ..storage.kept_bytes import KEPT_BYTES
    from .quantities import size

    if not KEPT_BYTES.total:
        return ""
    return f": {size(KEPT_BYTES.total)} of what was transferred are kept, and the same command goes on there"


def _exit_for_signal(number: int) -> NoReturn:
    """Exit as a program that was ended by a signal: with code 130 or 143."""
    log("fatal", ("interrupted" if number == signal.SIGINT else "terminated") + _what_is_kept())
    try:
        flush_standard_streams()
    except (PyskopeoError, BrokenPipeError) as error:
        log("warning", f"standard output is incomplete: {error}")
    # Not sys.exit, which waits for threads: one may still be resolving a name or connecting.
    os._exit(128 + number)


def _parse_command_line(words: Sequence[str]) -> tuple[Command[object], object, float] | None:
    """Return the command, its options and its time limit in seconds.

    Returns None if a version or a help text was asked for, after printing it. Raises `InvalidInput`.
    """
    outer, rest = _parse(program(), words, (*GLOBAL, VERSION), stop_at_argument=True)
    if outer.get("version", bool):
        print(version_line())
        return None
    wants_help = outer.get("help", bool)
    while rest[:1] == ["help"]:
        rest, wants_help = rest[1:], True
    if wants_help and _show_page(rest):
        return None
    if not rest:
        if program() == "skopeo":
            raise UsageError(f"Missing command '{program()} COMMAND'\nTry '{program()} --help' for more information")
        _show_page(rest)
        return None
    verb, *words = rest
    if not is_command(verb):
        from .command_hints import hint

        raise UsageError(
            f"Unrecognized command `{program()} {verb}`\n"
            f"{hint(verb, words)}Try '{program()} --help' for more information"
        )
    command = load_command(verb)
    with command.coding_errors() if isinstance(command, Command) else nullcontext():
        return _parse_command(command, words, outer, wants_help=wants_help)


def _show_page(words: Sequence[str]) -> bool:
    """Print the page of help that ``words`` ask for, unless it is that of a command; return whether it is printed."""
    from .help import overview, topic_help
    from .topics import ABOUT_HELP, TOPICS

    if not words:
        print_styled(overview())
    elif words[0] in ("-h", "--help"):
        print_styled(topic_help(ABOUT_HELP))
    elif words[0] in TOPICS and program() != "skopeo":
        print_styled(topic_help(TOPICS[words[0]]))
    else:
        return False
    return True


def _parse_command(
    command: Command[object] | CommandGroup, words: Sequence[str], outer: Parsed, *, wants_help: bool
) -> tuple[Command[object], object, float] | None:
    """Parse what follows the name of a command, as `_parse_command_line` does; ``outer`` are the flags before it."""
    if isinstance(command, CommandGroup):
        group = command
        between, rest = _parse(f"{program()} {group.name}", words, GLOBAL, stop_at_argument=True)
        between.inherit(outer)
        outer, wants_help = between, wants_help or between.get("help", bool)
        if not rest:
            _show_group(group, wanted=wants_help)
            return None
        command, words = group.command(rest[0]), rest[1:]
    parsed, _ = _parse(f"{program()} {command.name}", words, (*GLOBAL, *command.flags))
    if wants_help or parsed.get("help", bool):
        from .help import command_help

        print_styled(command_help(command))
        return None
    if "tls-verify" in outer.given:
        log("warning", "'--tls-verify' is deprecated, please set this on the specific subcommand")
    parsed.inherit(outer)
    command.check_count(parsed.arguments, parsed.given)
    options = _read_options(command, parsed)
    return command, options, parsed.get("command-timeout", float)


def _read_options(command: Command[object], parsed: Parsed) -> object:
    """Return the options of a command, with what the user has set for all calls; raises `InvalidInput`."""
    from .defaults_location import has_defaults

    # Without flags there is nothing to set, and completion in a shell's start-up file does not need a valid file.
    if program() == "skopeo" or not command.flags or not has_defaults(os.environ):
        set_debugging(parsed.get("debug", bool))
        return command.read(parsed)
    from .defaults import apply_defaults, with_origins

    origins = apply_defaults(command, parsed, os.environ)
    set_debugging(parsed.get("debug", bool))
    if debugging():
        for name, origin in origins.items():
            log("debug", f"--{name} is set by {origin}")
    try:
        return command.read(parsed)
    except InvalidInput as error:
        error.args = (with_origins(str(error), origins),)
        raise


def _show_group(group: CommandGroup, *, wanted: bool) -> None:
    """Print the help text of a group; called skopeo, raise `UsageError` after that if it was not ``wanted``."""
    from .help import group_help

    if wanted or program() != "skopeo":
        print_styled(group_help(group))
        return
    emit(group_help(group))
    name = f"{program()} {group.name}"
    raise UsageError(f"Missing command '{name} COMMAND'\nTry '{name} --help' for more information")


def _parse(
    usage: str, words: Sequence[str], flags: Sequence[Flag], *, stop_at_argument: bool = False
) -> tuple[Parsed, list[str]]:
    """Parse flags; the message for an unknown one names the help of ``usage``, which lists them."""
    try:
        return parse(words, flags, stop_at_argument=stop_at_argument, files=program() != "skopeo")
    except UnknownFlag as error:
        raise UsageError(f"{error}\nTry '{usage} --help' for more information") from None
