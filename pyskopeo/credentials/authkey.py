"""What a login is for: a registry, a namespace in it, or one repository."""

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
    """``registry`` is ``host[:port]`` as it was written; ``namespace`` what comes after it, empty for all of it."""

    registry: str
    namespace: str = ""

    @classmethod
    def parse(cls, text: str) -> AuthKey:
        """Parse ``HOST[:PORT][/NAMESPACE...]``, or a URL, of which the host is taken; raises `InvalidName`.

        A slash at the end says nothing. Unlike in image names no part is made up: ``docker.io/team``
        stays as it is, and so does a host without a dot.
        """
        registry, _, namespace = _without_address(text).rstrip("/").partition("/")
        if not _HOST.fullmatch(registry):
            raise InvalidName(f"{_shown(text)} is no registry: want HOST[:PORT][/NAMESPACE]")
        key = cls(registry, namespace)
        if namespace:
            try:
                # A host without a dot would be taken for a namespace itself.
                found = Reference.parse(f"host.invalid/{namespace}", default_tag="")
            except InvalidName as error:
                raise InvalidName(f'parse reference from "{key}": {error}') from None
            if found.manifest_name:
                raise InvalidName(f'reference "{key}" contains tag or digest')
        return key

    @property
    def host(self) -> str:
        """The registry's one name: Docker Hub has several."""
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


def _shown(text: str) -> str:
    """``text`` for an error: what stands before an @ may be a password."""
    return ascii(re.sub(r"[^/]*@", "...@", text))[:140]
