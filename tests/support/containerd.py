"""A containerd of our own, as Kubernetes uses one: its images are listed and checked by ``ctr``."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .processes import Peer, PeerFailed
from .require import find_program

NAMESPACE = "k8s.io"
"""Where Kubernetes, and so k3s and k0s, has its images."""


@dataclass(frozen=True, slots=True)
class ImageCheck:
    """What ``ctr image check`` says of an image."""

    digest: str
    complete: bool
    unpacked: bool


class Containerd(Peer):
    """containerd with all its state and its socket in its folder; it needs root."""

    def command(self) -> Sequence[str]:
        """Without the parts that start containers."""
        settings = {
            "root": f'"{self.folder}/root"', "state": f'"{self.folder}/state"', "version": "2",
            "disabled_plugins": json.dumps(["io.containerd.grpc.v1.cri"]),
        }  # fmt: skip
        path = self.folder / "config.toml"
        path.write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
        return ("containerd", "--config", str(path), "--address", str(self._socket))

    def is_ready(self) -> bool:
        """It says so when it listens."""
        return "containerd successfully booted" in self.log

    @property
    def _socket(self) -> Path:
        return self.folder / "socket"

    def ctr(self, *arguments: str) -> str:
        """What ``ctr ARGUMENTS`` prints; raises `PeerFailed` with its complaint."""
        program = find_program("ctr")
        if program is None:
            raise PeerFailed("the program ctr is not installed")
        words = [program, "--address", str(self._socket), "--namespace", NAMESPACE, *arguments]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise PeerFailed(f"ctr {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def import_images(self, archive: Path, *more: str) -> dict[str, ImageCheck]:
        """Import an archive; returns the images that are there then by their names, and removes them again."""
        self.ctr("image", "import", "--snapshotter=native", *more, str(archive))
        rows = [line.split() for line in self.ctr("image", "check", "--snapshotter=native").splitlines()[1:]]
        found = {row[0]: ImageCheck(row[2], row[3] == "complete", row[-1] == "true") for row in rows}
        if found:
            self.ctr("image", "rm", "--sync", *found)
        return found
