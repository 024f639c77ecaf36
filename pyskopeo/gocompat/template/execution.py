"""Execution of a parsed template: text, branches, loops and templates (Go's ``text/template``, exec.go)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from . import nodes
from .evaluation import Evaluator
from .formatting import format_default
from .lexer import NAME
from .printf_verbs import CallError, quoted
from .values import GoMap, Slice, truth

_Block = Callable[[object, nodes.Branch], None]

# In characters; well above any report on an image, and well below the memory of a machine.
_OUTPUT_LIMIT = 64 * 1024 * 1024


def execute(template: nodes.Template, data: object, shift: int = 0) -> str:
    """Return the output of a template for ``data``; raises `TemplateError`.

    ``shift`` is the number of characters that were put before the user's text, for the columns in messages.
    """
    executor = _Executor(template, data, shift)
    executor.body(data, template.bodies[NAME])
    return "".join(executor.output)


class _Break(Exception):
    """Raised by ``{{break}}``, caught by the innermost loop."""


class _Continue(Exception):
    """Raised by ``{{continue}}``, caught by the innermost loop."""


class _Executor(Evaluator):
    def __init__(self, template: nodes.Template, data: object, shift: int) -> None:
        super().__init__(template, data, shift)
        self.output: list[str] = []
        self._written = 0

    def body(self, dot: object, body: Sequence[nodes.Node]) -> None:
        """Execute the nodes of a block in order."""
        for node in body:
            self.at(node)
            match node:
                case nodes.Text():
                    self._write(node.text)
                case nodes.Action():
                    self._action(dot, node)
                case nodes.Branch(keyword="range"):
                    self._scoped(self._range, dot, node)
                case nodes.Branch():
                    self._scoped(self._if_or_with, dot, node)
                case nodes.Call():
                    self._template(dot, node)
                case nodes.Jump(keyword="break"):
                    raise _Break
                case nodes.Jump():
                    raise _Continue

    def _write(self, text: str) -> None:
        self._written += len(text)
        if self._written > _OUTPUT_LIMIT:
            raise self.error(f"the output is over the limit of {_OUTPUT_LIMIT} characters")
        self.output.append(text)

    def _action(self, dot: object, node: nodes.Action) -> None:
        value = self.pipeline(dot, node.pipe)
        if not node.pipe.variables:
            self.at(node)
            self._write("<no value>" if value is None else self._printed(value))

    def _printed(self, value: object) -> str:
        try:
            return format_default(value)
        except CallError as error:
            raise self.error(str(error)) from None

    def _scoped(self, block: _Block, dot: object, node: nodes.Branch) -> None:
        visible = len(self.variables)
        depth = self.depth
        self.enter()
        block(dot, node)
        self.depth = depth
        del self.variables[visible:]

    def _if_or_with(self, dot: object, node: nodes.Branch) -> None:
        value = self.pipeline(dot, node.pipe)
        if truth(value):
            self.body(value if node.keyword == "with" else dot, node.body)
        elif node.else_body is not None:
            self.body(dot, node.else_body)

    def _range(self, dot: object, node: nodes.Branch) -> None:
        value = self.pipeline(dot, node.pipe)
        if isinstance(value, int) and not isinstance(value, bool) and len(node.pipe.variables) > 1:
            raise self.error(f"can't use {value} to iterate over more than one variable")
        depth, visible = self.depth, len(self.variables)
        rounds = 0
        for key, item in self._items(value):
            rounds += 1
            self.count_steps(1)
            self._bind(node.pipe, key, item)
            try:
                self.body(item, node.body)
            except _Continue:
                pass
            except _Break:
                break
            finally:
                self.depth = depth
                del self.variables[visible:]
        if not rounds and node.else_body is not None:
            self.body(dot, node.else_body)

    def _items(self, value: object) -> Iterator[tuple[object, object]]:
        if isinstance(value, Slice):
            return ((index, value[index]) for index in range(len(value)))
        if isinstance(value, GoMap):
            return ((key, value.get(key)) for key in value.names())
        if isinstance(value, int) and not isinstance(value, bool):
            return ((None, number) for number in range(value))
        if value is None:
            return iter(())
        raise self.error(f"range can't iterate over {format_default(value)}")

    def _bind(self, pipe: nodes.Pipe, key: object, item: object) -> None:
        values = (key, item)[-len(pipe.variables) :] if pipe.variables else ()
        for place, (variable, value) in enumerate(zip(pipe.variables, values, strict=True)):
            if pipe.assigns:
                self.set_variable(variable.names[0], value)
            else:
                self.variables[place - len(values)] = (variable.names[0], value)

    def _template(self, dot: object, node: nodes.Call) -> None:
        body = self.template.bodies.get(node.name)
        if body is None:
            raise self.error(f"template {quoted(node.name)} not defined")
        data = None if node.pipe is None else self.pipeline(dot, node.pipe)
        outside = self.variables, self.name, self.depth
        self.enter()
        self.variables, self.name = [("$", data)], node.name
        self.body(data, body)
        self.variables, self.name, self.depth = outside
