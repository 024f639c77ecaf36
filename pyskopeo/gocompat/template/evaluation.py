"""Evaluation of expressions: pipelines, fields, variables and function calls (Go's ``text/template``, exec.go)."""

from __future__ import annotations

from collections.abc import Sequence

from ...fast_dataclass import dataclass
from . import nodes
from .functions import FUNCTIONS, Function
from .lexer import NAME, TemplateError, UnknownField
from .methods import is_method, method
from .printf_verbs import CallError, one_line, quoted
from .values import ANY, GoMap, Interface, NilPointer, Slice, Struct, indirect, to_go, truth, type_of

# The most steps that one execution may take; reports of the largest images take a few thousand.
STEP_LIMIT = 2_000_000
DEPTH_LIMIT = 100
_CHARACTERS_PER_STEP = 4096


class _Absent:
    """The type of `ABSENT`, which differs from nil: no value was piped into a command."""


ABSENT = _Absent()


@dataclass(frozen=True, slots=True)
class Invocation:
    """A call of a function, method or field.

    ``arguments`` are those in the source; ``final`` is the value piped into the command, or `ABSENT`.
    """

    node: nodes.Node
    arguments: Sequence[nodes.Node] = ()
    final: object = ABSENT

    @property
    def count(self) -> int:
        """The number of arguments, with ``final``."""
        return len(self.arguments) + (self.final is not ABSENT)


class Evaluator:
    """Evaluates expressions; holds the visible variables and the current node, which errors refer to."""

    def __init__(self, template: nodes.Template, data: object, shift: int) -> None:
        self.template = template
        self.name = NAME
        self.variables: list[tuple[str, object]] = [("$", data)]
        self.depth = 0
        self._shift = shift
        self._steps = 0
        self._node: nodes.Node = nodes.Text(0, "")

    def at(self, node: nodes.Node) -> None:
        """Make ``node`` the current one, and count a step."""
        self._node = node
        self.count_steps(1)

    def count_steps(self, steps: int) -> None:
        """Count steps of work; raises `TemplateError` over `STEP_LIMIT`."""
        self._steps += steps
        if self._steps > STEP_LIMIT:
            raise self.error("the template takes too many steps; range over less")

    def enter(self) -> None:
        """Increase the depth by one; the caller restores `depth` afterwards. Raises `TemplateError`."""
        self.depth += 1
        if self.depth > DEPTH_LIMIT:
            raise self.error(f"exceeded maximum template depth ({DEPTH_LIMIT})")

    def error(self, reason: str) -> TemplateError:
        """Return an error at the current node, with its line from 1 and its column in bytes from 0."""
        position = self._node.position
        before = self.template.source[:position]
        line = before.count("\n") + 1
        column = len(before[before.rfind("\n") + 1 :].encode("utf-8", "replace"))
        if line == 1:
            column -= self._shift
        place = f"{NAME}:{line}:{column}: executing {quoted(self.name)} at <{one_line(str(self._node))}>"
        return TemplateError(f"template: {place}: {one_line(reason)}")

    # Variables

    def set_variable(self, name: str, value: object) -> None:
        """Assign to the innermost variable of that name; raises `TemplateError` without one."""
        for index in range(len(self.variables) - 1, -1, -1):
            if self.variables[index][0] == name:
                self.variables[index] = (name, value)
                return
        raise self.error(f"undefined variable: {name}")

    def _variable(self, node: nodes.VariableNode) -> object:
        name = node.names[0]
        for known, value in reversed(self.variables):
            if known == name:
                return value
        raise self.error(f"undefined variable: {name}")

    # Pipelines and commands

    def pipeline(self, dot: object, pipe: nodes.Pipe) -> object:
        """Evaluate a pipeline, and declare or assign its variables."""
        self.at(pipe)
        depth = self.depth
        self.enter()
        value: object = ABSENT
        for command in pipe.commands:
            value = indirect(self._command(dot, command, value))
        for variable in pipe.variables:
            if pipe.assigns:
                self.set_variable(variable.names[0], value)
            else:
                self.variables.append((variable.names[0], value))
        self.depth = depth
        return value

    def _command(self, dot: object, command: nodes.Command, final: object) -> object:
        first, *arguments = command.arguments
        if isinstance(first, nodes.Identifier):
            self.at(first)
            return self._call(dot, FUNCTIONS[first.name], first.name, Invocation(command, arguments, final))
        if isinstance(first, nodes.FieldNode | nodes.Chain) or (
            isinstance(first, nodes.VariableNode) and len(first.names) > 1
        ):
            return self._fields(dot, Invocation(first, arguments, final))
        if not isinstance(first, nodes.Pipe):
            self.at(first)
        if arguments or final is not ABSENT:
            raise self.error(f"can't give argument to non-function {first}")
        if isinstance(first, nodes.Nil):
            raise self.error("nil is not a command")
        return self._operand(dot, first)

    def _operand(self, dot: object, node: nodes.Node) -> object:
        """Evaluate an operand whose type does not depend on a parameter."""
        match node:
            case nodes.Dot():
                return dot
            case nodes.Bool():
                return node.value
            case nodes.StringNode():
                return node.text
            case nodes.NumberNode():
                if node.number.ideal is None:
                    raise self.error(f"{node} overflows int")
                return node.number.ideal
            case nodes.Pipe():
                return self.pipeline(dot, node)
            case nodes.VariableNode(names=(_,)):
                return self._variable(node)
            case nodes.Identifier():
                return self._call(dot, FUNCTIONS[node.name], node.name, Invocation(node))
        return self._fields(dot, Invocation(node))

    # Fields

    def _fields(self, dot: object, invocation: Invocation) -> object:
        node = invocation.node
        self.at(node)
        if isinstance(node, nodes.VariableNode):
            value, names = self._variable(node), node.names[1:]
        elif isinstance(node, nodes.Chain):
            value, names = self._argument(dot, ANY, node.operand, keep=True), node.names
        else:
            assert isinstance(node, nodes.FieldNode)
            value, names = dot, node.names
        for name in names[:-1]:
            value = self._field(dot, value, name, Invocation(node))
        return self._field(dot, value, names[-1], invocation)

    def _field(self, dot: object, receiver: object, name: str, invocation: Invocation) -> object:
        if receiver is None:
            return None
        type = type_of(receiver)
        value = indirect(receiver)
        if value is None:
            raise self.error(f"nil pointer evaluating {type}.{name}")
        found = method(value, name)
        if found is not None:
            return self._call(dot, found, name, invocation)
        if isinstance(value, Struct) and (field := value.field(name)) is not None:
            if invocation.count:
                raise self.error(f"{name} has arguments but cannot be invoked as function")
            return to_go(field.value, field.type)
        if isinstance(value, GoMap):
            if invocation.count:
                raise self.error(f"{name} is not a method but has arguments")
            return value.get(name)
        if isinstance(value, NilPointer) and is_method(value.type, name):
            raise self.error(f"nil pointer evaluating {type}.{name}")
        error = self.error(f"can't evaluate field {name} in type {type}")
        if isinstance(value, Struct):
            raise UnknownField(str(error), tuple(value.names()))
        raise error

    # Calls

    def _call(self, dot: object, function: Function, name: str, invocation: Invocation) -> object:
        self._check_count(function, name, invocation)
        types = [*function.parameters, *[function.rest or ANY] * (invocation.count - len(function.parameters))]
        values: list[object] = []
        for type, argument in zip(types, invocation.arguments, strict=False):
            values.append(self._argument(dot, type, argument))
            if function.stops_on is not None and truth(values[-1]) is function.stops_on:
                break
        else:
            if invocation.final is not ABSENT:
                values.append(self._check_type(invocation.final, types[-1]))
        try:
            result = function.run(values)
        except CallError as error:
            self.at(invocation.node)
            raise self.error(f"error calling {name}: {error}") from None
        if isinstance(result, str):
            self.count_steps(len(result) // _CHARACTERS_PER_STEP)
        return result

    def _check_count(self, function: Function, name: str, invocation: Invocation) -> None:
        wanted = len(function.parameters)
        if function.rest is not None:
            if invocation.count < wanted:
                written = len(invocation.arguments)
                raise self.error(f"wrong number of args for {name}: want at least {wanted} got {written}")
        elif invocation.count != wanted:
            raise self.error(f"wrong number of args for {name}: want {wanted} got {invocation.count}")

    def _argument(self, dot: object, type: str, node: nodes.Node, *, keep: bool = False) -> object:
        """Evaluate an argument for a parameter of a Go type; ``keep`` returns interfaces as they are."""
        self.at(node)
        if isinstance(node, nodes.Nil):
            if type in {"string", "int"}:
                raise self.error(f"cannot assign nil to {type}")
            return to_go(None, "" if type == ANY else type)
        literal = isinstance(node, nodes.Bool | nodes.NumberNode | nodes.StringNode)
        if not literal or type == ANY:
            value = self._operand(dot, node)
            return value if keep else self._check_type(value, type)
        if type == "string" and isinstance(node, nodes.StringNode):
            return node.text
        if type == "int" and isinstance(node, nodes.NumberNode) and node.number.integer is not None:
            return node.number.integer
        if type in {"string", "int"}:
            raise self.error(f"expected {'integer' if type == 'int' else type}; found {node}")
        raise self.error(f"can't handle {node} for arg of type {type}")

    def _check_type(self, value: object, type: str) -> object:
        """Return ``value`` as an argument of a Go type; raises `TemplateError` if it is not of that type."""
        if type == ANY:
            return indirect(value)
        if value is None:
            if type in {"string", "int"}:
                raise self.error(f"invalid value; expected {type}")
            return to_go(None, type)
        inner = indirect(value)
        fits = (
            (type == "string" and isinstance(inner, str))
            or (type == "int" and isinstance(inner, int) and not isinstance(inner, bool))
            or (type == "[]string" and isinstance(inner, Slice) and inner.element == "string")
        )
        if not fits:
            shown = value if isinstance(value, Interface) and inner is None else inner
            raise self.error(f"wrong type for value; expected {type}; got {type_of(shown)}")
        return inner
