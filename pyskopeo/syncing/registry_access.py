"""How a registry is accessed that a YAML file has settings for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..access import Access
    from .yaml_source import RegistrySource


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
