"""The store of Nix, which its own program ``nix-store`` writes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ..errors import StorageFailed
from ..fast_dataclass import dataclass

_ADDING = "adding to the Nix store"


@dataclass(frozen=True, slots=True)
class NixStore:
    """The store that the program at the path ``program`` writes to; an absolute path, so that no shell is needed."""

    program: str

    @classmethod
    def find(cls) -> NixStore:
        """Return the store of the ``nix-store`` in ``PATH``; raises `StorageFailed`."""
        found = shutil.which("nix-store")
        if found is None:
            raise StorageFailed(f"{_ADDING}: no program nix-store in $PATH; --no-add only prints the hash")
        return cls(os.path.abspath(found))

    async def add(self, path: Path) -> str:
        """Add a file by the sha256 of its content; returns its path in the store.

        Its name there is that of the file. Raises `StorageFailed`; cancellation ends the program.
        """
        import anyio

        try:
            done = await anyio.run_process([self.program, "--add-fixed", "sha256", str(path)], check=False)
        except OSError as error:
            raise StorageFailed.of(error, _ADDING) from error
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            reason = lines[-1].strip() if lines else f"exit code {done.returncode}"
            raise StorageFailed(f"{_ADDING}: nix-store: {reason}")
        return done.stdout.decode().strip()
