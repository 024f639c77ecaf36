"""The registries that a proxy stands for, and the names that clients ask it for."""

from __future__ import annotations

from collections.abc import Iterable

from ..config.registries import Registries, Registry
from ..errors import InvalidName
from ..fast_dataclass import dataclass, replace
from ..model.reference import DOCKER_HUB, Reference
from .responses import refusal

_SCHEMES = ("https://", "http://")


@dataclass(frozen=True, slots=True)
class Upstream:
    """A registry that is asked for what the cache does not have.

    ``name`` is its host as it stands in image names, ``location`` where it is reached, ``host[:port][/path]``, "" for
    its own address. ``insecure`` allows HTTP and any certificate.
    """

    name: str
    location: str = ""
    insecure: bool = False

    @classmethod
    def parse(cls, text: str) -> Upstream:
        """Parse ``HOST[=URL]``; raises `InvalidName`."""
        host, equals, url = text.partition("=")
        scheme = next((one for one in _SCHEMES if url.startswith(one)), "")
        location = url.removeprefix(scheme).rstrip("/")
        if (equals and not scheme) or not _is_host(host) or (equals and not _is_location(location)):
            raise InvalidName(f"invalid upstream {ascii(text)[1:-1][:300]}: want HOST or HOST=URL, as in docker.io")
        return cls(_normalized(host), location, insecure=scheme == "http://")

    @property
    def host(self) -> str:
        """The host that requests are sent to, as it stands in names."""
        return _normalized(self.location.partition("/")[0] or self.name)


class Upstreams:
    """The upstreams of a proxy by their names; the first one has the names without a host."""

    def __init__(self, upstreams: Iterable[Upstream]) -> None:
        """Raises `InvalidName` if there is none, or two have the same name."""
        given = tuple(upstreams)
        self.by_name = {one.name: one for one in given}
        if not given or len(self.by_name) < len(given):
            raise InvalidName(f"{', '.join(one.name for one in given) or 'no upstream'}: want at least one, each once")

    def reference(self, path: str, namespace: str | None) -> Reference:
        """Return the repository that a client means by the name in its request.

        ``namespace`` is the query parameter ``ns``, by which containerd names the registry; without it, the name may
        begin with that. Raises `RegistryError` to be answered for one that is invalid, or of another registry.
        """
        if namespace is not None:
            host = _normalized(namespace)
            if host not in self.by_name:
                raise refusal(404, "NAME_UNKNOWN", f"this proxy is for {self}, not for {ascii(namespace)[1:-1][:100]}")
        else:
            host, slash, rest = path.partition("/")
            if slash and (host := _normalized(host)) in self.by_name:
                path = rest
            else:
                host = next(iter(self.by_name))
        try:
            found = Reference.parse(f"{host}/{path}", default_tag="")
        except InvalidName:
            found = None
        if found is None or found.manifest_name or found.registry != host:
            raise refusal(400, "NAME_INVALID", f"invalid repository name {ascii(path)[:300]}")
        return found

    def names_of(self, reference: Reference) -> tuple[str, ...]:
        """Return the names by which rules may mean a repository: with its host, and for the first upstream without."""
        is_first = reference.registry == next(iter(self.by_name))
        return (reference.name, reference.repository) if is_first else (reference.name,)

    def name_at(self, host: str) -> str:
        """Return the name of the upstream at a host; the host itself if it is that of none."""
        return next((one.name for one in self.by_name.values() if one.host == host), host)

    def registries(self, configured: Registries) -> Registries:
        """Return where the upstreams are, by the user's configuration but without mirrors: this is one.

        An upstream with a location of its own is nowhere else.
        """
        kept = [replace(one, mirrors=()) for one in configured.registries if not self._is_relocated(one.prefix)]
        given = [
            Registry(one.name, one.location, one.insecure, where="--proxy")
            for one in self.by_name.values()
            if one.location
        ]
        return replace(configured, registries=tuple(sorted((*kept, *given), key=lambda one: one.prefix)))

    def _is_relocated(self, prefix: str) -> bool:
        host = prefix.partition("/")[0]
        return host in self.by_name and bool(self.by_name[host].location)

    def __str__(self) -> str:
        return ", ".join(self.by_name)


def _normalized(host: str) -> str:
    """Return the host as it stands in names: that of Docker Hub has others."""
    try:
        found = Reference.parse(f"{host}/x/y")
    except InvalidName:
        return host
    return found.registry if found.repository == "x/y" else host


def _is_host(text: str) -> bool:
    return "/" not in text and _is_location(text)


def _is_location(text: str) -> bool:
    """Return whether ``text`` is ``host[:port][/path]``, with a host that no name of a repository can be."""
    host, slash, path = text.partition("/")
    try:
        found = Reference.parse(f"{text}/x/y", default_tag="")
    except InvalidName:
        return False
    same = found.registry == host or (found.registry == DOCKER_HUB and host.endswith(f".{DOCKER_HUB}"))
    return same and not found.manifest_name and found.repository == f"{path}{slash}x/y"
