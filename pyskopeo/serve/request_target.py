"""What a request is for: its endpoint, repository, and the right that it needs. Pure.

The path is read from its end, as the routes of the application do, so that both take the same part of it for the name.
"""

from __future__ import annotations

from ..fast_dataclass import dataclass

PULL, PUSH, DELETE = "pull", "push", "delete"
ACTIONS = (PULL, PUSH, DELETE)
TOKEN_PATH = "/v2/token"  # noqa: S105 - a path
HEALTH_PATH = "/healthz"
METRICS_PATH = "/metrics"

_FIXED = {
    "/v2": "base",
    "/v2/": "base",
    "/v2/_catalog": "catalog",
    TOKEN_PATH: "token",
    HEALTH_PATH: "health",
    METRICS_PATH: "metrics",
}
_OF_REPOSITORIES = {"manifests": "manifest", "blobs": "blob", "referrers": "referrers"}
_READING = ("GET", "HEAD")

ENDPOINTS = (*dict.fromkeys(_FIXED.values()), "tags", "manifest", "blob", "referrers", "upload", "other")
"""All values of `Target.endpoint`."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is for.

    ``endpoint`` is one of `ENDPOINTS`, ``repository`` the name in the path, "" where there is none, ``action`` the
    right that is needed there: one of `ACTIONS`.
    """

    endpoint: str
    repository: str
    action: str


def target_of(method: str, path: str) -> Target:
    """Return what a request with a decoded ``path`` is for."""
    fixed = _FIXED.get(path)
    if fixed is not None:
        return Target(fixed, "", PULL)
    endpoint, repository = _endpoint_of(path)
    if method in _READING:
        # The state of an upload is for those who may upload.
        action = PUSH if endpoint == "upload" else PULL
    else:
        action = DELETE if method == "DELETE" and endpoint != "upload" else PUSH
    return Target(endpoint, repository, action)


def _endpoint_of(path: str) -> tuple[str, str]:
    if not path.startswith("/v2/"):
        return "other", ""
    head, _, last = path[len("/v2/") :].rpartition("/")
    name, _, kind = head.rpartition("/")
    if kind == "blobs" and last == "uploads" and name:
        return "upload", name
    if kind == "uploads" and name.endswith("/blobs"):
        return "upload", name.removesuffix("/blobs")
    if kind == "tags" and last == "list" and name:
        return "tags", name
    if kind in _OF_REPOSITORIES and last and name:
        return _OF_REPOSITORIES[kind], name
    return "other", ""
