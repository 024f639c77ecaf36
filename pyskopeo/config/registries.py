"""``registries.conf``: mirrors, locations and access rules of registries (containers-registries.conf(5)).

Values and lookups; `registries_toml` parses the files, `registries_files` finds them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Literal

from ..errors import InvalidInput, InvalidName
from ..fast_dataclass import dataclass, replace
from ..model.reference import DOCKER_HUB, Reference
from .user_files import AUTH_FILES

Pull = Literal["all", "digest-only", "tag-only"]


@dataclass(frozen=True, slots=True)
class Mirror:
    """A mirror, which is tried before the registry itself; ``pull`` is ``pull-from-mirror``."""

    location: str
    insecure: bool = False
    pull: Pull = "all"

    def serves(self, reference: Reference) -> bool:
        """Return whether the mirror may be used for ``reference``; one with a digest counts as such, tag or not."""
        return self.pull == "all" or (self.pull == "digest-only") == (reference.digest is not None)


@dataclass(frozen=True, slots=True)
class Registry:
    """A ``[[registry]]`` table; a ``location`` of "" leaves references unchanged. ``where`` is the path of its file."""

    prefix: str
    location: str = ""
    insecure: bool = False
    blocked: bool = False
    mirror_by_digest_only: bool = False
    mirrors: tuple[Mirror, ...] = ()
    where: str = ""

    def mirrors_for(self, reference: Reference) -> Iterator[Mirror]:
        """Yield the mirrors that may be used for ``reference``, in order."""
        if reference.digest is not None or not self.mirror_by_digest_only:
            yield from (mirror for mirror in self.mirrors if mirror.serves(reference))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A place to read an image from: ``reference`` is its name there; ``insecure`` allows HTTP and any certificate."""

    reference: Reference
    insecure: bool = False
    is_mirror: bool = False


@dataclass(frozen=True, slots=True)
class RegistriesFile:
    """The contents of one file; None and "" are keys that it does not have. An empty alias removes an earlier one."""

    where: str
    registries: tuple[Registry, ...] = ()
    credential_helpers: tuple[str, ...] | None = None
    unqualified_search: tuple[str, ...] | None = None
    short_name_mode: str = ""
    aliases: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Registries:
    """The merged configuration; ``registries`` are sorted by prefix, ``files`` are the paths in reading order.

    ``unqualified_search``, ``short_name_mode`` and ``aliases`` are about short names, which this program
    does not resolve: they are parsed so that errors in them are reported as by skopeo.
    """

    registries: tuple[Registry, ...] = ()
    credential_helpers: tuple[str, ...] = (AUTH_FILES,)
    unqualified_search: tuple[str, ...] = ()
    short_name_mode: str = "permissive"
    aliases: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()

    @classmethod
    def merge(cls, files: Iterable[RegistriesFile]) -> Registries:
        """Merge files in order of increasing precedence (containers-registries.conf.d(5)).

        A ``[[registry]]`` replaces an earlier one of the same prefix entirely, an alias one of the same
        name, and any other key its earlier value.
        """
        merged = cls()
        registries: dict[str, Registry] = {}
        aliases: dict[str, str] = {}
        for one in files:
            registries.update((registry.prefix, registry) for registry in one.registries)
            aliases.update(one.aliases)
            merged = replace(
                merged,
                credential_helpers=_latest(one.credential_helpers, merged.credential_helpers) or (AUTH_FILES,),
                unqualified_search=_latest(one.unqualified_search, merged.unqualified_search),
                short_name_mode=one.short_name_mode or merged.short_name_mode,
                files=(*merged.files, one.where),
            )
        return replace(
            merged,
            registries=tuple(registries[prefix] for prefix in sorted(registries)),
            aliases={name: aliases[name] for name in sorted(aliases) if aliases[name]},
        )

    def find(self, scope: Reference | str) -> Registry | None:
        """Return the entry with the longest prefix that matches an image or ``host[:port][/namespace]``.

        Of prefixes of the same length, one without a wildcard is preferred. As in skopeo, the prefix
        ``example.org`` matches ``example.org:5000`` too.
        """
        forms = _forms(scope) if isinstance(scope, Reference) else (scope,)
        found = (one for one in self.registries if any(_match_length(one.prefix, form) >= 0 for form in forms))
        return max(found, key=lambda one: (len(one.prefix), not _is_wildcard(one.prefix)), default=None)

    def endpoints(self, reference: Reference) -> tuple[Endpoint, ...]:
        """Return where to read an image from, in the order to try: its mirrors, then the registry itself.

        Blocked ones are left out; a blocked registry can still be read from its mirrors. Raises
        `InvalidInput` if none is left, or if a location does not result in a valid reference.
        """
        registry = self.find(reference)
        if registry is None:
            return (Endpoint(reference),)
        mirrors = tuple(
            Endpoint(_relocate(reference, registry, mirror.location), mirror.insecure, is_mirror=True)
            for mirror in registry.mirrors_for(reference)
        )
        primary = Endpoint(_relocate(reference, registry, registry.location), registry.insecure)
        unblocked = tuple(mirror for mirror in mirrors if self._blocking(mirror.reference) is None)
        blocking = registry if registry.blocked else self._blocking(primary.reference)
        if blocking is None:
            return (*unblocked, primary)
        if not unblocked:
            raise self._refusal(blocking)
        return unblocked

    def source_endpoints(self, source: Reference, reference: Reference) -> tuple[Endpoint, ...]:
        """Return the `endpoints` of ``source``, another name that ``reference`` can be read from.

        One that is a location or a mirror of ``reference`` is as insecure as that is. Raises what `endpoints` raises.
        """
        insecure = self._insecure_places(reference)
        return tuple(
            replace(endpoint, insecure=endpoint.insecure or endpoint.reference.name in insecure)
            for endpoint in self.endpoints(source)
        )

    def direct(self, reference: Reference) -> Endpoint:
        """Return where to write or delete an image, or list tags: the reference itself, without mirrors.

        Raises `InvalidInput` if the registry is blocked.
        """
        return Endpoint(reference, self.is_insecure(reference))

    def is_insecure(self, scope: Reference | str) -> bool:
        """Return whether ``scope`` (see `find`) allows HTTP and any certificate; raises `InvalidInput` if blocked."""
        registry = self.find(scope)
        if registry is not None and registry.blocked:
            raise self._refusal(registry)
        return registry is not None and registry.insecure

    def _insecure_places(self, reference: Reference) -> set[str]:
        """Return the names of the insecure mirrors and locations of an image, those for other tags and digests too."""
        registry = self.find(reference)
        if registry is None:
            return set()
        locations = [mirror.location for mirror in registry.mirrors if mirror.insecure]
        if registry.insecure:
            locations.append(registry.location)
        return {_relocate(reference, registry, location).name for location in locations}

    def _blocking(self, reference: Reference) -> Registry | None:
        found = self.find(reference)
        return found if found is not None and found.blocked else None

    def _refusal(self, registry: Registry) -> InvalidInput:
        # The first part is skopeo's message; the last one names the file.
        exactly = f": {registry.where} says so" if len(self.files) > 1 and registry.where else ""
        return InvalidInput(f"registry {registry.prefix} is blocked in one of {', '.join(self.files)}{exactly}")


def _latest(said: tuple[str, ...] | None, before: tuple[str, ...]) -> tuple[str, ...]:
    return before if said is None else said


def _is_wildcard(prefix: str) -> bool:
    return prefix.startswith("*.")


def _forms(reference: Reference) -> tuple[str, ...]:
    """Return the texts that a prefix may match; a reference with tag and digest also matches without its tag."""
    full = str(reference)
    return (full, f"{reference.name}@{reference.digest}") if reference.tag and reference.digest else (full,)


def _match_length(prefix: str, form: str) -> int:
    """Return the length of the match of a prefix with ``form``, -1 for none; a wildcard matches the host only."""
    if _is_wildcard(prefix):
        domain = form.partition("/")[0].partition(":")[0]
        return len(domain) if domain.endswith(prefix[1:]) else -1
    end = len(prefix)
    return end if form.startswith(prefix) and form[end : end + 1] in ("", ":", "/", "@") else -1


def _relocate(reference: Reference, registry: Registry, location: str) -> Reference:
    """Return ``reference`` with the registry's prefix replaced by ``location``; raises `InvalidInput`."""
    if location in ("", registry.prefix):
        return reference
    form = next(form for form in _forms(reference) if _match_length(registry.prefix, form) >= 0)
    text = location + form[_match_length(registry.prefix, form) :]
    said = f"rewriting reference {reference} as {ascii(text)[1:-1]}"
    advice = f'correct the location "{ascii(location)[1:-1]}" for {registry.prefix} in {registry.where}'
    try:
        found = Reference.parse(text, default_tag="")
    except InvalidName as error:
        raise InvalidInput(f"{said}: {error}; {advice}") from None
    host, slash, _ = text.partition("/")
    if not slash or not (host == found.registry or (found.registry == DOCKER_HUB and host.endswith(f".{DOCKER_HUB}"))):
        # Normalization would make it a repository of Docker Hub, which belongs to someone else.
        raise InvalidInput(f"{said}: it has to begin with a registry; {advice}")
    if not found.manifest_name:  # the prefix included the tag or digest, and location has none
        found = replace(found, tag=reference.tag, digest=reference.digest)
    return found
