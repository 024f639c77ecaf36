"""The paths of the distribution specification, "Endpoints"."""

from __future__ import annotations

from typing import Literal, TypeAlias

from ..fast_dataclass import dataclass

Kind: TypeAlias = Literal["base", "catalog", "tags", "manifests", "blobs", "uploads", "upload", "referrers"]
"""What a path is of; ``uploads`` is where uploads begin, ``upload`` is one that has begun."""


@dataclass(frozen=True, slots=True)
class RegistryPath:
    """A parsed path: its ``repository`` and ``reference``, a tag, a digest or an upload, are not validated."""

    kind: Kind
    repository: str = ""
    reference: str = ""


_FIXED = {
    "/v2": RegistryPath("base"), "/v2/": RegistryPath("base"), "/v2/_catalog": RegistryPath("catalog"),
}  # fmt: skip


def parse_path(path: str) -> RegistryPath | None:
    """Return what a decoded path of a request is of, None for one that the specification does not have."""
    if path in _FIXED:
        return _FIXED[path]
    if not path.startswith("/v2/"):
        return None
    rest, _, last = path[4:].rpartition("/")
    name, _, kind = rest.rpartition("/")
    if kind == "manifests" and last:
        return RegistryPath("manifests", name, last)
    if kind == "blobs" and last:
        # "uploads" is no digest; without its slash it is what some clients send.
        return RegistryPath("uploads", name) if last == "uploads" else RegistryPath("blobs", name, last)
    if kind == "uploads" and name.endswith("/blobs"):
        name = name.removesuffix("/blobs")
        return RegistryPath("upload", name, last) if last else RegistryPath("uploads", name)
    if kind == "tags" and last == "list":
        return RegistryPath("tags", name)
    if kind == "referrers" and last:
        return RegistryPath("referrers", name, last)
    return None
