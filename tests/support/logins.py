"""Files of credentials as a login writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from pyskopeo.api.login_store import CredentialFile
from pyskopeo.credentials.authfile import AuthFile, Credentials
from pyskopeo.credentials.authkey import AuthKey
from pyskopeo.credentials.helper_program import Programs

QUAY = AuthKey("quay.io")
USER = Credentials("user", "hunter2")
HUB = "https://index.docker.io/v1/"


def file(path: Path, environ: Mapping[str, str] = MappingProxyType({}), *, docker: bool = False, seconds: float = 10) -> CredentialFile:
    return CredentialFile(path, Programs(environ, seconds), docker)


def read(path: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads(path.read_text())
    return content


def found(path: Path, registry: str = "quay.io", namespace: str = "") -> object:
    return AuthFile.parse(path.read_text(), str(path)).lookup(registry, namespace)
