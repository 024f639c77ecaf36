"""Rules that rename images on their way to the destination; no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ..errors import InvalidInput
from ..fast_dataclass import dataclass
from .tag_selection import compile_pattern


@dataclass(frozen=True, slots=True)
class RenamingRule:
    r"""One rule: what ``pattern`` finds first in an image's full name is replaced, as by sed's ``s/REGEX/TEXT/``.

    ``replacement`` may refer to groups of the expression, as ``\1`` or ``\g<name>``. The full name is
    ``host/repository:tag`` in a registry, with ``docker.io/library/`` written out.
    """

    pattern: re.Pattern[str]
    replacement: str

    @classmethod
    def of(cls, pattern: str, replacement: str) -> RenamingRule:
        """Return the rule for an expression in RE2's syntax, see `compile_pattern`; raises `InvalidInput`."""
        compiled = compile_pattern(pattern)
        shown = f"{pattern}={replacement}"[:200]
        if re.search(r"\$(?:[0-9]|\{)", replacement):
            raise InvalidInput(f"renaming rule {shown}: groups are written \\1 or \\g<name>, not with $")
        try:
            compiled.sub(replacement, "")  # reads the replacement, whether anything is found or not
        except (re.error, IndexError) as error:
            raise InvalidInput(f"renaming rule {shown}: {error}") from None
        return cls(compiled, replacement)

    @classmethod
    def parse(cls, text: str) -> RenamingRule:
        """Parse ``REGEX=REPLACEMENT``; the last ``=`` divides them, since no name has one. Raises `InvalidInput`."""
        pattern, equals, replacement = text.rpartition("=")
        if not equals or not pattern:
            example = "'^docker.io/library/=hub/'"
            raise InvalidInput(f"renaming rule {text[:200]!r}: want REGEX=REPLACEMENT, such as {example}")
        return cls.of(pattern, replacement)

    def apply(self, name: str) -> str | None:
        """Return the name with the match replaced, None without a match."""
        match = self.pattern.search(name)
        if match is None:
            return None
        return f"{name[: match.start()]}{match.expand(self.replacement)}{name[match.end() :]}"


@dataclass(frozen=True, slots=True)
class Renaming:
    """Rules in order, of which the first that matches counts."""

    rules: tuple[RenamingRule, ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str] | Mapping[str, str]) -> Renaming:
        """Parse ``REGEX=REPLACEMENT`` texts, or a mapping from expressions to replacements; raises `InvalidInput`."""
        if isinstance(texts, Mapping):
            return cls(tuple(RenamingRule.of(pattern, replacement) for pattern, replacement in texts.items()))
        return cls(tuple(map(RenamingRule.parse, texts)))

    def apply(self, name: str) -> str | None:
        """Return the new name of the image with the full name ``name``, None if no rule matches.

        It is a path below the destination, which the caller has to check: nothing says that it is a valid name.
        Matching may take exponential time for some expressions: callers must bound it.
        """
        return next((found for rule in self.rules if (found := rule.apply(name)) is not None), None)


NO_RENAMING = Renaming()
