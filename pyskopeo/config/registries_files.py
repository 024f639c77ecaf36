"""Finding and reading the files of ``registries.conf`` (containers-registries.conf.d(5))."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..errors import StorageFailed, prefix_errors
from ..fast_dataclass import dataclass
from .registries import Registries, RegistriesFile
from .user_files import read_text, user_config_directory

VARIABLE = "CONTAINERS_REGISTRIES_CONF"
_NAME = "registries"
_SUFFIX = ".conf"


@dataclass(frozen=True, slots=True)
class ConfigPaths:
    """The paths to read.

    Of ``main``, the first that exists; it is an error if there is none and ``must_exist``. ``folders`` are
    directories of drop-in files in order of precedence. ``last`` is read after them and has to exist.
    """

    main: tuple[Path, ...]
    must_exist: bool = False
    folders: tuple[Path, ...] = ()
    last: Path | None = None


def locations(environ: Mapping[str, str], home: Path, named: Path | None = None, *, uid: int = 0) -> ConfigPaths:
    """Return the paths for the user ``uid``.

    ``named`` (``--registries-conf``) replaces the main file but not the drop-in files. Otherwise
    ``CONTAINERS_REGISTRIES_CONF`` replaces both. The file of ``CONTAINERS_REGISTRIES_CONF_OVERRIDE`` is
    read after all others in any case.
    """
    override = environ.get(f"{VARIABLE}_OVERRIDE")
    last = Path(override) if override else None
    if named is None and environ.get(VARIABLE):
        return ConfigPaths((Path(environ[VARIABLE]),), must_exist=True, last=last)
    user = user_config_directory(environ, home)
    shared = (Path("/etc/containers"), Path("/usr/share/containers"))
    folders = (
        user / f"{_NAME}{_SUFFIX}.d",
        *(folder for root in shared for folder in _shared_folders(root, uid)),
    )
    if named is not None:
        return ConfigPaths((named,), must_exist=True, folders=folders, last=last)
    return ConfigPaths(tuple(root / f"{_NAME}{_SUFFIX}" for root in (user, *shared)), folders=folders, last=last)


def load(environ: Mapping[str, str], home: Path, named: Path | None = None) -> Registries:
    """Read and merge the files of `locations` for the current user; without files nothing is configured.

    Raises `InvalidInput` for an invalid file, `StorageFailed` for one that cannot be read or was named and
    does not exist, and `TooLarge` for one that is over the limit.
    """
    return Registries.merge(_files(locations(environ, home, named, uid=os.geteuid() if hasattr(os, "geteuid") else 0)))


def _shared_folders(root: Path, uid: int) -> Iterator[Path]:
    if uid > 0:
        yield root / f"{_NAME}.rootless{_SUFFIX}.d" / str(uid)
        yield root / f"{_NAME}.rootless{_SUFFIX}.d"
    else:
        yield root / f"{_NAME}.rootful{_SUFFIX}.d"
    yield root / f"{_NAME}{_SUFFIX}.d"


def _files(sources: ConfigPaths) -> Iterator[RegistriesFile]:
    for path in sources.main:
        if (found := _file(path, must_exist=sources.must_exist)) is not None:
            yield found
            break
    for path in _drop_ins(sources.folders):
        if (found := _file(path)) is not None:  # else it was removed in the meantime
            yield found
    if sources.last is not None and (found := _file(sources.last, must_exist=True)) is not None:
        yield found


def _drop_ins(folders: tuple[Path, ...]) -> list[Path]:
    """Return drop-in files sorted by name; of files with the same name, the first directory's is used."""
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
