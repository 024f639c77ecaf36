"""``registries.d``: where the signatures of images are stored (containers-registries.d(5))."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidInput, StorageFailed
from ..fast_dataclass import dataclass, replace
from ..model.reference import Reference
from .policy_scopes import by_reference
from .user_files import read_text, user_config_directory

if TYPE_CHECKING:
    from .untyped_yaml import Untyped

_SUFFIX = ".yaml"


@dataclass(frozen=True, slots=True)
class Section:
    """The settings for a namespace; "" and None are not set. ``where`` is the path of the file.

    ``lookaside`` and ``lookaside_staging`` are URLs to read and to write signatures.
    """

    lookaside: str = ""
    lookaside_staging: str = ""
    use_sigstore_attachments: bool | None = None
    where: str = ""


@dataclass(frozen=True, slots=True)
class RegistriesD:
    """The settings of one file or of all: by namespace (``host[/path][:tag|@digest]``), ``default`` for any other.

    ``lookaside_directory`` is the URL of the user's own lookaside, for images without a configured one; "": none.
    """

    default: Section | None = None
    namespaces: Mapping[str, Section] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    lookaside_directory: str = ""

    @classmethod
    def parse(cls, text: str, where: str) -> RegistriesD:
        """Parse a file; ``where`` is its path. Unknown keys are ignored. Raises `InvalidInput`."""
        # Loaded here, since most machines have no such file, and every copy looks for one.
        from .plain_yaml import parse_plain
        from .untyped_yaml import mapping, parse

        label = f"parsing {where}"
        plain = parse_plain(text)
        top = mapping(parse(text, label) if plain is None else plain, f"{label}: the whole")
        default = top.get("default-docker")
        namespaces = {
            name: replace(_section(said, f"{label}: docker[{json.dumps(name)}]"), where=where)
            for name, said in mapping(top.get("docker"), f"{label}: docker").items()
        }
        if default is None:
            return cls(None, namespaces, (where,))
        return cls(replace(_section(default, f"{label}: default-docker"), where=where), namespaces, (where,))

    @classmethod
    def merge(cls, files: Iterable[RegistriesD]) -> RegistriesD:
        """Merge files; raises `InvalidInput` if two have the same namespace, since none has precedence."""
        default: Section | None = None
        namespaces: dict[str, Section] = {}
        names: list[str] = []
        for one in files:
            if default is not None and one.default is not None:
                raise _twice('"default-docker"', default, one.default)
            default = one.default or default
            for name, section in one.namespaces.items():
                if name in namespaces:
                    raise _twice(f'"docker" namespace {json.dumps(name)}', namespaces[name], section)
                namespaces[name] = section
            names.extend(one.files)
        return cls(default, namespaces, tuple(names))

    def sections(self, reference: Reference) -> Iterator[Section]:
        """Yield the settings that apply to an image, the most specific first, the default last.

        The port is part of the host: ``example.org`` does not apply to ``example.org:5000``.
        """
        subject = by_reference("docker", reference)
        for name in dict.fromkeys((subject.identity, *subject.namespaces)):
            if name in self.namespaces:
                yield self.namespaces[name]
        if self.default is not None:
            yield self.default

    def lookaside(self, reference: Reference, *, write: bool = False) -> str:
        """Return the base URL to read, or to ``write``, signatures of an image.

        As in skopeo, it is that of the first of `sections` that has one, else the user's own.
        """
        for section in self.sections(reference):
            found = (section.lookaside_staging if write else "") or section.lookaside
            if found:
                return found
        return self.lookaside_directory

    def uses_attachments(self, reference: Reference) -> bool:
        """Return whether signatures are stored as tags in the image's repository (sigstore attachments)."""
        said = (section.use_sigstore_attachments for section in self.sections(reference))
        return next((one for one in said if one is not None), False)


def locations(environ: Mapping[str, str], home: Path, named: Path | None = None) -> tuple[Path, ...]:
    """Return the directories in order of precedence; only ``named`` (``--registries.d``) if it is given."""
    if named is not None:
        return (named,)
    roots = (user_config_directory(environ, home), Path("/etc/containers"), Path("/usr/share/containers"))
    return tuple(root / "registries.d" for root in roots)


def load(environ: Mapping[str, str], home: Path, named: Path | None = None) -> RegistriesD:
    """Read the ``*.yaml`` files in the first of `locations` that exists.

    Without such a directory, even if it is ``named``, nothing is configured, and the user's own lookaside is used.
    Raises `InvalidInput`, `StorageFailed` or `TooLarge` for a file that is invalid, cannot be read, or is over the
    limit.
    """
    for folder in locations(environ, home, named):
        try:
            names = sorted(name for name in os.listdir(folder) if name.endswith(_SUFFIX))
        except OSError as error:
            if not os.path.exists(folder):
                continue
            raise StorageFailed.of(error, f"reading {folder}") from None
        found = RegistriesD.merge(_files(folder / name for name in names))
        break
    else:
        found = RegistriesD()
    return replace(found, lookaside_directory=own_lookaside(home).as_uri())


def own_lookaside(home: Path) -> Path:
    """Return the directory of the user's own lookaside: that of the machine for root."""
    if os.geteuid() == 0:
        return Path("/var/lib/containers/sigstore")
    return Path(os.path.abspath(home)) / ".local/share/containers/sigstore"


def _files(paths: Iterable[Path]) -> Iterator[RegistriesD]:
    for path in paths:
        if (text := read_text(path)) is not None:  # else it was removed in the meantime
            yield RegistriesD.parse(text, str(path))


def _section(value: Untyped, at: str) -> Section:
    from .untyped_yaml import boolean, mapping, string

    table = mapping(value, at)

    def url(name: str, older_name: str) -> str:
        return string(table.get(name), f"{at}.{name}") or string(table.get(older_name), f"{at}.{older_name}")

    attachments = "use-sigstore-attachments"
    return Section(
        lookaside=url("lookaside", "sigstore"),
        lookaside_staging=url("lookaside-staging", "sigstore-staging"),
        use_sigstore_attachments=boolean(table.get(attachments), f"{at}.{attachments}"),
    )


def _twice(what: str, first: Section, second: Section) -> InvalidInput:
    return InvalidInput(
        f"Error parsing signature storage configuration: {what} defined both in "
        f"{json.dumps(first.where)} and {json.dumps(second.where)}; keep one of them"
    )
