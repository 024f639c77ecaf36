"""A home directory with files of credentials, and keychains over it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from pyskopeo.credentials.keychain import Keychain


class Home:
    """A home directory with files of credentials, and keychains over it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "home"
        self.warnings: list[str] = []
        self.environ = {"XDG_RUNTIME_DIR": str(root / "run")}

    def keychain(self, **options: Any) -> Keychain:
        values = {"environ": self.environ, "home": self.home, "warn": self.warnings.append, "helper_timeout": 5.0}
        return Keychain(**{**values, **options})

    def write(self, where: str, document: object) -> Path:
        path = {
            "session": self.root / "run/containers/auth.json",
            "user": self.home / ".config/containers/auth.json",
            "docker": self.home / ".docker/config.json",
            "legacy": self.home / ".dockercfg",
        }.get(where, self.root / where)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        path.chmod(0o600)
        return path


def entry(user: str, *hosts: str) -> dict[str, Any]:
    auth = base64.b64encode(f"{user}:p".encode()).decode()
    return {"auths": {host: {"auth": auth} for host in hosts or ("quay.io",)}}
