"""What all methods of the blocking client share: the async client, and the event loop that it runs in."""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from ..access import Access
from ..model.events import Report, ignore
from .client import Client
from .loop_thread import LoopThread
from .settings import Login

if TYPE_CHECKING:
    from types import TracebackType

T = TypeVar("T")


class BlockingBase:
    """The client and the thread of a blocking client; `pyskopeo.SyncClient` has the methods."""

    def __init__(
        self,
        *,
        credentials: Login | Mapping[str, Login] | None = None,
        insecure: bool | None = None,
        store: Path | str | None = None,
        offline: bool = False,
        authfile: Path | str | None = None,
        access: Access | None = None,
        report: Report = ignore,
    ) -> None:
        """See `pyskopeo.Client` for the arguments. Nothing is read, opened or started yet; raises `InvalidInput`."""
        self._client = Client(
            credentials=credentials, insecure=insecure, store=store, offline=offline, authfile=authfile, access=access,
            report=report,
        )  # fmt: skip
        self._loop = LoopThread(self._client._disconnect)  # noqa: SLF001 - its twin
        weakref.finalize(self, self._loop.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections and end the thread; the client cannot be used any more."""
        self._loop.close()

    def _run(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return self._loop.run(call)

    def _entered(self, context: AbstractAsyncContextManager[T]) -> AbstractContextManager[T]:
        return self._loop.entered(context)

    def _iterate(self, items: AsyncIterator[T]) -> Iterator[T]:
        """Iterate over what an async iterator yields, which runs in the event loop."""

        async def following() -> tuple[T, ...]:
            try:
                return (await anext(items),)
            except StopAsyncIteration:
                return ()

        while item := self._loop.run(following):
            yield item[0]
