"""Running the server of ``serve``: its files, its signals, and how it ends."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from ..errors import PyskopeoError
from ..fast_dataclass import dataclass
from .log import debugging, log
from .serve_flags import GuardOptions, is_loopback
from .standard_streams import notice

if TYPE_CHECKING:
    import logging
    from contextlib import AbstractAsyncContextManager

    from starlette.types import ASGIApp

    from ..serve.access_log import AccessLog
    from ..serve.metrics import ServerMetrics
    from ..serve.server import ServerControl
    from ..serve.watched_file import TlsFiles, Watched

_OPEN_FILES = 8192
"""As many as this process may have open, if the system allows it: each connection may have two."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Where to serve, for how long (seconds, 0: until a signal), and who is told the address, https with ``True``."""

    host: str
    port: int
    timeout: float
    on_ready: Callable[[str, int, bool], None]


OpenApplication: TypeAlias = "Callable[[], AbstractAsyncContextManager[ASGIApp]]"
"""Opens an application that is used within a context."""


def serve_until_told(
    opened: OpenApplication,
    listening: Listening,
    options: GuardOptions,
    metrics: ServerMetrics,
    problem: Callable[[], str],
) -> None:
    """Serve an application behind its guard until SIGINT or SIGTERM, which are the regular end.

    ``problem`` returns why the server is not well, "" if it is. Raises the errors of ``opened`` and of the files that
    the options name, `NetworkError`, and `PyskopeoError` after the time limit.
    """
    import anyio

    _report_errors()
    _allow_files()
    server = _Server(opened, listening, options, metrics, problem)
    if options.has_logins and options.tls is None and not is_loopback(listening.host) and not options.public_url:
        log("warning", "passwords and images are not encrypted on their way: give --tls-cert and --tls-key,"
            " or --public-url if a proxy encrypts them")  # fmt: skip
    anyio.run(server.run)


class _Server:
    """A server with all that belongs to it. Reads the files of its options."""

    def __init__(
        self, opened: OpenApplication, listening: Listening, options: GuardOptions, metrics: ServerMetrics,
        problem: Callable[[], str],
    ) -> None:  # fmt: skip
        from ..serve.access_log import AccessLog
        from ..serve.guard import GuardSettings
        from ..serve.login_files import read_logins
        from ..serve.server import ServerControl
        from ..serve.watched_file import TlsFiles

        self._opened, self._listening, self._options = opened, listening, options
        self._metrics, self._problem = metrics, problem
        self._files: list[Watched] = []
        self._tls: TlsFiles | None = None
        self._log: AccessLog | None = None
        self._control: ServerControl = ServerControl()
        authentication = None
        if options.has_logins or options.rules is not None:
            authentication, self._files = read_logins(
                passwords=options.htpasswd, tokens=options.tokens, rules=options.rules,
                anonymous_pull=options.anonymous_pull, public_url=options.public_url,
            )  # fmt: skip
        if options.tls is not None:
            self._tls = TlsFiles(*options.tls)
            self._files.append(self._tls)
        if options.access_log is not None:
            self._log = AccessLog(options.access_log)
        self._settings = GuardSettings(
            authentication=authentication, max_blob_size=options.max_blob_size, max_requests=options.max_requests,
            access_log=self._log, problem=self._problem_now, shows_metrics=options.metrics_address is None,
        )  # fmt: skip
        metrics.gauge("connections", "Open connections", lambda: self._control.connections)

    async def run(self) -> None:
        """Serve until told to end."""
        from anyio import create_task_group, move_on_after

        from ..errors import first_error
        from ..serve.watched_file import watch

        with first_error():
            async with create_task_group() as tasks:
                tasks.start_soon(self._heed_signals)
                tasks.start_soon(watch, self._files, _warn)
                if self._log is not None:
                    tasks.start_soon(self._log.run)
                if self._options.metrics_address is not None:
                    tasks.start_soon(self._serve_metrics, *self._options.metrics_address)
                with move_on_after(self._listening.timeout or None) as limit:
                    async with self._opened() as app:
                        await self._serve(app)
                tasks.cancel_scope.cancel()
        if limit.cancelled_caught:
            raise PyskopeoError(f"served for {self._listening.timeout:g} s, as --command-timeout says")

    async def _serve(self, app: ASGIApp) -> None:
        from ..serve.guard import guarded
        from ..serve.server import serve_application

        def ready(host: str, port: int) -> None:
            self._listening.on_ready(host, port, self._tls is not None)

        await serve_application(
            guarded(app, self._settings, self._metrics), self._listening.host, self._listening.port, on_ready=ready,
            tls=self._tls.context if self._tls is not None else None, control=self._control, grace=self._options.grace,
        )  # fmt: skip

    async def _serve_metrics(self, host: str, port: int) -> None:
        from ..serve.guard import metrics_application
        from ..serve.server import serve_application

        def ready(address: str, found: int) -> None:
            shown = f"[{address}]" if ":" in address else address
            notice(f"metrics are at http://{shown}:{found}/metrics")

        await serve_application(metrics_application(self._metrics, self._problem_now), host, port, on_ready=ready)

    async def _heed_signals(self) -> None:
        from anyio import open_signal_receiver

        from ..serve.watched_file import refresh

        with open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
            async for number in signals:
                if number == signal.SIGHUP:
                    await refresh(self._files, _warn)
                    self._reopen_log()
                else:
                    self._stop()

    def _stop(self) -> None:
        self._control.stop()
        count = self._control.requests
        if count and not self._control.at_once:
            what = f"{count} request{'s' * (count > 1)}"
            notice(f"stopping: {what} may finish for up to {self._options.grace:g} s; a second signal ends at once")

    def _reopen_log(self) -> None:
        if self._log is None:
            return
        try:
            self._log.reopen()
        except PyskopeoError as error:
            _warn(str(error))

    def _problem_now(self) -> str:
        return "the server is stopping" if self._control.stopping else self._problem()


def _warn(message: str) -> None:
    log("warning", message)


def _allow_files() -> None:
    """Raise the number of files that this process may have open, as far as it may."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _report_errors() -> None:
    """Report what fails in the server in one line, with its traceback for --debug only."""
    import logging

    class OneLine(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            log("error", _described(record))

    # uvicorn warns about every client that tries TLS first, as skopeo and Docker do.
    for name in ("uvicorn.error", "asyncio"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.ERROR)
        logger.handlers = [OneLine()]
        logger.propagate = False


def _described(record: logging.LogRecord) -> str:
    from ..http.printable import to_printable

    text = record.getMessage().strip().partition("\n")[0]
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        text = f"a request failed: {type(error).__name__}: {error}"
        if debugging():
            import traceback

            print(*traceback.format_exception(error), file=sys.stderr)
    return to_printable(text)
