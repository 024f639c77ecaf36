"""What a policy calls an image, and which scopes a transport can have (containers-policy.json(5))."""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import Literal

from ..errors import InvalidDigest, InvalidInput
from ..fast_dataclass import dataclass
from ..model.digest import Digest
from ..model.reference import Reference

_OF_PATHS = frozenset({"dir", "oci", "oci-archive"})
_WITHOUT_SCOPES = frozenset({"docker-archive", "tarball"})


@dataclass(frozen=True, slots=True)
class Subject:
    """An image as a policy sees it: the scopes that cover it, most specific first, ``identity`` before all."""

    transport: str
    identity: str = ""
    namespaces: tuple[str, ...] = ()


def by_reference(transport: Literal["docker", "docker-daemon"], reference: Reference) -> Subject:
    """An image with a name: ``host/a/b:tag`` or ``@digest``, then ``host/a/b``, ``host/a``, ``host``, ``*.domain``.

    The digest is the identity where there are both, for it decides which image is read: a tag beside
    it is only what the user says, and must not choose the rule. A port counts in every form but the
    wildcards. Name the image as the user did, before mirrors and rewriting.
    """
    end = f"@{reference.digest}" if reference.digest else f":{reference.tag}" if reference.tag else ""
    namespaces = [reference.name]
    while "/" in namespaces[-1]:
        namespaces.append(namespaces[-1].rpartition("/")[0])
    domain = reference.registry.partition(":")[0]
    while "." in domain:
        domain = domain.partition(".")[2]
        namespaces.append(f"*.{domain}")
    return Subject(transport, reference.name + end, tuple(namespaces))


def by_path(transport: Literal["dir", "oci", "oci-archive"], path: Path) -> Subject:
    """An image at ``path``: the path and all above it but ``/``.

    ``path`` is as `Path.resolve` leaves it, free of symbolic links: one through a link would go round
    the rules, so `ValueError` is raised where it shows. The name of an image within a layout is no
    part of it, because the same image can go by several.
    """
    if not path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{path} is not resolved")
    identity = "/" + path.as_posix().lstrip("/")
    namespaces, rest = [], identity
    while rest.strip("/"):
        namespaces.append(rest)
        rest = rest.rpartition("/")[0]
    return Subject(transport, identity, tuple(namespaces))


def unscoped(transport: Literal["docker-archive", "docker-daemon", "tarball"]) -> Subject:
    """An image that only the transport's own default covers; with ``docker-daemon``, one named by its ID."""
    return Subject(transport)


def check_scope(transport: str, scope: str) -> None:
    """Refuse a scope that can never match, with `InvalidInput`; the empty one is always right.

    Transports that are not ours have scopes that are not ours to judge. Those of ``docker`` are not
    examined either, as skopeo does not: whatever is no name just matches nothing.
    """
    if not scope:
        return
    if transport in _WITHOUT_SCOPES:
        raise InvalidInput(f'{transport}: does not support any scopes except the default "" one')
    if transport == "docker-daemon" and _is_digest(scope):
        raise InvalidInput("docker-daemon: images named by their ID have no scope but the default one")
    if transport in _OF_PATHS:
        _check_path(scope)


def _check_path(scope: str) -> None:
    if not scope.startswith("/"):
        raise InvalidInput("must be an absolute path")
    if scope == "/":
        raise InvalidInput('use the generic default scope ""')
    # normpath keeps two slashes at the start, which POSIX lets mean something else.
    cleaned = posixpath.normpath("/" + scope.lstrip("/"))
    if cleaned != scope:
        raise InvalidInput(f"uses non-canonical path format, perhaps try with path {cleaned}")


def _is_digest(scope: str) -> bool:
    try:
        return Digest.parse(scope).verifiable
    except InvalidDigest:
        return False
