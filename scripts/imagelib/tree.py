"""The files of a layer, and the archive that they become: the same bytes for the same files, whoever builds it."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

# 2 February 2020, as of the wheel and the source distribution (`releaselib.python_packages`).
EPOCH = 1580601600


@dataclass(frozen=True, slots=True)
class File:
    """A file of a layer: ``content``, or ``link``, the target of a symbolic link; neither: a directory.

    ``owner`` is the numeric user and group.
    """

    content: bytes | None = None
    mode: int = 0o644
    link: str = ""
    owner: int = 0


@dataclass(slots=True)
class Tree:
    """Files by their paths, which are relative to the root directory and have no ``.`` or ``..``."""

    files: dict[str, File]

    def __init__(self) -> None:
        self.files = {}

    def add(self, path: str, content: bytes, *, executable: bool = False) -> None:
        """Add a regular file."""
        self.files[path] = File(content, 0o755 if executable else 0o644)

    def link(self, path: str, target: str) -> None:
        """Add a symbolic link."""
        self.files[path] = File(mode=0o777, link=target)

    def directory(self, path: str, mode: int = 0o755, owner: int = 0) -> None:
        """Add a directory; those that files are in need not be added."""
        self.files[path] = File(mode=mode, owner=owner)

    def copy(self, source: Path, path: str) -> None:
        """Add a file of this machine: its content, and whether it can be executed."""
        self.add(path, source.read_bytes(), executable=bool(source.stat().st_mode & 0o100))

    def write_tar(self, path: Path) -> None:
        """Write an uncompressed archive: sorted, with directories before what is in them, and one time for all."""
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
            for name, file in self._members():
                archive.addfile(_header(name, file), io.BytesIO(file.content or b""))

    def _members(self) -> Iterator[tuple[str, File]]:
        folders = {str(folder) for path in self.files for folder in PurePosixPath(path).parents} - {"."}
        every = {**{folder: File(mode=0o755) for folder in folders}, **self.files}
        for name in sorted(every):
            yield name, every[name]


def _header(name: str, file: File) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.mtime, header.mode, header.uid, header.gid = EPOCH, file.mode, file.owner, file.owner
    if file.link:
        header.type, header.linkname = tarfile.SYMTYPE, file.link
    elif file.content is None:
        header.type = tarfile.DIRTYPE
    else:
        header.size = len(file.content)
    return header


def with_bytecode(tree: Tree, compiled: dict[str, bytes], tag: str) -> None:
    """Add bytecode beside its modules; ``compiled`` is by their paths, ``tag`` such as ``cpython-313``."""
    for path, content in compiled.items():
        module = PurePosixPath(path)
        tree.files[str(module.parent / "__pycache__" / f"{module.stem}.{tag}.pyc")] = replace(
            tree.files[path], content=content, mode=0o644
        )
