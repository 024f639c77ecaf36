"""What was measured where: this machine, and the versions of the programs."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from tests.support.require import find_program

from .peers import PEERS

# What prints the version of each program.
_VERSION_FLAGS = {"skopeo": "--version", "crane": "version", "regctl": "version"}
_NUMBER = re.compile(r"\d+\.\d+\.\d+")


def describe_machine() -> dict[str, str]:
    """Return a description of this machine and the versions of the programs, ``-`` for one that is not there."""
    return {
        "cpus": str(len(os.sched_getaffinity(0))),
        "cpu": _cpu(),
        "kernel": platform.release().split("-")[0],
        "python": platform.python_version(),
        "curl": _version("curl", "--version"),
        "openssl": _version("openssl", "version"),
        **{name: peer_version(name) for name in PEERS},
        "docker-registry": _version("docker-registry", "--version"),
    }


def peer_version(name: str) -> str:
    """Return a version as ``1.22.0``; ``unknown`` if the program does not say it, ``-`` if it is not there."""
    program = find_program(name)
    if program is None:
        return "-"
    # scripts/sid_crane writes it: Debian's crane does not know its own.
    written = Path(program).parent.parent / "version"
    said = written.read_text() if written.is_file() else _output(program, _VERSION_FLAGS[name])
    found = _NUMBER.search(said)
    return found.group() if found else "unknown"


def _cpu() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        found = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return found or platform.machine()


def _version(program: str, flag: str) -> str:
    if not shutil.which(program):
        return "-"
    return (_output(program, flag).splitlines() or ["-"])[0][:80]


def _output(program: str, flag: str) -> str:
    return subprocess.run([program, flag], capture_output=True, text=True, check=False).stdout
