"""Keys of auth files: a registry, or a namespace or repository in it (containers-auth.json(5))."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from ..errors import InvalidName
from ..fast_dataclass import dataclass
from ..model.reference import DOCKER_HUB, Reference
from .authfile import canonical_host

_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class AuthKey:
    """``registry`` is ``host[:port]`` as it was given, ``namespace`` a path in it, "" for the whole registry."""

    registry: str
    namespace: str = ""

    @classmethod
    def parse(cls, text: str) -> AuthKey:
        """Parse ``HOST[:PORT][/NAMESPACE...]``, or a URL, of which the host is used; raises `InvalidName`.

        A trailing slash is ignored. Unlike image names, keys are not normalized: ``docker.io/team`` is not
        changed, and a host need not contain a dot.
        """
        registry, _, namespace = _without_address(text).rstrip("/").partition("/")
        if not _HOST.fullmatch(registry):
            raise InvalidName(f"{_redacted(text)} is no registry: want HOST[:PORT][/NAMESPACE]")
        key = cls(registry, namespace)
        if namespace:
            try:
                # With a host that has a dot, since any other would be parsed as a namespace.
                found = Reference.parse(f"host.invalid/{namespace}", default_tag="")
            except InvalidName as error:
                raise InvalidName(f'parse reference from "{key}": {error}') from None
            if found.manifest_name:
                raise InvalidName(f'reference "{key}" contains tag or digest')
        return key

    @property
    def host(self) -> str:
        """The registry, or ``docker.io`` for any of Docker Hub's names."""
        return DOCKER_HUB if canonical_host(self.registry) == DOCKER_HUB else self.registry

    def __str__(self) -> str:
        return f"{self.registry}/{self.namespace}" if self.namespace else self.registry


def _without_address(text: str) -> str:
    if not text.startswith(("https://", "http://")):
        return text
    try:
        return urlsplit(text).netloc
    except ValueError:
        return ""


def _redacted(text: str) -> str:
    """Return ``text`` for an error message, without what precedes an @, which may be a password."""
    return ascii(re.sub(r"[^/]*@", "...@", text))[:140]
