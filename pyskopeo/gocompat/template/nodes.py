"""The parts of a parsed template; ``str`` of one gives its source again, for error messages."""

from __future__ import annotations

from dataclasses import field

from ...fast_dataclass import dataclass
from .literals import Number
from .verbs import quoted


@dataclass(frozen=True, slots=True)
class Node:
    """Something at a ``position`` of the template text."""

    position: int


@dataclass(frozen=True, slots=True)
class Dot(Node):
    """``.``"""

    def __str__(self) -> str:
        return "."


@dataclass(frozen=True, slots=True)
class Nil(Node):
    """``nil``"""

    def __str__(self) -> str:
        return "nil"


@dataclass(frozen=True, slots=True)
class Bool(Node):
    """``true`` or ``false``"""

    value: bool

    def __str__(self) -> str:
        return "true" if self.value else "false"


@dataclass(frozen=True, slots=True)
class NumberNode(Node):
    """A number or a character."""

    number: Number
    source: str

    def __str__(self) -> str:
        return self.source


@dataclass(frozen=True, slots=True)
class StringNode(Node):
    """A quoted or raw string; ``text`` is what it means."""

    text: str
    source: str

    def __str__(self) -> str:
        return self.source


@dataclass(frozen=True, slots=True)
class FieldNode(Node):
    """``.A.B``"""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return "".join(f".{name}" for name in self.names)


@dataclass(frozen=True, slots=True)
class VariableNode(Node):
    """``$x.A``; the first of ``names`` is the variable, with its sign."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join(self.names)


@dataclass(frozen=True, slots=True)
class Identifier(Node):
    """The name of a function."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Chain(Node):
    """``(pipeline).A`` and the like."""

    operand: Node
    names: tuple[str, ...]

    def __str__(self) -> str:
        shown = f"({self.operand})" if isinstance(self.operand, Pipe) else str(self.operand)
        return shown + "".join(f".{name}" for name in self.names)


@dataclass(frozen=True, slots=True)
class Command(Node):
    """An operand and its arguments."""

    arguments: tuple[Node, ...]

    def __str__(self) -> str:
        return " ".join(f"({part})" if isinstance(part, Pipe) else str(part) for part in self.arguments)


@dataclass(frozen=True, slots=True)
class Pipe(Node):
    """Commands joined by ``|``, with the variables that they declare or assign."""

    variables: tuple[VariableNode, ...]
    assigns: bool
    commands: tuple[Command, ...]

    def __str__(self) -> str:
        text = " | ".join(str(command) for command in self.commands)
        if not self.variables:
            return text
        names = ", ".join(str(variable) for variable in self.variables)
        return f"{names} {'=' if self.assigns else ':='} {text}"


@dataclass(frozen=True, slots=True)
class Text(Node):
    """Text outside the actions."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Action(Node):
    """``{{pipeline}}``"""

    pipe: Pipe

    def __str__(self) -> str:
        return f"{{{{{self.pipe}}}}}"


@dataclass(frozen=True, slots=True)
class Branch(Node):
    """``if``, ``with`` or ``range``, with the optional ``else``."""

    keyword: str
    pipe: Pipe
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...] | None

    def __str__(self) -> str:
        return f"{{{{{self.keyword} {self.pipe}}}}}"


@dataclass(frozen=True, slots=True)
class Call(Node):
    """``{{template "name" pipeline}}``, or the place of a ``block``."""

    name: str
    pipe: Pipe | None

    def __str__(self) -> str:
        return f"{{{{template {quoted(self.name)}{f' {self.pipe}' if self.pipe else ''}}}}}"


@dataclass(frozen=True, slots=True)
class Jump(Node):
    """``{{break}}`` or ``{{continue}}``"""

    keyword: str

    def __str__(self) -> str:
        return f"{{{{{self.keyword}}}}}"


@dataclass(frozen=True, slots=True)
class Mark(Node):
    """``{{end}}`` or ``{{else}}``: ends a list of nodes and is never in a tree.

    ``follows`` is the keyword of ``{{else if`` and ``{{else with``.
    """

    keyword: str
    follows: str = ""

    def __str__(self) -> str:
        return f"{{{{{self.keyword}}}}}"


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template: the source, and the bodies of all that it defines by their names."""

    source: str
    bodies: dict[str, tuple[Node, ...]] = field(default_factory=dict)
