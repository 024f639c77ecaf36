"""The history of an image: the build step that made each layer (OCI image specification, "Image Configuration").

Builders write it for people, so it is read leniently: what is of the wrong type counts as not there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..fast_dataclass import dataclass

MAX_STEPS = 20_000
"""The number of build steps of one image that are read; an image has as many layers at most."""
_SHELL, _NO_COMMAND, _MARK = "/bin/sh -c ", "#(nop)", " # buildkit"
# The arguments that a build step got are in front of its command, as in "|1 VERSION=1.2 /bin/sh -c make".
_ARGUMENTS = r"\|[0-9]+ .*?(?=/bin/sh -c )"


@dataclass(frozen=True, slots=True)
class HistoryStep:
    """One build step; ``empty`` is whether it changed no file, so that it has no layer. Texts are "" if not stated."""

    created_by: str
    created: str = ""
    comment: str = ""
    empty: bool = False

    @classmethod
    def from_json(cls, value: object) -> HistoryStep:
        """Read an entry of the ``history`` of a configuration."""
        fields = value if isinstance(value, Mapping) else {}

        def text(name: str) -> str:
            found = fields.get(name)
            return found if isinstance(found, str) else ""

        return cls(text("created_by"), text("created"), text("comment"), fields.get("empty_layer") is True)

    @property
    def instruction(self) -> str:
        """The step as an instruction of a Dockerfile, as far as it is known to be one: ``RUN make``, ``COPY . /app``.

        Docker and BuildKit wrap instructions in a call of the shell, or mark them. The comment stands for a step that
        states no command.
        """
        text = self.created_by.removesuffix(_MARK).strip()
        plain = re.sub(_ARGUMENTS, "", text, count=1)
        for start in ("", "RUN "):
            if plain.startswith(start + _SHELL):
                command = plain.removeprefix(start + _SHELL).strip()
                if command.startswith(_NO_COMMAND):
                    return command.removeprefix(_NO_COMMAND).strip()
                return f"RUN {command}"
        return text or self.comment

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that ``tree --json`` prints: the members of the specification that are stated."""
        value: dict[str, Any] = {"created_by": self.created_by, "created": self.created, "comment": self.comment}
        stated = {name: text for name, text in value.items() if text}
        return stated | ({"empty_layer": True} if self.empty else {})


def read_history(config: Mapping[str, Any]) -> tuple[HistoryStep, ...]:
    """Return the build steps that a decoded configuration states, the first one first; at most `MAX_STEPS`."""
    found = config.get("history")
    return tuple(map(HistoryStep.from_json, found[:MAX_STEPS])) if isinstance(found, list) else ()


def steps_of_layers(history: Sequence[HistoryStep], count: int) -> tuple[HistoryStep | None, ...]:
    """Return the step that made each of ``count`` layers, base layer first.

    Which step belongs to which layer is known only if there is one for each; otherwise all are None.
    """
    filled = tuple(step for step in history if not step.empty)
    return filled if len(filled) == count else (None,) * count
