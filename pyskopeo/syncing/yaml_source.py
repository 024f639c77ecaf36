"""Parse the YAML file of ``sync --src yaml`` and of ``lock`` (skopeo-sync(1), "YAML file content").

Parsed as by skopeo: unknown keys are allowed, and scalars are text, so that the tag ``1.10`` is not the number 1.1.
Beyond skopeo's dialect, a registry may have ``platforms``, and an image of ``images`` may be a mapping of ``tag``,
``digest``, ``name`` and ``platforms``: what `lock` records.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, cast

from ..config.untyped_yaml import check_parser
from ..credentials.authfile import Credentials
from ..errors import InvalidInput, TooLarge
from ..fast_dataclass import dataclass
from ..model.platform import Platform

if TYPE_CHECKING:
    import yaml

FILE_LIMIT = 4 * 1024 * 1024
_MAX_ENTRIES = 100_000
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "yes", "on", "y"})
_FALSE = frozenset({"false", "no", "off", "n"})
_KEYS = frozenset(
    {"images", "images-by-tag-regex", "images-by-semver", "credentials", "tls-verify", "cert-dir", "platforms"}
)
_WORDS: dict[object, str] = {None: "null", True: "true", False: "false"}  # as they are written in JSON
_IMAGE_KEYS = frozenset({"tag", "digest", "name", "platforms"})


class _InvalidFileError(Exception):
    """The file is invalid; becomes an `InvalidInput` that names the file."""


@dataclass(frozen=True, slots=True)
class ImageItem:
    """An image of a repository: ``version`` is a tag, a digest, or ``tag@digest``.

    ``name`` is its name in a lock file, "" for the default. ``platforms`` are those to lock, () for those of the
    registry.
    """

    version: str
    name: str = ""
    platforms: tuple[Platform, ...] = ()


@dataclass(frozen=True, slots=True)
class RegistrySource:
    """The images of one registry, or of a namespace in it, and how to access them.

    ``images`` are images by repository; none for all of its tags. ``by_pattern`` are regular expressions for
    tags, ``by_version`` ranges of versions, both by repository. ``tls_verify`` is None and ``cert_dir`` is "" where the
    file does not set them. ``platforms`` are those to lock of all these images, () for every platform. ``unknown`` are
    keys without a meaning.
    """

    registry: str
    images: Mapping[str, tuple[ImageItem, ...]] = field(default_factory=dict)
    by_pattern: Mapping[str, str] = field(default_factory=dict)
    by_version: Mapping[str, str] = field(default_factory=dict)
    credentials: Credentials | None = None
    tls_verify: bool | None = None
    cert_dir: str = ""
    platforms: tuple[Platform, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def has_lock_keys(self) -> bool:
        """Whether a name or a platform is given, which only a lock file records."""
        items = (item for items in self.images.values() for item in items)
        return bool(self.platforms) or any(item.name or item.platforms for item in items)

    @property
    def is_empty(self) -> bool:
        """Whether no images are named."""
        return not (self.images or self.by_pattern or self.by_version)


def parse_yaml_source(raw: bytes, where: str) -> tuple[RegistrySource, ...]:
    """Parse the content of a file; ``where`` is its name, for errors. JSON needs no package for YAML.

    Raises `InvalidInput` and `TooLarge`. Error messages contain no values of the file, which may be secrets.
    """
    if len(raw) > FILE_LIMIT:
        raise TooLarge(f"{where} is over the limit of {FILE_LIMIT} bytes", limit=FILE_LIMIT)
    try:
        document = _load_json(raw)
        if document is None:
            check_parser(where)
            document = _load(raw)
        if _is_null(document):
            return ()
        registries = _mapping(document, "the file")
        return tuple(_registry(name, value) for name, value in registries.items())
    except _InvalidFileError as error:
        raise InvalidInput(f'Failed to unmarshal "{where}": yaml: {error}') from None


def _load_json(raw: bytes) -> object:
    """Return the document of a file of JSON, whose scalars are text as in YAML; None for any other content.

    Raises `_InvalidFileError` for a key that is given twice.
    """
    if not raw.lstrip().startswith(b"{"):
        return None

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise _InvalidFileError(f"key {ascii(key)[:100]} is given twice")
            found[key] = value
        return found

    try:
        return _as_text(
            json.loads(raw, object_pairs_hook=unique, parse_int=str, parse_float=str, parse_constant=str)
        )
    except (ValueError, RecursionError):
        return None


def _as_text(value: object) -> object:
    """Return decoded JSON with the words for null, true and false in their place."""
    if isinstance(value, dict):
        return {key: _as_text(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_as_text(one) for one in value]
    return _WORDS[value] if value is None or isinstance(value, bool) else value


def _load(raw: bytes) -> object:
    """Return the document as strings, lists and mappings; raises `_InvalidFileError`."""
    import yaml

    # The loader of libyaml, if installed, is ten times as fast.
    base: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[valid-type,misc]
        """A safe loader that keeps scalars as text and refuses duplicate keys."""

        # No scalar gets a type, except merge keys ("<<").
        yaml_implicit_resolvers = {  # noqa: RUF012
            "<": [("tag:yaml.org,2002:merge", base.yaml_implicit_resolvers["<"][0][1])]
        }

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            own = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
            repeated = next((key for key in own if own.count(key) > 1), None) if len(set(own)) < len(own) else None
            if repeated is not None:
                raise _InvalidFileError(f"line {node.start_mark.line + 1}: key {ascii(repeated)[:100]} is given twice")
            return cast("dict[Any, Any]", super().construct_mapping(node, deep=deep))

    try:
        return cast("object", yaml.load(raw, Loader))  # noqa: S506 - a subclass of SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise _InvalidFileError(f"{place}{error.problem or error.context or 'cannot be understood'}") from None
    except yaml.YAMLError as error:  # such as characters that YAML does not allow
        raise _InvalidFileError(str(error).splitlines()[0]) from None
    except (RecursionError, UnicodeDecodeError) as error:
        raise _InvalidFileError("nested too deeply" if isinstance(error, RecursionError) else "not in UTF-8") from None


def _registry(name: object, value: object) -> RegistrySource:
    registry = _text(name, "the name of a registry")
    if _is_null(value):
        return RegistrySource(registry)
    fields = _mapping(value, registry)
    tls = fields.get("tls-verify")
    cert_dir = fields.get("cert-dir")
    return RegistrySource(
        registry,
        images={
            _text(repository, f"{registry}: images"): _items(items, f"{registry}: images: {ascii(repository)[:100]}")
            for repository, items in _entries(fields, registry, "images").items()
        },
        by_pattern=_pairs(fields, registry, "images-by-tag-regex"),
        by_version=_pairs(fields, registry, "images-by-semver"),
        credentials=_credentials(fields.get("credentials"), f"{registry}: credentials"),
        tls_verify=None if _is_null(tls) else _boolean(tls, f"{registry}: tls-verify"),
        cert_dir="" if _is_null(cert_dir) else _text(cert_dir, f"{registry}: cert-dir"),
        platforms=_platforms(fields.get("platforms"), f"{registry}: platforms"),
        unknown=tuple(str(key)[:100] for key in fields if key not in _KEYS),
    )


def _entries(fields: Mapping[object, object], registry: str, key: str) -> Mapping[object, object]:
    value = fields.get(key)
    return {} if _is_null(value) else _mapping(value, f"{registry}: {key}")


def _pairs(fields: Mapping[object, object], registry: str, key: str) -> Mapping[str, str]:
    where = f"{registry}: {key}"
    entries = _entries(fields, registry, key).items()
    return {_text(repository, where): _text(value, where) for repository, value in entries}


def _credentials(value: object, where: str) -> Credentials | None:
    if _is_null(value):
        return None
    fields = _mapping(value, where)
    texts = {key: "" if fields.get(key) is None else _text(fields[key], where) for key in
             ("username", "password", "identitytoken")}  # fmt: skip
    if not any(texts.values()):
        return None
    return Credentials(texts["username"], texts["password"], texts["identitytoken"])


def _mapping(value: object, where: str) -> Mapping[object, object]:
    if not isinstance(value, dict):
        raise _InvalidFileError(f"{where}: want names with values")
    if len(value) > _MAX_ENTRIES:
        raise _InvalidFileError(f"{where}: more than {_MAX_ENTRIES} entries")
    return value


def _list(value: object, where: str, what: str) -> list[object]:
    if _is_null(value):
        return []
    if not isinstance(value, list):
        raise _InvalidFileError(f"{where}: want a list of {what}")
    return value


def _items(value: object, where: str) -> tuple[ImageItem, ...]:
    return tuple(_item(item, where) for item in _list(value, where, "tags and digests"))


def _item(value: object, where: str) -> ImageItem:
    if not isinstance(value, dict):
        return ImageItem(_text(value, where))
    fields = _mapping(value, where)
    if unknown := next((key for key in fields if key not in _IMAGE_KEYS), None):
        raise _InvalidFileError(f"{where}: unknown key {ascii(unknown)[:100]}: want {', '.join(sorted(_IMAGE_KEYS))}")
    tag, digest, name = ("" if _is_null(fields.get(key)) else _text(fields[key], where) for key in
                         ("tag", "digest", "name"))  # fmt: skip
    if not tag and not digest:
        raise _InvalidFileError(f"{where}: an image needs a tag or a digest")
    version = f"{tag}@{digest}" if tag and digest else tag or digest
    return ImageItem(version, name, _platforms(fields.get("platforms"), f"{where}: platforms"))


def _platforms(value: object, where: str) -> tuple[Platform, ...]:
    try:
        return tuple(Platform.parse(_text(text, where)) for text in _list(value, where, "platforms"))
    except InvalidInput as error:
        raise _InvalidFileError(f"{where}: {error}") from None


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise _InvalidFileError(f"{where}: want text")
    return value


def _boolean(value: object, where: str) -> bool:
    text = _text(value, where).lower()
    if text not in _TRUE | _FALSE:
        raise _InvalidFileError(f"{where}: want true or false")
    return text in _TRUE


def _is_null(value: object) -> bool:
    return value is None or (isinstance(value, str) and value in _NULLS)
