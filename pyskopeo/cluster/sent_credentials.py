"""Credentials for the registries of a plan, for workers that have none of their own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from ..credentials.authfile import HUB_HOSTS, Credentials
from ..fast_dataclass import dataclass, replace
from ..model.reference import DOCKER_HUB
from ..transports import parse_image_name

if TYPE_CHECKING:
    from ..access import Access
    from ..credentials.keychain import Keychain
    from ..syncing.plan_file import PlannedImage


@dataclass(frozen=True, slots=True)
class SideCredentials:
    """The credentials of one side; the fields are those of `Keychain`."""

    by_name: Mapping[str, Credentials] = field(default_factory=dict, repr=False)
    registry_token: str = field(default="", repr=False)

    def keychain(self, base: Keychain) -> Keychain:
        """Return ``base`` with these credentials before its own."""
        return replace(base, by_name={**base.by_name, **self.by_name}, registry_token=self.registry_token)


@dataclass(frozen=True, slots=True)
class SentCredentials:
    """The credentials of both sides."""

    source: SideCredentials = SideCredentials()
    destination: SideCredentials = SideCredentials()

    def to_text(self) -> str:
        """Return the JSON text, with all secrets."""
        return json.dumps({name: _side_json(getattr(self, name)) for name in ("source", "destination")})

    @classmethod
    def parse(cls, text: str) -> SentCredentials:
        """Return the credentials of a JSON text."""
        document = json.loads(text)
        return cls(_parse_side(document["source"]), _parse_side(document["destination"]))


def _side_json(side: SideCredentials) -> dict[str, Any]:
    by_name = {name: [one.username, one.password, one.identity_token] for name, one in side.by_name.items()}
    return {"byName": by_name, "registryToken": side.registry_token}


def _parse_side(document: Mapping[str, Any]) -> SideCredentials:
    by_name = {str(name): Credentials(*map(str, words)) for name, words in document["byName"].items()}
    return SideCredentials(by_name, str(document["registryToken"]))


async def collect_credentials(images: Iterable[PlannedImage], source: Access, destination: Access) -> SentCredentials:
    """Return the credentials that two accesses have for the repositories of ``images``, and no others.

    Raises what `Keychain.resolve` raises.
    """
    sources: dict[tuple[str, str], None] = {}
    destinations: dict[tuple[str, str], None] = {}
    for image in images:
        for name, found in ((image.source, sources), (image.destination, destinations)):
            if (reference := parse_image_name(name).reference) is not None:
                found[reference.registry, reference.repository] = None
    return SentCredentials(
        await _collect(sources, source.keychain), await _collect(destinations, destination.keychain)
    )


async def _collect(repositories: Iterable[tuple[str, str]], keychain: Keychain) -> SideCredentials:
    """Return the credentials for repositories; headers of helpers in Bazel's protocol are left out: they expire."""
    found: dict[str, dict[str, Credentials | None]] = {}
    for registry, repository in repositories:
        resolved = await keychain.resolve(registry, repository)
        host = DOCKER_HUB if registry in HUB_HOSTS else registry
        found.setdefault(host, {})[repository] = resolved if isinstance(resolved, Credentials) else None
    by_name: dict[str, Credentials] = {}
    for host, of_repositories in found.items():
        if len(different := set(of_repositories.values())) == 1:  # then one entry for all repositories
            names = {host: different.pop()}
        else:
            names = {f"{host}/{repository}": one for repository, one in of_repositories.items()}
        by_name |= {name: one for name, one in names.items() if one is not None}
    return SideCredentials(by_name, keychain.registry_token)
