"""Sequoia's sq with a home of its own: keys in its key store."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from .require import require_peer


class Sequoia:
    """A home directory for ``sq`` (``SEQUOIA_HOME``); a context manager."""

    def __init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="sq-", ignore_cleanup_errors=True)
        self.home = Path(self._temporary.name)
        # Debian's sq is beside skopeo, out of PATH.
        self.program = require_peer("sq")
        self.environ = {
            **os.environ,
            "SEQUOIA_HOME": str(self.home),
            "PATH": f"{Path(self.program).parent}{os.pathsep}{os.environ['PATH']}",
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._temporary.cleanup()

    def create(self, name: str, *, passphrase: str = "") -> str:
        """Generate a key with a signing subkey; returns the fingerprint of its primary key."""
        protection = ["--without-password"]
        if passphrase:
            path = self.home / "new-passphrase"
            path.write_text(passphrase)
            protection = ["--new-password-file", str(path)]
        said = self.run("key", "generate", "--own-key", "--userid", f"{name} <{name}@example.com>", "--expiration=never", *protection)
        found = re.search(r"Fingerprint: ([0-9A-F]{40})", said[1])
        assert found, said
        return found[1]

    def public_key(self, fingerprint: str) -> bytes:
        """The public key, armored."""
        return self.run("cert", "export", f"--cert={fingerprint}")[0]

    def run(self, *words: str, stdin: bytes = b"") -> tuple[bytes, str]:
        """Run ``sq WORDS`` to its end; returns its output, and what it has said."""
        done = subprocess.run(
            [self.program, "--batch", *words], input=stdin, capture_output=True, env=self.environ, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout, done.stderr.decode()
