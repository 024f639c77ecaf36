"""Credentials for a registry: what the caller gave, what the user's files say, what helpers answer.

Helpers speak Docker's protocol: ``docker-credential-NAME get``, the server on standard input, a JSON
object on standard output. They are other people's programs, so nothing about them is taken on trust.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Generic, TypeVar

from .config.authfile import LEGACY_NAME, AuthFile, Credentials, Helper, locations, parse_object
from .errors import CredentialsFailed

if TYPE_CHECKING:
    import subprocess

    from anyio import Lock

__all__ = ["Credentials", "Keychain"]

_FILE_LIMIT = 1024 * 1024
_ANSWER_LIMIT = 64 * 1024
_COMPLAINT_LIMIT = 4096
_SHOWN = 200
_STEP = 0.05  # seconds between two looks at a program that says nothing
_NAME = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)
_NONE = b"credentials not found in native keychain"
_TOKEN_USER = "<token>"  # noqa: S105 - the protocol's word for "the secret is an identity token"

Key = TypeVar("Key")
Value = TypeVar("Value")


class _Once(Generic[Key, Value]):
    """Makes each value once, however many tasks ask for it at a time. Failures are remembered too."""

    def __init__(self) -> None:
        self._made: dict[Key, Value | CredentialsFailed] = {}
        self._locks: dict[Key, Lock] = {}

    async def get(self, key: Key, make: Callable[[], Awaitable[Value]]) -> Value:
        if key not in self._made:
            import anyio

            async with self._locks.setdefault(key, anyio.Lock()):
                if key not in self._made:
                    try:
                        self._made[key] = await make()
                    except CredentialsFailed as error:
                        self._made[key] = error
                    del self._locks[key]
        found = self._made[key]
        if isinstance(found, CredentialsFailed):
            raise CredentialsFailed(str(found))
        return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Keychain:
    """Where credentials come from. Files and helpers are asked once in the life of the object.

    ``credentials`` and ``anonymous`` settle the matter, in this order. ``registry_token`` is a
    bearer token to be sent as it is; whoever has one need not `resolve`. With ``authfile`` only
    that file is read, otherwise those of `locations`. ``warn`` gets one line for each thing that
    did not work and was passed over; ``strict`` makes it an error. ``helper_timeout`` in seconds.
    """

    environ: Mapping[str, str] = field(repr=False)
    home: Path
    warn: Callable[[str], None] = field(repr=False)
    credentials: Credentials | None = None
    anonymous: bool = False
    registry_token: str = field(default="", repr=False)
    authfile: Path | None = None
    strict: bool = False
    helper_timeout: float = 30.0
    _files: _Once[Path, AuthFile | None] = field(default_factory=_Once, init=False, repr=False)
    _answers: _Once[Helper, Credentials | None] = field(default_factory=_Once, init=False, repr=False)

    async def resolve(self, registry: str, repository: str = "") -> Credentials | None:
        """The credentials for ``repository`` at ``registry`` (``host[:port]``); None is anonymous.

        The first file with an answer wins. Raises `CredentialsFailed` for a file that is damaged, or
        was named and cannot be read; with ``strict`` also for everything that is else a warning.
        """
        if self.credentials is not None or self.anonymous:
            return self.credentials
        for path in self._paths():
            file = await self._files.get(path, partial(self._open, path))
            answer = file.lookup(registry, repository) if file else None
            if file and isinstance(answer, Helper):
                answer = await self._answers.get(answer, partial(self._ask, answer, file.where))
            if isinstance(answer, Credentials):
                return answer
        return None

    def _paths(self) -> tuple[Path, ...]:
        if self.authfile is not None:
            return (self.authfile,)
        return locations(self.environ, self.home, os.getuid(), sys.platform)

    async def _open(self, path: Path) -> AuthFile | None:
        from anyio import to_thread

        try:
            content = await to_thread.run_sync(_read, path)
        except (FileNotFoundError, NotADirectoryError):
            # skopeo says nothing either way; a file that somebody named was meant to be there.
            if self.authfile is not None:
                self._pass_over(f"credentials file {path} does not exist", "going on without credentials")
            return None
        except PermissionError as error:
            if self.authfile is not None:
                raise CredentialsFailed(f"{path}: {error.strerror}; make it readable, or name another") from None
            self._pass_over(f"{path}: {error.strerror}", "credentials in it are not used")
            return None
        except OSError as error:
            raise CredentialsFailed(f"{path}: {error.strerror or error}; correct it, or name another") from None
        try:
            text = content.decode()
        except UnicodeDecodeError:
            raise CredentialsFailed(f"{path}: not text in UTF-8; correct the file or log in again") from None
        return (AuthFile.legacy if path.name == LEGACY_NAME else AuthFile.parse)(text, str(path))

    async def _ask(self, helper: Helper, where: str) -> Credentials | None:
        from threading import Event

        from anyio import from_thread, to_thread

        abandoned = Event()

        def check() -> None:
            # asyncio's own cancellation leaves the thread to itself; anyio's and trio's wait for it.
            if abandoned.is_set():
                raise TimeoutError
            from_thread.check_cancelled()

        try:
            program = _program(helper.name, self.environ)
            for server in helper.servers:
                run = partial(_run, program, server, self.environ, self.helper_timeout, check)
                found = _understand(await to_thread.run_sync(run), program)
                if found is not None:
                    return found
        except CredentialsFailed as error:
            self._pass_over(f"{where}: credential helper for {helper.servers[-1]}: {error}", "going on without it")
        finally:
            abandoned.set()
        return None

    def _pass_over(self, problem: str, instead: str) -> None:
        if self.strict:
            raise CredentialsFailed(problem)
        self.warn(f"{problem}; {instead}")


@dataclass(frozen=True, slots=True)
class _Output:
    """What a helper left behind; ``answer`` may hold secrets, ``complaint`` is its standard error."""

    status: int
    answer: bytes = field(repr=False)
    complaint: bytes


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(_FILE_LIMIT + 1)
    if len(content) > _FILE_LIMIT:
        raise CredentialsFailed(f"{path}: over {_FILE_LIMIT} bytes, which is no file of credentials; name another")
    return content


def _program(name: str, environ: Mapping[str, str]) -> str:
    """The absolute path of helper ``name``: never through the working directory, never through a shell."""
    if _NAME.fullmatch(name):
        folders = [Path(folder) for folder in environ.get("PATH", os.defpath).split(os.pathsep)]
        candidates = [folder / f"docker-credential-{name}" for folder in folders if folder.is_absolute()]
    elif Path(name).is_absolute() and name.isprintable():
        candidates = [Path(name)]
    else:
        raise CredentialsFailed("its name is not allowed; want letters, digits and _.- or an absolute path")
    for path in candidates:
        if os.access(path, os.X_OK) and path.is_file():
            return str(path)
    what = f"docker-credential-{name} is not in PATH" if _NAME.fullmatch(name) else f"{name} is no program"
    raise CredentialsFailed(f"{what}; install it, or remove it from the file")


def _run(
    program: str, server: str, environ: Mapping[str, str], seconds: float, check: Callable[[], None]
) -> _Output:
    """Ask ``program`` for ``server``; ``check`` is called all the while and raises to give up.

    The helper gets a session of its own, so that all it started is ended with it; a process which
    it leaves behind on purpose does not keep us waiting, even if it holds the pipes.
    """
    import subprocess

    deadline = time.monotonic() + seconds
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(  # noqa: S603 - an absolute path and a fixed word
            [program, "get"],
            bufsize=0, stdin=pipe, stdout=pipe, stderr=pipe, env=dict(environ), start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise CredentialsFailed(f"{program} cannot be started: {error.strerror or error}") from None
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdin as question, process.stdout as answer, process.stderr as complaint:
        try:
            with suppress(BrokenPipeError):  # it may know its answer without reading the question
                question.write(server.encode())
            question.close()
            return _listen(process, answer, complaint, deadline, check)
        except TimeoutError:
            raise CredentialsFailed(f"{program} gave no answer within {seconds:g} s and was stopped") from None
        except OverflowError:
            raise CredentialsFailed(f"{program} said more than {_ANSWER_LIMIT} bytes and was stopped") from None
        finally:
            _end(process)


def _listen(
    process: subprocess.Popen[bytes], stdout: IO[bytes], stderr: IO[bytes], deadline: float, check: Callable[[], None]
) -> _Output:
    """Collect what ``process`` says until it ends; raises `TimeoutError`, and `OverflowError` for too much."""
    import selectors
    from subprocess import TimeoutExpired

    answer, complaint = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ, answer)
        selector.register(stderr, selectors.EVENT_READ, complaint)
        while True:
            status = process.poll()
            ready = selector.select(_STEP if status is None else 0)
            for key, _ in ready:
                part = os.read(key.fd, _ANSWER_LIMIT)
                key.data.extend(part)
                if not part:
                    selector.unregister(key.fileobj)
            if status is not None and not ready:
                return _Output(status, bytes(answer), bytes(complaint))
            if len(answer) > _ANSWER_LIMIT:
                raise OverflowError
            del complaint[_COMPLAINT_LIMIT:]
            check()
            if time.monotonic() > deadline:
                raise TimeoutError
            if not selector.get_map():
                with suppress(TimeoutExpired):
                    process.wait(_STEP)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the helper and all that it started, unless it has ended by itself."""
    import signal
    from subprocess import TimeoutExpired

    if process.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with suppress(TimeoutExpired):  # one that the system itself cannot end
            process.wait(1)


def _understand(output: _Output, program: str) -> Credentials | None:
    """What the helper said; None when it has nothing. What it wrote to standard output is never shown."""
    if _NONE in output.answer or (output.status and _NONE in output.complaint):
        return None
    if output.status:
        line = next((line for line in output.complaint.decode("utf-8", "replace").splitlines() if line.strip()), "")
        shown = "".join(character for character in line.strip() if character.isprintable())[:_SHOWN]
        raise CredentialsFailed(f"{program} failed with status {output.status}" + (f": {shown}" if shown else ""))
    try:
        fields = parse_object(output.answer.decode())
    except ValueError:
        raise CredentialsFailed(f"{program} did not answer with a JSON object") from None
    username, secret = fields.get("Username", ""), fields.get("Secret", "")
    if not isinstance(username, str) or not isinstance(secret, str) or bool(username) != bool(secret):
        raise CredentialsFailed(f"{program} did not answer with a Username and a Secret")
    if not username:
        return None
    if username == _TOKEN_USER:
        return Credentials(identity_token=secret)
    return Credentials(username, secret)
