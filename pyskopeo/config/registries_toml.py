"""Parsing of ``registries.conf``, version 2 (containers-registries.conf(5)), with the checks of skopeo."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from ..errors import InvalidInput, InvalidName
from ..model.reference import Reference, is_registry
from .plain_toml import read_plain
from .registries import Mirror, Pull, RegistriesFile, Registry

_SHORT_NAME_MODES = ("enforcing", "permissive", "disabled")
_TYPE_NAMES = {bool: "true or false", str: "a string", list: "an array", dict: "a table"}
# How to write the lists of version 1 of the format.
_VERSION_2 = {
    "search": "[registries.search] as unqualified-search-registries = [...]",
    "insecure": "each of [registries.insecure] as a [[registry]] with location and insecure = true",
    "block": "each of [registries.block] as a [[registry]] with location and blocked = true",
}

# Characters of a value in an error message.
_MAX_QUOTED = 200

_Table = Mapping[str, Any]


def parse(text: str, where: str) -> RegistriesFile:
    """Parse a file; ``where`` is its path. Raises `InvalidInput`.

    As in skopeo, unknown keys are ignored and keys match in any case. Version 1 of the format is an error.
    """
    try:
        table = _decode(text)
        _refuse_version_1(table)
        registries = [
            _registry(entry, f"registry[{number}]", where)
            for number, entry in enumerate(_entries(table, "registry", "registry"))
        ]
        _refuse_conflicts(registries)
        search = _strings(table, "unqualified-search-registries")
        mode = _value(table, "short-name-mode", "short-name-mode", "")
        if mode and mode not in _SHORT_NAME_MODES:
            raise InvalidInput(f"invalid short-name mode: {_quoted(mode)}; want one of {', '.join(_SHORT_NAME_MODES)}")
        return RegistriesFile(
            where=where,
            registries=_sorted(registries),
            credential_helpers=_strings(table, "credential-helpers"),
            unqualified_search=None if search is None else tuple(map(_search_registry, search)),
            short_name_mode=mode,
            aliases=_aliases(_value(table, "aliases", "aliases", {})),
        )
    except InvalidInput as error:
        raise InvalidInput(f'loading registries configuration "{where}": {error}') from None


def _decode(text: str) -> _Table:
    if all(not line or line.startswith("#") for line in map(str.strip, text.splitlines())):
        return {}  # as distributions ship the file: do not import a parser
    plain = read_plain(text)
    if plain is not None:
        return plain
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"toml: {error}") from None
    except RecursionError:
        raise InvalidInput("toml: nested too deeply") from None


def _refuse_version_1(table: _Table) -> None:
    old = _value(table, "registries", "registries", {})
    found = [
        name for name in _VERSION_2
        if _strings(_value(old, name, f"registries.{name}", {}), "registries") is not None
    ]  # fmt: skip
    if found:
        raise InvalidInput(
            f"registries.conf must be in v2 format but is in v1: write {', '.join(_VERSION_2[name] for name in found)}"
        )


def _registry(entry: _Table, at: str, where: str) -> Registry:
    location = _location(entry, at)
    prefix = _without_slash(_value(entry, "prefix", f"{at}.prefix", "")) or location
    wildcard = prefix.startswith("*.")
    if not prefix:
        raise InvalidInput(f"invalid condition: both location and prefix are unset in {at}")
    if not location and not wildcard:
        raise InvalidInput(
            "invalid condition: location is unset and prefix is not in the format: *.example.com; "
            f"add location = {_quoted(prefix)} to {at}, or where its images really are"
        )
    if wildcard and any(sign in prefix for sign in "/@:"):
        raise InvalidInput(
            "Wildcarded prefix should be in the format: *.example.com. "
            f"Current prefix {_quoted(prefix)} is incorrectly formatted"
        )
    if _value(entry, "pull-from-mirror", f"{at}.pull-from-mirror", ""):
        raise InvalidInput(f"pull-from-mirror must not be set for a non-mirror registry {_quoted(prefix)}")
    by_digest = _value(entry, "mirror-by-digest-only", f"{at}.mirror-by-digest-only", False)
    mirrors = (
        _mirror(mirror, f"{at}.mirror[{number}]", prefix if by_digest else "")
        for number, mirror in enumerate(_entries(entry, "mirror", f"{at}.mirror"))
    )
    return Registry(
        prefix=prefix,
        location=location,
        insecure=_value(entry, "insecure", f"{at}.insecure", False),
        blocked=_value(entry, "blocked", f"{at}.blocked", False),
        mirror_by_digest_only=by_digest,
        mirrors=tuple(mirrors),
        where=where,
    )


def _mirror(entry: _Table, at: str, by_digest_only: str) -> Mirror:
    """Parse a mirror; ``by_digest_only`` is the prefix of a registry with ``mirror-by-digest-only``, or ""."""
    location = _location(entry, at)
    if not location:
        raise InvalidInput(f"invalid condition: mirror location is unset in {at}")
    said: str = _value(entry, "pull-from-mirror", f"{at}.pull-from-mirror", "")
    if said and by_digest_only:
        raise InvalidInput(
            f"cannot set mirror usage mirror-by-digest-only for the registry ({_quoted(by_digest_only)}) "
            f"and pull-from-mirror for per-mirror ({_quoted(location)}) at the same time"
        )
    pull: Pull | None = next((one for one in get_args(Pull) if one == (said or "all")), None)
    if pull is None:
        raise InvalidInput(
            f"unsupported pull-from-mirror value {_quoted(said)} for mirror {_quoted(location)}; "
            f"want one of {', '.join(get_args(Pull))}"
        )
    return Mirror(location, _value(entry, "insecure", f"{at}.insecure", False), pull)


def _refuse_conflicts(registries: Iterable[Registry]) -> None:
    """Raise `InvalidInput` if two entries of one location differ in ``insecure`` or ``blocked``."""
    first: dict[str, Registry] = {}
    for registry in registries:
        place = registry.location or registry.prefix
        other = first.setdefault(place, registry)
        for name in ("insecure", "blocked"):
            if getattr(other, name) != getattr(registry, name):
                raise InvalidInput(f"registry {place!a} is defined multiple times with conflicting '{name}' setting")


def _sorted(registries: Iterable[Registry]) -> tuple[Registry, ...]:
    """Return the entries sorted by prefix; of entries with the same prefix, the first."""
    unique: dict[str, Registry] = {}
    for registry in registries:
        unique.setdefault(registry.prefix, registry)
    return tuple(unique[prefix] for prefix in sorted(unique))


def _aliases(table: _Table) -> dict[str, str]:
    """Validate aliases: from names without a host to names with one, or "" to remove the alias."""
    for name, value in table.items():
        if not isinstance(value, str):
            _check_type(value, str, f"aliases.{_quoted(name)}")
        problem = "must not contain registry" if _host(name) else _problem(name)
        if problem:
            raise InvalidInput(f"validating short-name aliases: invalid short name {_quoted(name)}: {problem}")
        problem = _problem(value) if _host(value) else "must contain registry and repository"
        if value and problem:
            raise InvalidInput(f"validating short-name aliases: invalid alias {_quoted(value)}: {problem}")
    return dict(table)


def _host(name: str) -> str:
    """Return the host of a name, "" for a short name."""
    first, slash, _ = name.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else ""


def _problem(name: str) -> str:
    try:
        found = Reference.parse(name, default_tag="")
    except InvalidName as error:
        return str(error)
    return "must not contain tag or digest" if found.manifest_name else ""


def _search_registry(entry: str) -> str:
    found = _without_slash(entry)
    if not is_registry(found):
        raise InvalidInput(f"Invalid unqualified-search-registries entry {_quoted(found)}; want host or host:port")
    return found


def _location(entry: _Table, at: str) -> str:
    return _without_slash(_value(entry, "location", f"{at}.location", ""))


def _without_slash(place: str) -> str:
    if place.startswith(("http://", "https://")):
        raise InvalidInput(f"invalid location {place!a}: URI schemes are not supported; begin with the host")
    return place.rstrip("/")


def _entries(table: _Table, name: str, at: str) -> list[_Table]:
    found: list[Any] = _value(table, name, at, [])
    for number, entry in enumerate(found):
        _check_type(entry, dict, f"{at}[{number}]")
    return found


def _strings(table: _Table, name: str) -> tuple[str, ...] | None:
    found = _member(table, name)
    if found is None:
        return None
    _check_type(found, list, name)
    for number, entry in enumerate(found):
        _check_type(entry, str, f"{name}[{number}]")
    return tuple(found)


def _value(table: _Table, name: str, at: str, default: Any) -> Any:
    """Return a member, or ``default`` without one; raises `InvalidInput` if it is of another type."""
    found = _member(table, name)
    if found is None:
        return default
    _check_type(found, type(default), at)
    return found


def _member(table: _Table, name: str) -> Any:
    if name in table:
        return table[name]
    return next((value for key, value in table.items() if key.lower() == name), None)


def _check_type(value: object, kind: type, at: str) -> None:
    if not isinstance(value, kind):
        hint = "; write [[registry]] for [registry]" if at == "registry" else ""
        raise InvalidInput(f"{at} is not {_TYPE_NAMES[kind]}{hint}")


def _quoted(text: str) -> str:
    return json.dumps(text[:_MAX_QUOTED]).replace("\x7f", "\\u007f")
