"""Registries and repositories in a YAML file, and how they are accessed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..fast_dataclass import dataclass, replace

if TYPE_CHECKING:
    from ..access import Access
    from ..model.platform import Platform
    from .yaml_source import RegistrySource


@dataclass(frozen=True, slots=True)
class RepositoryEntry:
    """A repository as a YAML file names it, the access for its registry, and the platforms to lock."""

    registry: str
    name: str
    access: Access
    platforms: tuple[Platform, ...] = ()

    @property
    def fields(self) -> dict[str, str]:
        """The fields of log messages about it."""
        return {"registry": self.registry, "repo": self.name}


def registry_access(access: Access, registry: RegistrySource) -> Access:
    """Return ``access`` with the settings of a registry in the file, which take precedence over flags."""
    trust, keychain = access.trust, access.keychain
    if registry.tls_verify is not None:
        trust = replace(trust, insecure=not registry.tls_verify)
    if registry.cert_dir:
        trust = replace(trust, cert_dir=Path(registry.cert_dir))
    if registry.credentials is not None:
        keychain = replace(keychain, credentials=registry.credentials, anonymous=False)
    return replace(access, trust=trust, keychain=keychain)
