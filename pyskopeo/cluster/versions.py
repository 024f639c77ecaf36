"""Whether the workers of a cluster can run this program's tasks: the same versions on both sides."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from ..errors import Unsupported

_MOST_NAMED = 3  # workers in a message
_SAME = ("pyskopeo", "python", "distributed")


def check_versions(here: str, workers: Mapping[str, object]) -> None:
    """Raise `Unsupported`, with one line, for workers that cannot run tasks of this program.

    ``here`` is what `worker.describe` returns in this process, ``workers`` what it returned on each worker, by the
    worker's address; an exception, where it could not be called.
    """
    ours = json.loads(here)
    found: dict[str, list[str]] = {}
    for address, answer in workers.items():
        for problem in _problems(ours, answer):
            found.setdefault(problem, []).append(address)
    if found:
        problem, addresses = next(iter(found.items()))
        named = ", ".join(addresses[:_MOST_NAMED])
        more = f" and {len(addresses) - _MOST_NAMED} more" if len(addresses) > _MOST_NAMED else ""
        raise Unsupported(f"{problem} on {named}{more}: install the same versions on all workers")


def _problems(ours: Mapping[str, str], answer: object) -> Iterator[str]:
    if not isinstance(answer, str):
        yield f"pyskopeo {ours['pyskopeo']} cannot be imported ({str(answer)[:200]})"
        return
    theirs = json.loads(answer)
    for name in _SAME:
        if theirs.get(name) != ours[name]:
            yield f"{name} {theirs.get(name)} (here: {ours[name]})"
            return
