"""The files of a release, built from this checkout once for all tests of a run, and interpreters to run them with."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest

from .cli import Done
from .commands import ROOT
from .require import SID_ROOT

# Isolated, and without the packages that are installed: no package that could be missing elsewhere.
ISOLATED = ("-I", "-S")


def build_release(output: Path, *words: str, root: Path = ROOT, env: Mapping[str, str] | None = None) -> str:
    """Run ``scripts/build_release`` of the checkout ``root``, and return what it printed."""
    done = subprocess.run(
        [sys.executable, str(root / "scripts" / "build_release"), "--output", str(output), *words],
        env=unmeasured() if env is None else dict(env), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def unmeasured() -> dict[str, str]:
    """Return this environment, without what starts coverage's measurement: it cannot read modules in the single file."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


def built(factory: pytest.TempPathFactory, kind: str, *words: str) -> Path:
    """Return the directory with a kind of file, which the first process to ask for it builds."""
    base = factory.getbasetemp()
    # The processes of one run have directories of their own in a common one.
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    output = shared / f"release-{kind}"
    with open(shared / f"release-{kind}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not output.exists():
            partial = output.with_name(f"{output.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            build_release(partial, "--only", kind, *words)
            partial.rename(output)
    return output


def single(directory: Path, pattern: str) -> Path:
    """Return the one file in ``directory`` that matches."""
    (found,) = directory.glob(pattern)
    return found


def write_wheels(folder: Path) -> None:
    """Write wheels of what pyskopeo needs into ``folder``, made of what is installed here."""
    from packaging.requirements import Requirement

    def needed(name: str, known: dict[str, Distribution]) -> dict[str, Distribution]:
        for text in distribution(name).requires or ():
            one = Requirement(text)
            if one.name not in known and (one.marker is None or one.marker.evaluate({"extra": ""})):
                known[one.name] = distribution(one.name)
                needed(one.name, known)
        return known

    for found in needed("pyskopeo", {}).values():
        files = [file for file in found.files or () if not file.as_posix().startswith("..") and "__pycache__" not in file.parts]
        (info,) = {file.parts[0] for file in files if file.parts[0].endswith(".dist-info")}
        (tag, *_) = re.findall(r"^Tag: (\S+)$", found.read_text("WHEEL") or "", re.MULTILINE)
        with zipfile.ZipFile(folder / f"{info.removesuffix('.dist-info')}-{tag}.whl", "w") as archive:
            for file in files:
                if file.name not in ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json"):
                    archive.write(str(file.locate()), file.as_posix())
            archive.writestr(f"{info}/RECORD", "".join(f"{file},,\n" for file in files))


def interpreter(version: str) -> tuple[str, ...]:
    """Return the command of a Python of this minor version, such as ``3.12``; without one the test is skipped."""
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return (sys.executable,)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path("~/.pyenv").expanduser(), "versions")
    for path in (shutil.which(f"python{version}"), *sorted(map(str, pyenv.glob(f"{version}.*/bin/python{version}")))):
        if path and subprocess.run([path, "-I", "-c", ""], capture_output=True, check=False).returncode == 0:
            return (path,)
    if command := sid_python(version):
        return command
    pytest.skip(f"needs Python {version}, which is not installed")


def sid_python(version: str) -> tuple[str, ...]:
    """Return the command of Debian sid's Python, if it is of this version and `scripts/sid_root` has unpacked it.

    By its own loader, and so with its own libraries.
    """
    program = SID_ROOT / "usr" / "bin" / f"python{version}"
    if not program.exists():
        return ()
    loader, library = next(SID_ROOT.glob("usr/lib*/ld-linux*.so.*")), next(SID_ROOT.glob("usr/lib/*/libc.so.6"))
    return (
        str(loader), "--argv0", str(program), "--inhibit-cache", "--library-path", str(library.parent), str(program),
    )  # fmt: skip


def run_file(
    path: Path, *words: object, python: Sequence[str] = (sys.executable,), env: Mapping[str, str] | None = None,
    cwd: Path | None = None, flags: tuple[str, ...] = ISOLATED,
) -> Done:  # fmt: skip
    """Run the single file with words, in this environment or in exactly ``env``."""
    done = subprocess.run(
        [*python, *flags, str(path), *map(str, words)], env=unmeasured() if env is None else dict(env), cwd=cwd,
        stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr.decode())
