"""YAML in which scalars stay text, as Go programs decode it into typed fields.

Whether ``1.20`` is a number or ``yes`` a boolean depends on the field that it is read for: `string`,
`boolean` and the others convert values. Duplicate keys are errors.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..errors import InvalidInput, Unsupported

if TYPE_CHECKING:
    import yaml

Untyped = str | None | list["Untyped"] | dict[str, "Untyped"]

_TAG = "tag:yaml.org,2002:"
_TRUE = frozenset({"y", "yes", "true", "on"})
_FALSE = frozenset({"n", "no", "false", "off"})
# The parser quotes from the file, unless what it quotes is punctuation or the name of a token.
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_PUNCTUATION = re.compile(r"[-:,\[\]{}?]+|<[a-z ]+>")


def parse(text: str, where: str) -> Untyped:
    """Parse a document: an empty one and ``null`` are None, other scalars their text.

    ``where`` names it in errors. Raises `InvalidInput`, whose message never contains a value, since values
    may be passwords, and `Unsupported` as `check_parser` does.
    """
    check_parser(where)
    import yaml

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        return None if root is None else _Reader(where).convert(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = _QUOTED.sub(_hide_value, error.problem or "")
        raise InvalidInput(f"{where}: not valid YAML{place}{': ' + problem if problem else ''}") from None
    except yaml.YAMLError:
        raise InvalidInput(f"{where}: not valid YAML: it has characters that are not allowed there") from None
    except RecursionError:
        raise InvalidInput(f"{where}: not YAML that can be read: nested too deeply") from None


def check_parser(where: str) -> None:
    """Raise `Unsupported` if the package that parses YAML is not installed; ``where`` names the document."""
    try:
        import yaml  # noqa: F401 - only whether it is there
    except ImportError:
        raise Unsupported(f"{where}: YAML files need the package PyYAML, which is not installed") from None


def _hide_value(quoted: re.Match[str]) -> str:
    return quoted[0] if _PUNCTUATION.fullmatch(quoted[0][1:-1]) else "..."


def mapping(value: Untyped, what: str) -> dict[str, Untyped]:
    """Return ``value`` as a mapping, {} for None; raises `InvalidInput`, in which ``what`` names it."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidInput(f"{what} is not a mapping")
    return value


def string(value: Untyped, what: str) -> str:
    """Return ``value`` as a string, "" for None; raises `InvalidInput`, in which ``what`` names it."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidInput(f"{what} is not a string")
    return value


def strings(value: Untyped, what: str) -> tuple[str, ...] | None:
    """Return ``value`` as strings, None for None; raises `InvalidInput`, in which ``what`` names it."""
    if value is None:
        return None
    if not isinstance(value, list):
        raise InvalidInput(f"{what} is not a list")
    return tuple(string(item, f"{what}[{number}]") for number, item in enumerate(value))


def boolean(value: Untyped, what: str) -> bool | None:
    """Return ``value`` as a boolean, None for None; raises `InvalidInput`, in which ``what`` names it."""
    if value is None:
        return None
    word = value.lower() if isinstance(value, str) else ""
    if word not in _TRUE | _FALSE:
        raise InvalidInput(f"{what} is neither true nor false")
    return word in _TRUE


class _Reader:
    """Converts nodes to values; a node that aliases repeat is converted once, so that memory stays bounded."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._done: dict[int, Untyped] = {}
        self._open: set[int] = set()

    def convert(self, node: yaml.Node) -> Untyped:
        if id(node) in self._done:
            return self._done[id(node)]
        if id(node) in self._open:
            raise self._wrong(node, "an alias within what it stands for")
        self._open.add(id(node))
        value = self._value(node)
        self._open.discard(id(node))
        self._done[id(node)] = value
        return value

    def _value(self, node: yaml.Node) -> Untyped:
        import yaml

        if isinstance(node, yaml.MappingNode):
            return self._mapping(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.convert(item) for item in node.value]
        if node.tag == f"{_TAG}null":
            return None
        return str(node.value)

    def _mapping(self, node: yaml.MappingNode) -> dict[str, Untyped]:
        found: dict[str, Untyped] = {}
        merged: dict[str, Untyped] = {}
        for key, content in node.value:
            value = self.convert(content)
            if key.tag == f"{_TAG}merge":
                for one in value if isinstance(value, list) else [value]:
                    if not isinstance(one, dict):
                        raise self._wrong(content, "only mappings can be merged")
                    merged = one | merged
                continue
            name = self.convert(key)
            if not isinstance(name, str):
                raise self._wrong(key, "a key is not a string")
            if name in found:
                raise self._wrong(key, f"the key {ascii(name)} is there already")
            found[name] = value
        return merged | found

    def _wrong(self, node: yaml.Node, problem: str) -> InvalidInput:
        mark = node.start_mark
        return InvalidInput(f"{self._where}: line {mark.line + 1}, column {mark.column + 1}: {problem}")
