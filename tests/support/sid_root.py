"""Debian sid's programs, which `scripts/sid_root` has unpacked into a root directory of their own.

::

    done = run_in_sid(["nix", "--version"], binds={tmp_path: tmp_path})

    with SidRoot({tmp_path: tmp_path}) as sid:  # for several commands, which share background processes
        sid.run(["bazel", "build", "//..."], cwd=tmp_path, env={"HOME": str(tmp_path)})

The directory becomes ``/`` by pivot_root(2), as a chroot would not allow the sandboxes of Bazel and Nix. What is written
outside of ``binds`` is in memory, and lost at the end, when all processes are killed. The network is this machine's.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .processes import Peer, PeerFailed
from .require import SID_ROOT, find_program

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
# Starts the first process of the namespace for processes, with which all others end.
_KEEP = """sh -c "$@" & trap "kill -KILL $!" TERM; wait"""
# Arguments: the directory; one in which to mount; pairs of a path outside and the same inside.
_ENTER = r"""
set -eu
mount -t tmpfs -o mode=755 tmpfs "$2"
mkdir "$2/upper" "$2/work" "$2/root"
mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" overlay "$2/root"
cd "$2/root"
shift 2
while [ $# -gt 0 ]; do
  if [ -d "$1" ]; then mkdir -p "./$2"; else mkdir -p "./${2%/*}" && : >>"./$2"; fi
  mount --rbind "$1" "./$2"
  shift 2
done
mkdir -p proc dev sys .outside
mount -t proc proc proc
mount --rbind /dev dev
mount --rbind /sys sys
pivot_root . .outside
cd /
umount -l /.outside
echo ready
# The first process is the parent of those whose own one has ended: a shell that waits removes them when they end.
while :; do sleep 3600 & wait; done
"""


class SidRoot(Peer):
    """The root directory, in namespaces for mounts and processes; a context manager.

    ``binds`` maps absolute paths of this machine to paths inside. The test needs a program of it: ``peer("sid-bazel")``.
    """

    def __init__(self, binds: Mapping[Path, Path] | None = None) -> None:
        super().__init__()
        self._binds = dict(binds or {})

    def command(self) -> Sequence[str]:
        """A process that keeps the namespaces."""
        mounts = self.folder / "mounts"
        mounts.mkdir(exist_ok=True)
        pairs = [str(path) for pair in self._binds.items() for path in pair]
        arguments = ("enter", str(SID_ROOT), str(mounts), *pairs)
        return ("unshare", "--mount", "--pid", "--propagation", "private", "sh", "-c", _KEEP, "keep", _ENTER, *arguments)

    def is_ready(self) -> bool:
        """Whether the directory has become the root."""
        return self.log.endswith("ready\n")

    def run(
        self, command: Sequence[str], *, cwd: Path = Path("/"), env: Mapping[str, str] | None = None, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run ``command`` to its end, with nothing but ``env``, a PATH and a locale in its environment."""
        nsenter = find_program("nsenter")
        if nsenter is None or self._process is None:
            raise PeerFailed("the program nsenter is not installed, or the root is not entered")
        namespaces = f"/proc/{self._process.pid}/ns"
        entered = [nsenter, f"--mount={namespaces}/mnt", f"--pid={namespaces}/pid_for_children", "--"]
        return subprocess.run(
            [*entered, "sh", "-c", 'cd "$0" && exec "$@"', str(cwd), *command],
            env={"PATH": _PATH, "HOME": "/root", "LANG": "C.UTF-8", **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )


def run_in_sid(
    command: Sequence[str],
    *,
    binds: Mapping[Path, Path] | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path = Path("/"),
    timeout: float = 60,
) -> subprocess.CompletedProcess[str]:
    """Run one command as `SidRoot.run` does; the processes that it leaves are killed."""
    with SidRoot(binds) as sid:
        return sid.run(command, cwd=cwd, env=env, timeout=timeout)
