"""Wheels: which ones an image for one platform needs, and the files that they install."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from releaselib.distributions import EXTRAS, LEFT_OUT, UNUSED

from .tree import Tree

# The version of glibc that images have at least: that of Debian 12.
_NEWEST_MANYLINUX = (2, 36)


@dataclass(frozen=True, slots=True)
class Target:
    """What wheels are for: the machine as wheels name it, such as ``aarch64``, and the minor version of Python."""

    machine: str
    python: tuple[int, int]

    @property
    def version(self) -> str:
        """The version of Python, such as ``3.13``."""
        return f"{self.python[0]}.{self.python[1]}"

    def accepts(self, tags: Iterable[Tag]) -> bool:
        """Return whether a wheel with these tags runs there."""
        return any(self._has_interpreter(tag) and self._has_platform(tag.platform) for tag in tags)

    def _has_interpreter(self, tag: Tag) -> bool:
        major, minor = self.python
        if tag.interpreter in (f"py{major}", f"py{major}{minor}"):
            return tag.abi == "none"
        found = re.fullmatch(rf"cp{major}(\d+)", tag.interpreter)
        if found is None:
            return False
        if tag.abi == "abi3":
            return int(found[1]) <= minor
        return int(found[1]) == minor and tag.abi in (f"cp{major}{minor}", "none")

    def _has_platform(self, platform: str) -> bool:
        if platform in ("any", f"linux_{self.machine}"):
            return True
        if platform in (f"manylinux1_{self.machine}", f"manylinux2010_{self.machine}", f"manylinux2014_{self.machine}"):
            return True
        found = re.fullmatch(rf"manylinux_(\d+)_(\d+)_{self.machine}", platform)
        return found is not None and (int(found[1]), int(found[2])) <= _NEWEST_MANYLINUX


def download_wheels(own: Path, folder: Path, target: Target) -> None:
    """Have pip download what the wheel ``own`` needs for ``target`` into ``folder``; exits if it cannot."""
    numbers = [f"manylinux_2_{minor}" for minor in (17, 28, 34)] + ["manylinux2014"]
    platforms = [word for name in numbers for word in ("--platform", f"{name}_{target.machine}")]
    command = [
        *(sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--dest", str(folder)),
        *("--only-binary", ":all:", "--implementation", "cp", "--python-version", target.version),
        *(*platforms, f"{own}[{','.join(EXTRAS)}]"),
    ]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        lines = (done.stderr.strip() or "no output").splitlines()
        sys.exit(f"build_image: pip cannot download the wheels: {lines[-1]}")


def choose_wheels(folder: Path, target: Target) -> list[Path]:
    """Return the wheels in ``folder`` that run on ``target`` and are used, sorted; exits if one is there twice."""
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("*.whl")):
        try:
            name, _version, _build, tags = parse_wheel_filename(path.name)
        except InvalidWheelFilename as error:
            sys.exit(f"build_image: {path}: {error}")
        if name in UNUSED or name == "pyskopeo" or not target.accepts(tags):
            continue
        if name in found:
            sys.exit(f"build_image: {folder} has {found[name].name} and {path.name}: remove one of them")
        found[name] = path
    if "httpx" not in found:
        sys.exit(f"build_image: {folder} has no wheels for Python {target.version} on {target.machine}")
    return list(found.values())


def unpack(wheels: Iterable[Path], tree: Tree, folder: str) -> None:
    """Add what wheels install into ``folder``; programs, headers and manual pages are not."""
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.infolist():
                path = _installed_path(member.filename)
                if path and not member.is_dir() and not LEFT_OUT.search(path):
                    tree.add(f"{folder}/{path}", archive.read(member), executable=path.endswith(".so"))


def _installed_path(name: str) -> str:
    """Return the path below the folder of packages, or an empty string (binary distribution format, .data)."""
    if ".." in name.split("/") or name.startswith("/"):
        sys.exit(f"build_image: a wheel has the path {name!r}")
    first, _, rest = name.partition("/")
    if not first.endswith(".data"):
        return name
    kind, _, path = rest.partition("/")
    return path if kind in ("purelib", "platlib") else ""
