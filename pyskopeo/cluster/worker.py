"""What runs on the workers of a cluster: functions that Dask calls by their names, with text as arguments."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from ..errors import InvalidContent
from .group_task import GroupTask
from .sent_credentials import SentCredentials

if TYPE_CHECKING:
    from .hidden_text import HiddenText

_MOST_RUNS = 16  # whose credentials are kept; each run takes its own away at its end

_credentials: dict[str, SentCredentials] = {}


def describe() -> str:
    """Return the versions of this worker as JSON text."""
    from .. import __version__

    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return json.dumps({"pyskopeo": __version__, "python": python, "distributed": distributed_version()})


def distributed_version() -> str:
    """Return the version of the package distributed."""
    from importlib.metadata import version

    return version("distributed")


def receive_credentials(run: str, hidden: HiddenText) -> bool:
    """Keep the credentials of a run in the memory of this process; return whether they could be read.

    Raises nothing: Dask would write the arguments into the log of the worker.
    """
    try:
        _credentials[run] = SentCredentials.parse(hidden.reveal())
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        return False
    while len(_credentials) > _MOST_RUNS:
        del _credentials[next(iter(_credentials))]
    return True


def forget_credentials(run: str) -> None:
    """Forget the credentials of a run that has ended."""
    _credentials.pop(run, None)


def run_group(text: str) -> str:
    """Copy the images of one `GroupTask`; return their results as JSON text.

    Without an error, ``error`` in it is null; else it has a message and the exit code of the command line.
    """
    import anyio
    from distributed import get_worker

    from .worker_run import WorkerRun

    try:
        task = GroupTask.parse(text)
    except InvalidContent as error:
        return json.dumps({"results": [], "error": {"message": str(error), "exitCode": 1}})
    worker = get_worker()
    return anyio.run(WorkerRun(task, worker, worker.get_current_task(), _credentials.get).run)
