"""Who may do what in which repositories: the file of ``--access-rules``. Pure.

::

    [[allow]]
    users = ["@anyone"]          # with or without a login; "@users": everyone with a login; else names
    actions = ["pull"]           # pull, push, delete
    repositories = ["public/**"] # "*": anything within a component of a name, "**": also across components

What no rule allows is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import InvalidInput
from ..fast_dataclass import dataclass
from .request_target import ACTIONS, PULL

ANYONE, USERS = "@anyone", "@users"
FILE_LIMIT = 1024 * 1024  # bytes
_PATTERN = re.compile(r"[a-z0-9._/*-]{1,255}", re.ASCII)
_REMEMBERED = 10_000  # decisions


@dataclass(frozen=True, slots=True)
class Grant:
    """Rights: ``actions`` in the repositories that one of the ``patterns`` matches."""

    actions: frozenset[str]
    patterns: tuple[str, ...]

    def allows(self, repository: str, action: str) -> bool:
        """Return whether ``action`` is allowed in ``repository``."""
        return action in self.actions and any(matches(pattern, repository) for pattern in self.patterns)


EVERYTHING = Grant(frozenset(ACTIONS), ("**",))
READING = Grant(frozenset({PULL}), ("**",))


class AccessRules:
    """Rights by user.

    ``grants`` maps names of users, `ANYONE` and `USERS` to their rights.
    """

    def __init__(self, grants: Mapping[str, Sequence[Grant]]) -> None:
        self._grants = {user: tuple(given) for user, given in grants.items()}
        self._decisions: dict[tuple[str, str, str], bool] = {}

    @property
    def have_anonymous(self) -> bool:
        """Whether anything is allowed without a login."""
        return bool(self._grants.get(ANYONE))

    def allow(self, user: str, repository: str, action: str) -> bool:
        """Return whether ``user``, "" without a login, may do ``action`` in ``repository``."""
        asked = (user, repository, action)
        decision = self._decisions.get(asked)
        if decision is None:
            decision = any(grant.allows(repository, action) for grant in self._of(user))
            if len(self._decisions) >= _REMEMBERED:
                self._decisions.clear()
            self._decisions[asked] = decision
        return decision

    def with_anonymous_pull(self) -> AccessRules:
        """Return these rules with the right of anyone to pull everything."""
        return AccessRules({**self._grants, ANYONE: (*self._grants.get(ANYONE, ()), READING)})

    def _of(self, user: str) -> Iterable[Grant]:
        yield from self._grants.get(ANYONE, ())
        if user:
            yield from self._grants.get(USERS, ())
            yield from self._grants.get(user, ())


def default_rules() -> AccessRules:
    """Return the rules without a file: everyone with a login may do everything."""
    return AccessRules({USERS: (EVERYTHING,)})


def parse_access_rules(raw: bytes, where: str) -> AccessRules:
    """Parse the TOML file of access rules; raises `InvalidInput`, naming the file ``where`` and the rule."""
    document = parse_toml(raw, where)
    rules = tables_of(document, "allow", where)
    grants: dict[str, list[Grant]] = {}
    for number, rule in enumerate(rules, 1):
        place = f"{where}: rule {number}"
        refuse_unknown(rule, {"users", "actions", "repositories"}, place)
        grant = parse_grant(rule, place)
        for user in texts_of(rule, "users", place):
            if not user or (user[0] == "@" and user not in (ANYONE, USERS)):
                raise InvalidInput(f"{place}: no user is {user!a}, want a name, {ANYONE} or {USERS}")
            grants.setdefault(user, []).append(grant)
    return AccessRules(grants)


def parse_grant(table: Mapping[str, Any], place: str) -> Grant:
    """Return the rights that ``actions`` and ``repositories`` of a table give; raises `InvalidInput`."""
    actions = texts_of(table, "actions", place)
    if wrong := [action for action in actions if action not in ACTIONS]:
        raise InvalidInput(f"{place}: unknown action {wrong[0]!a}, want {', '.join(ACTIONS)}")
    patterns = texts_of(table, "repositories", place)
    if wrong := [one for one in patterns if not _PATTERN.fullmatch(one) or "***" in one]:
        raise InvalidInput(f"{place}: invalid pattern {wrong[0][:100]!a}, want such as team/app, team/* or team/**")
    return Grant(frozenset(actions), tuple(patterns))


def parse_toml(raw: bytes, where: str) -> dict[str, Any]:
    """Parse a TOML document; raises `InvalidInput`, which names the line but quotes nothing."""
    import tomllib

    try:
        return tomllib.loads(raw.decode())
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at (.*)\)$", str(error))
        raise InvalidInput(f"{where} is not valid TOML{f': {place[1]}' if place else ''}") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{where} is not valid TOML: it is not UTF-8") from None
    except RecursionError:
        raise InvalidInput(f"{where} is not valid TOML: it is nested too deeply") from None


def tables_of(document: Mapping[str, Any], key: str, where: str) -> list[dict[str, Any]]:
    """Return the tables ``[[key]]`` of a document that has nothing else; raises `InvalidInput`."""
    refuse_unknown(document, {key}, where)
    found = document.get(key, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise InvalidInput(f"{where}: want tables [[{key}]]")
    return found


def texts_of(table: Mapping[str, Any], key: str, place: str) -> list[str]:
    """Return a list of texts, at least one; raises `InvalidInput`."""
    found = table.get(key)
    if not isinstance(found, list) or not found or not all(isinstance(one, str) for one in found):
        raise InvalidInput(f'{place}: {key} is to be a list such as ["{_EXAMPLES[key]}"]')
    return found


_EXAMPLES = {"users": "alice", "actions": "pull", "repositories": "team/**"}


def refuse_unknown(table: Mapping[str, Any], known: set[str], place: str) -> None:
    """Raise `InvalidInput` for a key that is not known."""
    if wrong := [key for key in table if key not in known]:
        raise InvalidInput(f"{place}: unknown key {wrong[0][:60]!a}, want {', '.join(sorted(known))}")


def matches(pattern: str, name: str) -> bool:
    """Return whether a repository has a name of this pattern.

    ``*`` is any number of characters except ``/``, ``**`` of any characters. Takes time proportional to the product of
    both lengths, whatever they are.
    """
    reached = {0}  # the positions in the name up to which the pattern so far can match
    for piece in re.findall(r"\*\*|\*|[^*]+", pattern):
        if piece == "**":
            reached = set(range(min(reached), len(name) + 1))
        elif piece == "*":
            reached = _within_component(name, reached)
        else:
            reached = {at + len(piece) for at in reached if name.startswith(piece, at)}
        if not reached:
            return False
    return len(name) in reached


def _within_component(name: str, reached: set[int]) -> set[int]:
    found: set[int] = set()
    going = False
    for at in range(len(name) + 1):
        going = at in reached or (going and name[at - 1] != "/")
        if going:
            found.add(at)
    return found
