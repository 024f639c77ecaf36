"""The connection to a Dask scheduler: all that a sync needs of Dask's client."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ..errors import ConnectionFailed, InvalidContent, InvalidInput, Unsupported
from ..model.strict_json import parse_object
from ..storage.files import read_bounded

_CONNECT_TIMEOUT = 5.0  # seconds
_CLOSE_TIMEOUT = 2.0  # seconds
_FILE_LIMIT = 1024 * 1024
_RETRIES = 2  # of a task that could not begin, for example on a worker that joined without this program


class TaskFailed(Exception):
    """Dask could not run a task; the message is one line."""


class Scheduler:
    """A Dask scheduler with its workers, by ``client``, the `distributed.Client` that is connected to it."""

    def __init__(self, client: Any, address: str) -> None:
        self._client, self.address = client, address

    @property
    def is_there(self) -> bool:
        """Whether there is a connection."""
        return bool(self._client.status == "running")

    async def threads(self) -> Mapping[str, int]:
        """Return the number of threads of each worker, by its address; raises `ConnectionFailed`."""
        try:
            found: Mapping[str, int] = await self._client.nthreads()
        except OSError:
            raise self._gone() from None
        return found

    async def call(
        self, function: Callable[..., object], *arguments: object, workers: Sequence[str] | None = None
    ) -> Mapping[str, Any]:
        """Call a function on workers, beside their tasks; None: on all. Return results or exceptions, by address.

        Arguments do not pass through a task or a topic. Raises `ConnectionFailed`.
        """
        try:
            found: Mapping[str, Any] = await self._client.run(function, *arguments, workers=workers, on_error="return")
        except OSError:
            raise self._gone() from None
        return found

    async def run_task(self, function: Callable[..., str], *arguments: str, key: str) -> str:
        """Run a function as a task of the name ``key`` and return its result; a task whose worker died runs again.

        Cancelled, it cancels the task. Raises `ConnectionFailed` and `TaskFailed`.
        """
        from concurrent.futures import CancelledError  # which Dask raises for itself, not that of asyncio

        future = self._client.submit(function, *arguments, key=key, pure=False, retries=_RETRIES)
        try:
            if (failure := await future.exception()) is not None:
                raise TaskFailed(_message(failure))
            return str(await future.result())
        except CancelledError:
            raise self._gone() from None
        finally:
            future.release()

    def listen(self, topic: str, receive: Callable[[object], None]) -> None:
        """Call ``receive`` with each event of a topic, in the event loop."""
        self._client.subscribe_topic(topic, receive)

    def listen_no_more(self, topic: str) -> None:
        """Receive no more events of a topic."""
        self._client.unsubscribe_topic(topic)

    async def tell(self, topic: str, text: str) -> None:
        """Send an event to a topic; raises `ConnectionFailed`."""
        try:
            await self._client.log_event(topic, text)
        except OSError:
            raise self._gone() from None

    def _gone(self) -> ConnectionFailed:
        return ConnectionFailed(f"the Dask scheduler at {self.address} is gone", host=_host(self.address))


def _message(failure: BaseException) -> str:
    if type(failure).__name__ == "KilledWorker":
        return "every worker that was given these images died: see its log; often it had too little memory"
    return f"a worker could not run its task: {_first_line(failure)}"


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:300]


def _host(address: str) -> str:
    return address.partition("://")[2]


def scheduler_address(name: str) -> str:
    """Return the address that ``name`` is, or that is in the scheduler file ``name``: with tcp, unless it says else.

    Raises `InvalidInput`.
    """
    if re.fullmatch(r"(?:[a-z]+://)?(?:\[[0-9A-Fa-f:.%]+\]|[\w.-]+):[0-9]{1,5}", name):
        return name if "://" in name else f"tcp://{name}"
    if "://" in name or not os.path.isfile(name):
        raise InvalidInput(
            f"{ascii(name)[1:-1][:200]}: want the address of a Dask scheduler, such as tcp://HOST:8786 or "
            "tls://HOST:8786, or the file that dask scheduler --scheduler-file wrote"
        )
    document = parse_object(read_bounded(Path(name), _FILE_LIMIT), name, _FILE_LIMIT)
    address = document.get("address")
    if not isinstance(address, str) or "://" not in address:
        raise InvalidContent(f"{name} is not a file of dask scheduler --scheduler-file")
    return address


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Scheduler]:
    """Connect to the scheduler at ``address``.

    Raises `ConnectionFailed`, and `Unsupported` without the extra ``cluster`` or on another event loop than asyncio's.
    """
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise Unsupported("Dask needs asyncio: a sync on a cluster cannot run on trio") from None
    try:
        from distributed import Client
        from distributed.versions import VersionMismatchWarning
    except ImportError:
        raise Unsupported("a sync on a cluster needs Dask: pip install 'pyskopeo[cluster]'") from None
    from anyio import fail_after

    start: Any = Client
    try:
        client = start(address, asynchronous=True, set_as_default=False, timeout=_CONNECT_TIMEOUT)
        try:
            with warnings.catch_warnings(), fail_after(_CONNECT_TIMEOUT):
                warnings.simplefilter("ignore", VersionMismatchWarning)  # `check_versions` refuses it
                await client
        except BaseException:
            await _close(client)
            raise
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise _refused(address, error) from None
    try:
        yield Scheduler(client, address)
    finally:
        await _close(client)


async def _close(client: Any) -> None:
    """Close a client, also while this task is cancelled; without its scheduler, that may not succeed in time."""
    from anyio import CancelScope

    with CancelScope(shield=True):
        try:
            await client.close(timeout=_CLOSE_TIMEOUT)
        except OSError:  # also when the time is over
            return


def _refused(address: str, error: Exception) -> ConnectionFailed:
    if isinstance(error, OSError):
        return ConnectionFailed(f"no Dask scheduler answers at {address}", host=_host(address))
    hint = "; its certificates are set in Dask's configuration: distributed.comm.tls" if "tls" in address else ""
    return ConnectionFailed(f"the Dask scheduler at {address}: {_first_line(error)}{hint}", host=_host(address))
