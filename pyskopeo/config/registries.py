"""``registries.conf``: where a registry's images are really fetched from (containers-registries.conf(5), version 2).

Values and lookups; `registries_toml` reads the format, `registries_files` finds the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace
from typing import Literal

from ..credentials.authfile import AUTH_FILES
from ..errors import InvalidInput, InvalidName
from ..fast_dataclass import dataclass
from ..model.reference import DOCKER_HUB, Reference

Pull = Literal["all", "digest-only", "tag-only"]


@dataclass(frozen=True, slots=True)
class Mirror:
    """A place to try before the registry itself; ``pull`` says for which references."""

    location: str
    insecure: bool = False
    pull: Pull = "all"

    def serves(self, reference: Reference) -> bool:
        """Whether it may be asked for ``reference``. A tag beside a digest counts for nothing."""
        return self.pull == "all" or (self.pull == "digest-only") == (reference.digest is not None)


@dataclass(frozen=True, slots=True)
class Registry:
    """One ``[[registry]]``; an empty ``location`` leaves names as they are. ``where`` is the file it is from."""

    prefix: str
    location: str = ""
    insecure: bool = False
    blocked: bool = False
    mirror_by_digest_only: bool = False
    mirrors: tuple[Mirror, ...] = ()
    where: str = ""

    def mirrors_for(self, reference: Reference) -> Iterator[Mirror]:
        """The mirrors that may be asked for ``reference``, in order."""
        if reference.digest is not None or not self.mirror_by_digest_only:
            yield from (mirror for mirror in self.mirrors if mirror.serves(reference))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an image can be had: ``reference`` names it there; ``insecure`` allows http and any certificate."""

    reference: Reference
    insecure: bool = False
    is_mirror: bool = False


@dataclass(frozen=True, slots=True)
class RegistriesFile:
    """What one file says; None and "" are what it does not say. An empty alias erases one of an earlier file."""

    where: str
    registries: tuple[Registry, ...] = ()
    credential_helpers: tuple[str, ...] | None = None
    unqualified_search: tuple[str, ...] | None = None
    short_name_mode: str = ""
    aliases: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Registries:
    """What all the files together say; ``registries`` in order of prefix, ``files`` in the order they were read.

    ``unqualified_search``, ``short_name_mode`` and ``aliases`` are about short names, which image names
    here never are: they are kept for whoever asks.
    """

    registries: tuple[Registry, ...] = ()
    credential_helpers: tuple[str, ...] = (AUTH_FILES,)
    unqualified_search: tuple[str, ...] = ()
    short_name_mode: str = "permissive"
    aliases: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()

    @classmethod
    def merge(cls, files: Iterable[RegistriesFile]) -> Registries:
        """Put files together, the most important last (containers-registries.conf.d(5)).

        A ``[[registry]]`` replaces the whole of an earlier one with its prefix, an alias one of its
        name; every other key that a file has replaces its earlier value.
        """
        merged = cls()
        registries: dict[str, Registry] = {}
        aliases: dict[str, str] = {}
        for one in files:
            registries.update((registry.prefix, registry) for registry in one.registries)
            aliases.update(one.aliases)
            merged = replace(
                merged,
                credential_helpers=_last(one.credential_helpers, merged.credential_helpers) or (AUTH_FILES,),
                unqualified_search=_last(one.unqualified_search, merged.unqualified_search),
                short_name_mode=one.short_name_mode or merged.short_name_mode,
                files=(*merged.files, one.where),
            )
        return replace(
            merged,
            registries=tuple(registries[prefix] for prefix in sorted(registries)),
            aliases={name: aliases[name] for name in sorted(aliases) if aliases[name]},
        )

    def find(self, scope: Reference | str) -> Registry | None:
        """The entry for an image, or for ``host[:port][/namespace]``: the one with the longest prefix.

        Of two that are as long, ``a.example.org`` comes before ``*.example.org``. As in skopeo the
        prefix ``example.org`` covers ``example.org:5000`` too.
        """
        forms = _forms(scope) if isinstance(scope, Reference) else (scope,)
        found = (one for one in self.registries if any(_matched(one.prefix, form) >= 0 for form in forms))
        return max(found, key=lambda one: (len(one.prefix), not _is_wildcard(one.prefix)), default=None)

    def endpoints(self, reference: Reference) -> tuple[Endpoint, ...]:
        """Where to read an image, in the order to try: the mirrors that may serve it, the registry itself last.

        What is blocked is left out; a blocked registry is still read from its mirrors. Raises
        `InvalidInput` when nothing is left, or when a location does not make a name.
        """
        registry = self.find(reference)
        if registry is None:
            return (Endpoint(reference),)
        mirrors = tuple(
            Endpoint(_moved(reference, registry, mirror.location), mirror.insecure, is_mirror=True)
            for mirror in registry.mirrors_for(reference)
        )
        primary = Endpoint(_moved(reference, registry, registry.location), registry.insecure)
        open_ones = tuple(mirror for mirror in mirrors if self._blocking(mirror.reference) is None)
        blocking = registry if registry.blocked else self._blocking(primary.reference)
        if blocking is None:
            return (*open_ones, primary)
        if not open_ones:
            raise self._refusal(blocking)
        return open_ones

    def direct(self, reference: Reference) -> Endpoint:
        """Where to write, delete or look around: under the very name, without mirrors or another location.

        Raises `InvalidInput` when it is blocked.
        """
        return Endpoint(reference, self.is_insecure(reference))

    def is_insecure(self, scope: Reference | str) -> bool:
        """Whether ``scope`` (see `find`) may be reached insecurely; raises `InvalidInput` when it is blocked."""
        registry = self.find(scope)
        if registry is not None and registry.blocked:
            raise self._refusal(registry)
        return registry is not None and registry.insecure

    def _blocking(self, reference: Reference) -> Registry | None:
        found = self.find(reference)
        return found if found is not None and found.blocked else None

    def _refusal(self, registry: Registry) -> InvalidInput:
        # The beginning is skopeo's; the end is what one has to know.
        exactly = f": {registry.where} says so" if len(self.files) > 1 and registry.where else ""
        return InvalidInput(f"registry {registry.prefix} is blocked in one of {', '.join(self.files)}{exactly}")


def _last(said: tuple[str, ...] | None, before: tuple[str, ...]) -> tuple[str, ...]:
    return before if said is None else said


def _is_wildcard(prefix: str) -> bool:
    return prefix.startswith("*.")


def _forms(reference: Reference) -> tuple[str, ...]:
    """What a prefix may be the beginning of; a digest can be named with or without the tag beside it."""
    full = str(reference)
    return (full, f"{reference.name}@{reference.digest}") if reference.tag and reference.digest else (full,)


def _matched(prefix: str, form: str) -> int:
    """How much of ``form`` a prefix covers, -1 for nothing; a wildcard covers the host but for its port."""
    if _is_wildcard(prefix):
        domain = form.partition("/")[0].partition(":")[0]
        return len(domain) if domain.endswith(prefix[1:]) else -1
    end = len(prefix)
    return end if form.startswith(prefix) and form[end : end + 1] in ("", ":", "/", "@") else -1


def _moved(reference: Reference, registry: Registry, location: str) -> Reference:
    """``reference`` with ``location`` in place of the registry's prefix; raises `InvalidInput`."""
    if location in ("", registry.prefix):
        return reference
    form = next(form for form in _forms(reference) if _matched(registry.prefix, form) >= 0)
    text = location + form[_matched(registry.prefix, form) :]
    said = f"rewriting reference {reference} as {ascii(text)[1:-1]}"
    advice = f'correct the location "{ascii(location)[1:-1]}" for {registry.prefix} in {registry.where}'
    try:
        found = Reference.parse(text, default_tag="")
    except InvalidName as error:
        raise InvalidInput(f"{said}: {error}; {advice}") from None
    host, slash, _ = text.partition("/")
    if not slash or not (host == found.registry or (found.registry == DOCKER_HUB and host.endswith(f".{DOCKER_HUB}"))):
        # Made complete in the usual way it would be an image of Docker Hub, which is anyone's.
        raise InvalidInput(f"{said}: it has to begin with a registry; {advice}")
    if not found.manifest_name:  # both the prefix and the reference had it, the location does not
        found = replace(found, tag=reference.tag, digest=reference.digest)
    return found
