"""The executable for machines without Python: PyInstaller's, with this Python and all dependencies inside."""

from __future__ import annotations

import ast
import os
import platform
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

from .bytecode import module_name
from .distributions import ROOT, needed_distributions, normalized, own_files

_MAIN = Path(__file__).with_name("executable_main.py")
# What is imported by names that are made up at run time.
_HIDDEN = (
    "anyio._backends._asyncio", "isal.igzip_lib", *(("backports.zstd",) if sys.version_info < (3, 14) else ()),
)  # fmt: skip
# Of the standard library, and what dependencies use where it is installed.
_LEFT_OUT = ("_distutils_hack", "setuptools", "tkinter", "unittest", "pydoc", "lib2to3")
_ARCHITECTURES = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64"}
_GLIBC = re.compile(rb"GLIBC_(\d+)\.(\d+)\b")


def platform_name() -> str:
    """Return the name of this platform in a file's name, such as ``linux-amd64``."""
    return f"{platform.system().lower()}-{_ARCHITECTURES.get(platform.machine(), platform.machine())}"


def build_executable(path: Path, work: Path) -> str:
    """Build the executable ``path`` for this platform, and return the oldest glibc that it runs with.

    ``work`` is a directory for what is needed on the way. The result is empty on other systems than Linux.
    """
    command = [
        sys.executable, "-m", "PyInstaller", "--onefile", "--noconfirm", "--log-level", "ERROR", "--name", path.name,
        "--distpath", str(path.parent), "--workpath", str(work), "--specpath", str(work), "--paths", str(ROOT),
        "--collect-data", "publicsuffixlist", "--collect-data", "certifi",
    ]  # fmt: skip
    own = [module_name(path) for path in own_files() if path.endswith(".py")]
    command += [part for name in (*own, *_HIDDEN) for part in ("--hidden-import", name)]
    command += [part for name in (*_LEFT_OUT, *_unneeded()) for part in ("--exclude-module", name)]
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "0",
        "SOURCE_DATE_EPOCH": "315532800",
        "PYINSTALLER_CONFIG_DIR": str(work / "cache"),
    }
    done = subprocess.run(
        [*command, str(_MAIN)], cwd=work, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = (done.stderr.strip() or "no output").splitlines()
        hint = ": pip install 'pyskopeo[release]'" if "No module named PyInstaller" in lines[-1] else ""
        sys.exit(f"build_release: PyInstaller cannot build the executable: {lines[-1]}{hint}")
    os.chmod(path, 0o755)
    return _glibc_floor(work / path.name)


def _unneeded() -> list[str]:
    """Return the packages that are installed here and no part of a release.

    So the executable has what the bill of materials says, whatever else is installed, and is built faster.
    """
    needed = needed_distributions(native=True).keys() | {"pyskopeo"}
    found = packages_distributions().items()
    return sorted(name for name, owners in found if not needed & set(map(normalized, owners)))


def _glibc_floor(work: Path) -> str:
    """Return the newest version of glibc whose symbols any file in the executable needs."""
    if not sys.platform.startswith("linux"):
        return ""
    newest = (0, 0)
    for table in work.glob("PKG-*.toc"):
        for path in _paths(ast.literal_eval(table.read_text())):
            content = path.read_bytes() if path.is_file() else b""
            if content.startswith(b"\x7fELF"):
                newest = max(newest, *((int(one), int(other)) for one, other in _GLIBC.findall(content)), (0, 0))
    return ".".join(map(str, newest))


def _paths(entry: object) -> list[Path]:
    """Return all strings in a table of PyInstaller that are absolute paths."""
    if isinstance(entry, str):
        return [Path(entry)] if entry.startswith("/") else []
    return [path for one in entry for path in _paths(one)] if isinstance(entry, tuple | list) else []
