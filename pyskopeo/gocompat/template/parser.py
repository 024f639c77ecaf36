"""The parser: blocks, definitions and jumps (Go's ``text/template/parse``); `expressions` has the rest."""

from __future__ import annotations

from collections.abc import Container

from . import nodes
from .expressions import ExpressionParser
from .lexer import NAME, Kind, Token
from .printf_verbs import quoted


def parse(source: str, functions: Container[str]) -> nodes.Template:
    """Parse a template that may call ``functions``; raises `TemplateError` with the line of the error."""
    return _Parser(source, functions).parse()


class _Parser(ExpressionParser):
    def __init__(self, source: str, functions: Container[str]) -> None:
        super().__init__(source, functions)
        self._ranges = 0
        self._template = nodes.Template(source)

    def parse(self) -> nodes.Template:
        body: list[nodes.Node] = []
        while (token := self._next()).kind is not Kind.EOF:
            if token.kind is Kind.LEFT:
                word = self._next_word()
                if word.text == "define" and word.kind is Kind.KEYWORD:
                    self._definition()
                    continue
                self._back(token, word)
            else:
                self._back(token)
            node = self._text_or_action()
            if isinstance(node, nodes.BlockEnd):
                raise self._error(f"unexpected {node}")
            body.append(node)
        self._add(NAME, tuple(body))
        return self._template

    def _add(self, name: str, body: tuple[nodes.Node, ...]) -> None:
        found = self._template.bodies.get(name)
        if found is None or _is_empty(found):
            self._template.bodies[name] = body
        elif not _is_empty(body):
            raise self._error(f"multiple definition of template {quoted(name)}")

    def _definition(self) -> None:
        context = "define clause"
        name = self._template_name(self._next_word(), context)
        self._expect(Kind.RIGHT, context)
        self._add(name, self._own_body(context))

    def _own_body(self, context: str) -> tuple[nodes.Node, ...]:
        """Parse the body of a definition, in which the variables and loops around it are not visible."""
        outside = self._variables, self._ranges
        self._variables, self._ranges = ["$"], 0
        body, end = self._list()
        if end.keyword != "end":
            raise self._error(f"unexpected {end} in {context}")
        self._variables, self._ranges = outside
        return body

    def _list(self) -> tuple[tuple[nodes.Node, ...], nodes.BlockEnd]:
        found: list[nodes.Node] = []
        with self._deeper():
            while self._peek_word().kind is not Kind.EOF:
                node = self._text_or_action()
                if isinstance(node, nodes.BlockEnd):
                    return tuple(found), node
                found.append(node)
        raise self._error("unexpected EOF")

    def _text_or_action(self) -> nodes.Node:
        token = self._next_word()
        if token.kind is Kind.TEXT:
            return nodes.Text(token.position, token.text)
        if token.kind is not Kind.LEFT:
            raise self._unexpected(token, "input")
        self._action_line = token.line
        node = self._action()
        self._action_line = 0
        return node

    def _action(self) -> nodes.Node:
        token = self._next_word()
        if token.kind is Kind.KEYWORD:
            match token.text:
                case "if" | "with" | "range":
                    return self._branch(token.text)
                case "else":
                    return self._else()
                case "end":
                    return nodes.BlockEnd(self._expect(Kind.RIGHT, "end").position, "end")
                case "break" | "continue":
                    return self._jump(token)
                case "template":
                    return self._call()
                case "block":
                    return self._block()
        self._back(token)
        return nodes.Action(token.position, self._pipeline("command", Kind.RIGHT))

    def _branch(self, keyword: str) -> nodes.Branch:
        visible = len(self._variables)
        pipe = self._pipeline(keyword, Kind.RIGHT)
        self._ranges += keyword == "range"
        body, end = self._list()
        self._ranges -= keyword == "range"
        else_body: tuple[nodes.Node, ...] | None = None
        if end.keyword == "else":
            if end.follows == keyword:
                self._next_word()
                with self._deeper():
                    else_body = (self._branch(keyword),)
            else:
                else_body, end = self._list()
                if end.keyword != "end":
                    raise self._error(f"expected end; found {end}")
        del self._variables[visible:]
        return nodes.Branch(pipe.position, keyword, pipe, body, else_body)

    def _else(self) -> nodes.BlockEnd:
        token = self._peek_word()
        if token.kind is Kind.KEYWORD and token.text in {"if", "with"}:
            return nodes.BlockEnd(token.position, "else", token.text)
        return nodes.BlockEnd(self._expect(Kind.RIGHT, "else").position, "else")

    def _jump(self, token: Token) -> nodes.Jump:
        self._expect(Kind.RIGHT, f"{{{{{token.text}}}}}")
        if not self._ranges:
            raise self._error(f"{{{{{token.text}}}}} outside {{{{range}}}}")
        return nodes.Jump(token.position, token.text)

    def _call(self) -> nodes.Call:
        context = "template clause"
        token = self._next_word()
        name = self._template_name(token, context)
        following = self._next_word()
        pipe = None
        if following.kind is not Kind.RIGHT:
            self._back(following)
            pipe = self._pipeline(context, Kind.RIGHT)
        return nodes.Call(token.position, name, pipe)

    def _block(self) -> nodes.Call:
        context = "block clause"
        token = self._next_word()
        name = self._template_name(token, context)
        pipe = self._pipeline(context, Kind.RIGHT)
        self._add(name, self._own_body(context))
        return nodes.Call(token.position, name, pipe)

    def _template_name(self, token: Token, context: str) -> str:
        if token.kind not in {Kind.STRING, Kind.RAW_STRING}:
            raise self._unexpected(token, context)
        return self._unquoted(token)


def _is_empty(body: tuple[nodes.Node, ...]) -> bool:
    return all(isinstance(node, nodes.Text) and not node.text.strip() for node in body)
