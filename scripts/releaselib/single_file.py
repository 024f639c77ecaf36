"""The single file: a zip archive that Python runs, with the dependencies that are pure Python and with bytecode."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from .bytecode import Interpreter, compile_bundles
from .distributions import modules_and_data, own_files

_SHEBANG = b"#!/usr/bin/env python3\n"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip archive can hold
_MAIN, _IMPORTER = (Path(__file__).with_name(name) for name in ("pyz_main.py", "bytecode_importer.py"))


def write_single_file(path: Path, dependencies: Iterable[str], interpreters: Iterable[Interpreter]) -> None:
    """Write the single file to ``path``, executable, with ``dependencies`` and with bytecode for ``interpreters``.

    Its bytes depend on the sources, on the interpreters and on the zlib of the Python that runs this, and on nothing
    else. The bundles of bytecode are stored, since what is in them is deflated already.
    """
    files = {**own_files(), _IMPORTER.name: _IMPORTER.read_bytes()}
    for name in sorted(dependencies):
        files |= modules_and_data(name)
    bundles = compile_bundles(interpreters, {name: content for name, content in files.items() if name.endswith(".py")})
    _write(path, {
        "__main__.py": (_MAIN.read_bytes(), zipfile.ZIP_DEFLATED),
        **{f"{tag}/modules": (bundle, zipfile.ZIP_STORED) for tag, bundle in sorted(bundles.items())},
        **{name: (content, zipfile.ZIP_DEFLATED) for name, content in sorted(files.items())},
    })  # fmt: skip


def _write(path: Path, entries: Mapping[str, tuple[bytes, int]]) -> None:
    temporary = path.with_name(f".{path.name}.partial")
    with open(temporary, "wb") as file:
        file.write(_SHEBANG)
        with zipfile.ZipFile(file, "w") as archive:
            for name, (content, method) in entries.items():
                entry = zipfile.ZipInfo(name, _EPOCH)
                entry.create_system = 3  # Unix, whatever this system is
                entry.external_attr = 0o100644 << 16
                archive.writestr(entry, content, method, 9)
    os.chmod(temporary, 0o755)
    os.replace(temporary, path)
