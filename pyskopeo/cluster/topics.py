"""The messages between a task on a worker and the program that runs the sync: through topics of the scheduler.

The scheduler keeps the latest messages of a topic, and shows them to all its clients: there are no secrets in them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Message: TypeAlias = Mapping[str, Any]

TO_PROGRAM = "pyskopeo"
"""The topic of the messages of all workers; a topic for each run would be kept after it."""


def worker_topic(address: str) -> str:
    """Return the topic of the messages to a worker."""
    return f"pyskopeo-{address}"


def pack(run: str, attempt: str, messages: Sequence[Message]) -> str:
    """Return the text of messages of one attempt at a task, or to it."""
    return json.dumps({"run": run, "attempt": attempt, "messages": messages}, separators=(",", ":"))


def unpack(event: object) -> tuple[str, str, list[Message]]:
    """Return run, attempt and messages of an event of a topic, which Dask gives as a pair of a time and a text.

    What is no such text has no messages: anybody may write to a topic.
    """
    nothing: tuple[str, str, list[Message]] = ("", "", [])
    if not isinstance(event, tuple | list) or len(event) != 2 or not isinstance(event[1], str):
        return nothing
    try:
        document = json.loads(event[1])
        run, attempt, messages = document["run"], document["attempt"], document["messages"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return nothing
    if not isinstance(run, str) or not isinstance(attempt, str) or not isinstance(messages, list):
        return nothing
    return run, attempt, [one for one in messages if isinstance(one, dict) and isinstance(one.get("kind"), str)]
