"""The syntax tree of a template (Go's ``text/template/parse``, node.go).

``str`` of a node is its source, normalized, as error messages quote it.
"""

from __future__ import annotations

from dataclasses import field

from ...fast_dataclass import dataclass
from .literals import Number
from .printf_verbs import quoted


@dataclass(frozen=True, slots=True)
class Node:
    """Base of all nodes; ``position`` is that in the text, in characters from 0."""

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
    """A number or character literal."""

    number: Number
    source: str

    def __str__(self) -> str:
        return self.source


@dataclass(frozen=True, slots=True)
class StringNode(Node):
    """A quoted or raw string literal; ``text`` is its value."""

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
    """An operand that is not a field or variable, followed by fields: ``(pipeline).A.B``."""

    operand: Node
    names: tuple[str, ...]

    def __str__(self) -> str:
        operand = f"({self.operand})" if isinstance(self.operand, Pipe) else str(self.operand)
        return operand + "".join(f".{name}" for name in self.names)


@dataclass(frozen=True, slots=True)
class Command(Node):
    """An operand and its arguments."""

    arguments: tuple[Node, ...]

    def __str__(self) -> str:
        return " ".join(f"({part})" if isinstance(part, Pipe) else str(part) for part in self.arguments)


@dataclass(frozen=True, slots=True)
class Pipe(Node):
    """Commands join_bounded by ``|``, with the variables that they declare or assign."""

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
    else_body: tuple[Node, ...] | None

    def __str__(self) -> str:
        return f"{{{{{self.keyword} {self.pipe}}}}}"


@dataclass(frozen=True, slots=True)
class Call(Node):
    """``{{template "name" pipeline}}``, also as part of a ``{{block}}``."""

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
class BlockEnd(Node):
    """``{{end}}`` or ``{{else}}``: ends a list of nodes, and is not part of the tree.

    ``follows`` is the keyword after ``else`` in ``{{else if}}`` and ``{{else with}}``.
    """

    keyword: str
    follows: str = ""

    def __str__(self) -> str:
        return f"{{{{{self.keyword}}}}}"


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template: its source, and the body of each template defined in it by name."""

    source: str
    bodies: dict[str, tuple[Node, ...]] = field(default_factory=dict)
