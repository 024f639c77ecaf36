"""A Dask cluster on loopback: a scheduler and workers, each a process with a home, a cache and a store of its own.

::

    with Cluster(workers=3) as cluster:
        run("sync", "--cluster", cluster.address, ...)
        cluster.workers[0].kill()
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from .processes import Peer
from .tls import Authority

_ROOT = Path(__file__).parents[2]


def tls_settings(authority: Authority) -> dict[str, object]:
    """Dask's settings for connections with TLS only."""
    pair = authority.both("dask")
    roles = ("scheduler", "worker", "client")
    return {
        "distributed.comm.require-encryption": True,
        "distributed.comm.tls.ca-file": str(authority.path),
        **{f"distributed.comm.tls.{role}.cert": str(pair.certificate) for role in roles},
        **{f"distributed.comm.tls.{role}.key": str(pair.key) for role in roles},
    }


def as_environ(settings: Mapping[str, object]) -> dict[str, str]:
    """Settings of Dask as variables."""
    names = {name: name.replace(".", "__").replace("-", "_").upper() for name in settings}
    return {f"DASK_{names[name]}": str(value) for name, value in settings.items()}


class _DaskProgram(Peer):
    """``python -m dask``, with pyskopeo; ``environ`` is added to the environment."""

    ready_within = 60.0

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.environ = dict(environ or {})

    def words(self) -> Sequence[str]:
        raise NotImplementedError

    def command(self) -> Sequence[str]:
        found = {"PYTHONPATH": str(_ROOT), "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False", **self.environ}
        return ("env", *(f"{name}={value}" for name, value in found.items()), sys.executable, "-m", "dask", *self.words())

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it without any warning."""
        assert self._process is not None
        os.killpg(self._process.pid, number)


class Scheduler(_DaskProgram):
    """``dask scheduler`` at a port of its own choice."""

    @property
    def file(self) -> Path:
        return self.folder / "scheduler.json"

    @property
    def address(self) -> str:
        return str(json.loads(self.file.read_text())["address"])

    def words(self) -> Sequence[str]:
        return ("scheduler", "--host", self.protocol + "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(self.file))

    @property
    def protocol(self) -> str:
        return "tls://" if "DASK_DISTRIBUTED__COMM__TLS__CA_FILE" in self.environ else ""

    def is_ready(self) -> bool:
        try:
            return bool(self.address)
        except (OSError, ValueError, KeyError):
            return False


class Worker(_DaskProgram):
    """``dask worker`` with one thread."""

    def __init__(self, scheduler: str, environ: Mapping[str, str] | None = None) -> None:
        super().__init__(environ)
        self.scheduler = scheduler
        self.store = self.folder / "store"
        self.environ.setdefault("PYSKOPEO_STORE", str(self.store))

    def words(self) -> Sequence[str]:
        protocol = self.scheduler.partition("://")[0]
        return (
            "worker", self.scheduler, "--host", f"{protocol}://127.0.0.1", "--no-nanny", "--no-dashboard", "--nthreads", "1",
            "--memory-limit", "0", "--local-directory", str(self.folder),
        )

    def is_ready(self) -> bool:
        return "Registered to:" in self.log


class Cluster:
    """A scheduler with so many workers; ``environ`` is added to the environment of all."""

    def __init__(self, workers: int = 3, environ: Mapping[str, str] | None = None) -> None:
        self.environ = environ
        self.count = workers
        self.workers: list[Worker] = []
        self._stack = ExitStack()

    @property
    def address(self) -> str:
        return self.scheduler.address

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.scheduler = stack.enter_context(Scheduler(self.environ))
            for _ in range(self.count):
                self.workers.append(stack.enter_context(Worker(self.address, self.environ)))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def add_worker(self) -> Worker:
        """Start one more worker."""
        worker = self._stack.enter_context(Worker(self.address, self.environ))
        self.workers.append(worker)
        return worker
