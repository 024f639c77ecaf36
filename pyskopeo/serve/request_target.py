"""What a request is for: its endpoint, repository, and the right that it needs. Pure.

The application reads paths with the same function, so that both take the same part of one for the name.
"""

from __future__ import annotations

from ..fast_dataclass import dataclass
from .paths import parse_path

PULL, PUSH, DELETE = "pull", "push", "delete"
ACTIONS = (PULL, PUSH, DELETE)
TOKEN_PATH = "/v2/token"  # noqa: S105 - a path
HEALTH_PATH = "/healthz"
METRICS_PATH = "/metrics"

_FIXED = {TOKEN_PATH: "token", HEALTH_PATH: "health", METRICS_PATH: "metrics"}
_UPLOADS = ("uploads", "upload")
_READING = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is for.

    ``endpoint`` is a kind of path that a registry has (`paths.Kind`), or ``token``, ``health``, ``metrics`` or
    ``other``; ``repository`` the name in the path, "" where there is none; ``action`` the right that is needed there,
    one of `ACTIONS`.
    """

    endpoint: str
    repository: str
    action: str


def target_of(method: str, path: str) -> Target:
    """Return what a request with a decoded ``path`` is for."""
    fixed = _FIXED.get(path)
    if fixed is not None:
        return Target(fixed, "", PULL)
    found = parse_path(path)
    if found is None:
        return Target("other", "", PULL)
    if method in _READING:
        # The state of an upload is for those who may upload.
        action = PUSH if found.kind in _UPLOADS else PULL
    else:
        action = DELETE if method == "DELETE" and found.kind not in _UPLOADS else PUSH
    return Target(found.kind, found.repository, action)
