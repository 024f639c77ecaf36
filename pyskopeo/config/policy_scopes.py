"""The scopes of a policy, by transport (containers-policy.json(5), "Supported transports and their scopes")."""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import Literal

from ..errors import InvalidDigest, InvalidInput
from ..fast_dataclass import dataclass
from ..model.digest import Digest
from ..model.reference import Reference

_SCOPED_BY_PATH = frozenset({"dir", "oci", "oci-archive"})
_WITHOUT_SCOPES = frozenset({"docker-archive", "tarball"})


@dataclass(frozen=True, slots=True)
class Subject:
    """The scopes of a policy that match an image: ``identity``, then ``namespaces``, the most specific first."""

    transport: str
    identity: str = ""
    namespaces: tuple[str, ...] = ()


def by_reference(transport: Literal["docker", "docker-daemon"], reference: Reference) -> Subject:
    """Return the scopes of a named image.

    They are ``host/a/b:tag`` or ``host/a/b@digest``, ``host/a/b``, ``host/a``, ``host`` and ``*.domain``,
    with the port in all but the wildcards. Of a tag and a digest the digest is used, since it determines
    the image; the tag next to it is not verified. ``reference`` is the user's, before mirrors apply.
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
    """Return the scopes of an image at ``path``: the path and all its parents except ``/``.

    ``path`` has to be the result of `Path.resolve`: a path through a symbolic link could evade a rule.
    Raises `ValueError` if it is not absolute or contains "..". The name of an image in a layout is not
    part of the scope, since an image can have several.
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
    """Return the scopes of an image that only the transport's default matches, such as one named by its ID."""
    return Subject(transport)


def check_scope(transport: str, scope: str) -> None:
    """Raise `InvalidInput` for a scope that can never match; "", the transport's default, is always valid.

    Scopes of ``docker`` and of transports that this program does not have are not checked, as in skopeo.
    """
    if not scope:
        return
    if transport in _WITHOUT_SCOPES:
        raise InvalidInput(f'{transport}: does not support any scopes except the default "" one')
    if transport == "docker-daemon" and _is_digest(scope):
        raise InvalidInput("docker-daemon: images named by their ID have no scope but the default one")
    if transport in _SCOPED_BY_PATH:
        _check_path(scope)


def _check_path(scope: str) -> None:
    if not scope.startswith("/"):
        raise InvalidInput("must be an absolute path")
    if scope == "/":
        raise InvalidInput('use the generic default scope ""')
    # normpath() keeps two slashes at the start, which POSIX reserves.
    cleaned = posixpath.normpath("/" + scope.lstrip("/"))
    if cleaned != scope:
        raise InvalidInput(f"uses non-canonical path format, perhaps try with path {cleaned}")


def _is_digest(scope: str) -> bool:
    try:
        return Digest.parse(scope).verifiable
    except InvalidDigest:
        return False
