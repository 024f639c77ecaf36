"""Image references: ``[registry/]repository[:tag][@digest]``.

The grammar is that of the distribution specification ("Pulling manifests"). References are normalized
as by Docker and skopeo: the default registry is docker.io, a single path component there is below
``library/``, and the default tag is ``latest``.
"""

from __future__ import annotations

import re

from ..errors import InvalidDigest, InvalidName
from ..fast_dataclass import dataclass
from .digest import Digest

DOCKER_HUB = "docker.io"
HUB_API = "registry-1.docker.io"
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]{{1,5}})?", re.ASCII)
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*", re.ASCII)
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", re.ASCII)
_IMAGE_ID = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MAX_NAME_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Reference:
    """A normalized reference: to an image by ``tag``, ``digest`` or both, or else to a repository."""

    registry: str
    repository: str
    tag: str = ""
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str, *, default_tag: str = "latest") -> Reference:
        """Parse and normalize a reference; raises `InvalidName`.

        ``default_tag`` is for a reference without tag and digest, which is one to a repository if it is "".
        """
        if _IMAGE_ID.fullmatch(text):
            raise InvalidName(f"invalid reference format: {text} looks like an image ID, want a repository name")
        rest, at, digest_text = text.partition("@")
        try:
            digest = Digest.parse(digest_text) if at else None
        except InvalidDigest as error:
            raise InvalidName(f"invalid reference format: {error}") from None
        if digest is not None and not digest.verifiable:
            raise InvalidName(f"invalid reference format: unsupported digest algorithm {digest.algorithm}")
        name, tag = _split_tag(rest)
        if tag is not None and not _TAG.fullmatch(tag):
            raise InvalidName(f"invalid reference format: invalid tag {ascii(tag)[:200]}")
        registry, repository = _split_registry(name)
        if not _PATH.fullmatch(repository):
            if _PATH.fullmatch(repository.lower()):
                raise InvalidName("invalid reference format: repository name must be lowercase")
            raise InvalidName(f"invalid reference format: {ascii(text)[:400]}")
        if len(registry) + 1 + len(repository) > _MAX_NAME_LENGTH:
            raise InvalidName(f"repository name must not be more than {_MAX_NAME_LENGTH} characters")
        return cls(registry, repository, tag or ("" if digest else default_tag), digest)

    @property
    def name(self) -> str:
        """``registry/repository``."""
        return f"{self.registry}/{self.repository}"

    @property
    def api_host(self) -> str:
        """The host of the registry's API, which for Docker Hub differs from its name."""
        return HUB_API if self.registry == DOCKER_HUB else self.registry

    @property
    def manifest_name(self) -> str:
        """The reference part of the manifest's URL: the digest if there is one, else the tag."""
        return str(self.digest) if self.digest else self.tag

    def __str__(self) -> str:
        return self.name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def parse_additional_tag(text: str, reference: Reference) -> str:
    """Parse an additional tag for an image: ``TAG``, or ``NAME:TAG`` with the name of its repository.

    Raises `InvalidName`.
    """
    if ":" not in text and "/" not in text:
        return Reference.parse(f"{reference.name}:{text}").tag
    named = Reference.parse(text)
    if named.name != reference.name or named.digest is not None:
        raise InvalidName(f"{text} is not in {reference.name}: want a tag, or {reference.name}:TAG")
    return named.tag


def parse_source(text: str) -> Reference:
    """Parse another place of the same content, ``REPOSITORY@HOST``; raises `InvalidName`."""
    repository, at, host = text.rpartition("@")
    found = None
    if at and ("." in host or ":" in host or host == "localhost"):
        found = Reference.parse(f"{host}/{repository}", default_tag="")
    if found is None or found.manifest_name:
        raise InvalidName(f"invalid source {ascii(text)[1:-1][:400]}: want REPOSITORY@HOST, as in team/app@example.com")
    return found


def is_tag(text: str) -> bool:
    """Return whether ``text`` is a valid tag (distribution specification, "Pulling manifests")."""
    return _TAG.fullmatch(text) is not None


def is_repository(text: str) -> bool:
    """Return whether ``text`` is the name of a repository, without its registry (distribution specification)."""
    return len(text) <= _MAX_NAME_LENGTH and _PATH.fullmatch(text) is not None


def is_registry(text: str) -> bool:
    """Return whether ``text`` is a ``host[:port]`` that can be part of a reference."""
    return _DOMAIN.fullmatch(text) is not None


def _split_tag(text: str) -> tuple[str, str | None]:
    head, slash, last = text.rpartition("/")
    name, colon, tag = last.partition(":")
    return head + slash + name, tag if colon else None


def _split_registry(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        registry, repository = DOCKER_HUB, name
    else:
        registry, repository = first, rest
    if not _DOMAIN.fullmatch(registry):
        raise InvalidName(f"invalid reference format: invalid registry {ascii(registry)[:400]}")
    if registry in ("index.docker.io", HUB_API):
        registry = DOCKER_HUB
    if registry == DOCKER_HUB and "/" not in repository:
        repository = "library/" + repository
    return registry, repository
