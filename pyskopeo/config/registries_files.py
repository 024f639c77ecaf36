"""Which files make up ``registries.conf``, and reading them (containers-registries.conf.d(5))."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..errors import StorageFailed, prefix_errors
from ..fast_dataclass import dataclass
from .registries import Registries, RegistriesFile
from .user_files import read_text, user_folder

VARIABLE = "CONTAINERS_REGISTRIES_CONF"
_NAME = "registries"
_SUFFIX = ".conf"


@dataclass(frozen=True, slots=True)
class Sources:
    """``main``: the first that is there is read; ``must_exist`` says that it was named, and has to be.

    ``folders`` hold drop-ins, the most important first; ``last`` is read after all of them, and has
    to be there.
    """

    main: tuple[Path, ...]
    must_exist: bool = False
    folders: tuple[Path, ...] = ()
    last: Path | None = None


def locations(environ: Mapping[str, str], home: Path, named: Path | None = None, *, uid: int = 0) -> Sources:
    """Where to look, for the user ``uid``.

    ``named`` (``--registries-conf``) stands in for the main file, the drop-ins stay; the environment's
    ``CONTAINERS_REGISTRIES_CONF`` comes after it and stands in for both. The one that
    ``CONTAINERS_REGISTRIES_CONF_OVERRIDE`` names is added to any of these.
    """
    override = environ.get(f"{VARIABLE}_OVERRIDE")
    last = Path(override) if override else None
    if named is None and environ.get(VARIABLE):
        return Sources((Path(environ[VARIABLE]),), must_exist=True, last=last)
    user = user_folder(environ, home)
    shared = (Path("/etc/containers"), Path("/usr/share/containers"))
    folders = (
        user / f"{_NAME}{_SUFFIX}.d",
        *(folder for root in shared for folder in _shared_folders(root, uid)),
    )
    if named is not None:
        return Sources((named,), must_exist=True, folders=folders, last=last)
    return Sources(tuple(root / f"{_NAME}{_SUFFIX}" for root in (user, *shared)), folders=folders, last=last)


def load(environ: Mapping[str, str], home: Path, named: Path | None = None) -> Registries:
    """Read and merge the files of `locations` for the user that runs this.

    Where nothing is there, nothing is configured. Raises `InvalidInput` for what is wrong in a file,
    `StorageFailed` for one that cannot be read or was named and is not there, `TooLarge`; each names it.
    """
    return Registries.merge(_files(locations(environ, home, named, uid=os.geteuid() if hasattr(os, "geteuid") else 0)))


def _shared_folders(root: Path, uid: int) -> Iterator[Path]:
    if uid > 0:
        yield root / f"{_NAME}.rootless{_SUFFIX}.d" / str(uid)
        yield root / f"{_NAME}.rootless{_SUFFIX}.d"
    else:
        yield root / f"{_NAME}.rootful{_SUFFIX}.d"
    yield root / f"{_NAME}{_SUFFIX}.d"


def _files(sources: Sources) -> Iterator[RegistriesFile]:
    for path in sources.main:
        if (found := _file(path, must_exist=sources.must_exist)) is not None:
            yield found
            break
    for path in _drop_ins(sources.folders):
        if (found := _file(path)) is not None:  # else it was removed a moment ago
            yield found
    if sources.last is not None and (found := _file(sources.last, must_exist=True)) is not None:
        yield found


def _drop_ins(folders: tuple[Path, ...]) -> list[Path]:
    """In order of name; one in a more important folder hides those of its name in the others."""
    found: dict[str, Path] = {}
    for folder in reversed(folders):
        try:
            with os.scandir(folder) as entries:
                found.update(
                    (entry.name, folder / entry.name)
                    for entry in entries
                    if entry.name.endswith(_SUFFIX) and not entry.is_dir()
                )
        except OSError as error:
            if not os.path.exists(folder):
                continue
            raise StorageFailed.of(error, f"reading {folder}") from None
    return [found[name] for name in sorted(found)]


def _file(path: Path, *, must_exist: bool = False) -> RegistriesFile | None:
    with prefix_errors(f'loading registries configuration "{path}"'):
        text = read_text(path, must_exist=must_exist)
    if text is None:
        return None
    from .registries_toml import parse

    return parse(text, str(path))
