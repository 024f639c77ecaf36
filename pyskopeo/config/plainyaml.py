"""YAML as Go programs read it into typed fields: text stays as it was written, a key comes once.

What a scalar means is for the reader of the field: ``1.20`` is no number yet, ``yes`` no boolean.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..errors import InvalidInput

if TYPE_CHECKING:
    import yaml

Plain = str | None | list["Plain"] | dict[str, "Plain"]

_TAG = "tag:yaml.org,2002:"
_TRUE = frozenset({"y", "yes", "true", "on"})
_FALSE = frozenset({"n", "no", "false", "off"})
# What the parser quotes is from the file, unless it is a sign or the name of a token.
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_SIGN = re.compile(r"[-:,\[\]{}?]+|<[a-z ]+>")


def parse(text: str, where: str) -> Plain:
    """Parse one document: nothing and ``null`` are None, other scalars their text.

    Raises `InvalidInput`, naming ``where``; it quotes none of the values, which may be passwords.
    """
    import yaml

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        return None if root is None else _Reader(where).plain(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = _QUOTED.sub(lambda found: found[0] if _SIGN.fullmatch(found[0][1:-1]) else "...", error.problem or "")
        raise InvalidInput(f"{where}: not valid YAML{place}{': ' + problem if problem else ''}") from None
    except yaml.YAMLError:
        raise InvalidInput(f"{where}: not valid YAML: it has characters that are not allowed there") from None
    except RecursionError:
        raise InvalidInput(f"{where}: not YAML that can be read: nested too deeply") from None


def mapping(value: Plain, what: str) -> dict[str, Plain]:
    """``value`` as a mapping, None as an empty one; raises `InvalidInput` about ``what``."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidInput(f"{what} is not a mapping")
    return value


def text(value: Plain, what: str) -> str:
    """``value`` as a string, None as an empty one; raises `InvalidInput` about ``what``."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidInput(f"{what} is not a string")
    return value


def texts(value: Plain, what: str) -> tuple[str, ...] | None:
    """``value`` as strings, None where there is none; raises `InvalidInput` about ``what``."""
    if value is None:
        return None
    if not isinstance(value, list):
        raise InvalidInput(f"{what} is not a list")
    return tuple(text(item, f"{what}[{number}]") for number, item in enumerate(value))


def boolean(value: Plain, what: str) -> bool | None:
    """``value`` as a boolean, None where there is none; raises `InvalidInput` about ``what``."""
    if value is None:
        return None
    word = value.lower() if isinstance(value, str) else ""
    if word not in _TRUE | _FALSE:
        raise InvalidInput(f"{what} is neither true nor false")
    return word in _TRUE


class _Reader:
    """Nodes to values. One that is repeated by an alias is read once, so that no file can grow in memory."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._done: dict[int, Plain] = {}
        self._open: set[int] = set()

    def plain(self, node: yaml.Node) -> Plain:
        if id(node) in self._done:
            return self._done[id(node)]
        if id(node) in self._open:
            raise self._wrong(node, "an alias within what it stands for")
        self._open.add(id(node))
        value = self._value(node)
        self._open.discard(id(node))
        self._done[id(node)] = value
        return value

    def _value(self, node: yaml.Node) -> Plain:
        import yaml

        if isinstance(node, yaml.MappingNode):
            return self._mapping(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(item) for item in node.value]
        if node.tag == f"{_TAG}null":
            return None
        return str(node.value)

    def _mapping(self, node: yaml.MappingNode) -> dict[str, Plain]:
        found: dict[str, Plain] = {}
        merged: dict[str, Plain] = {}
        for key, content in node.value:
            value = self.plain(content)
            if key.tag == f"{_TAG}merge":
                for one in value if isinstance(value, list) else [value]:
                    if not isinstance(one, dict):
                        raise self._wrong(content, "only mappings can be merged")
                    merged = one | merged
                continue
            name = self.plain(key)
            if not isinstance(name, str):
                raise self._wrong(key, "a key is not a string")
            if name in found:
                raise self._wrong(key, f"the key {ascii(name)} is there already")
            found[name] = value
        return merged | found

    def _wrong(self, node: yaml.Node, problem: str) -> InvalidInput:
        mark = node.start_mark
        return InvalidInput(f"{self._where}: line {mark.line + 1}, column {mark.column + 1}: {problem}")
