"""Parsing of expressions: pipelines, commands and operands (Go's ``text/template/parse``)."""

from __future__ import annotations

from collections.abc import Container, Iterator
from contextlib import contextmanager

from . import literals, nodes
from .lexer import NAME, Kind, Lexer, TemplateError, Token
from .printf_verbs import quoted

# The depth of nested blocks and parentheses: more than anyone writes, and within the interpreter's stack.
MAX_DEPTH = 100

_OPERANDS = frozenset(
    {
        Kind.BOOL, Kind.CHARACTER, Kind.COMPLEX, Kind.DOT, Kind.FIELD, Kind.IDENTIFIER, Kind.NUMBER, Kind.NIL,
        Kind.RAW_STRING, Kind.STRING, Kind.VARIABLE, Kind.OPEN,
    }
)  # fmt: skip
_CONSTANTS = (nodes.Bool, nodes.Dot, nodes.Nil, nodes.NumberNode, nodes.StringNode)


class ExpressionParser:
    """The part of the parser that reads tokens and pipelines; `parser` adds blocks."""

    def __init__(self, source: str, functions: Container[str]) -> None:
        self._functions = functions
        self._tokens = Lexer(source).tokens()
        self._pending: list[Token] = []
        self._last: Token = Token(Kind.EOF, 0, "", 1)
        self._variables = ["$"]
        self._depth = 0
        self._action_line = 0

    def _next(self) -> Token:
        if self._pending:
            return self._pending.pop()
        # At the end, and after an error, the last token is returned again.
        self._last = next(self._tokens, self._last)
        return self._last

    def _back(self, *tokens: Token) -> None:
        self._pending.extend(reversed(tokens))

    def _next_word(self) -> Token:
        while (token := self._next()).kind is Kind.SPACE:
            pass
        return token

    def _peek(self) -> Token:
        token = self._next()
        self._back(token)
        return token

    def _peek_word(self) -> Token:
        token = self._next_word()
        self._back(token)
        return token

    def _error(self, reason: str) -> TemplateError:
        return TemplateError.at_line(self._last.line, reason)

    def _unexpected(self, token: Token, context: str) -> TemplateError:
        if token.kind is Kind.ERROR:
            started = ""
            if self._action_line not in {0, token.line}:
                started = f" started at {NAME}:{self._action_line}"
                started = started if token.text.endswith(" action") else " in action" + started
            return self._error(f"{token}{started}")
        return self._error(f"unexpected {token} in {context}")

    def _expect(self, kind: Kind, context: str) -> Token:
        token = self._next_word()
        if token.kind is not kind:
            raise self._unexpected(token, context)
        return token

    @contextmanager
    def _deeper(self) -> Iterator[None]:
        if self._depth >= MAX_DEPTH:
            raise self._error(f"nested more than {MAX_DEPTH} levels deep; split it up")
        self._depth += 1
        yield
        self._depth -= 1

    def _unquoted(self, token: Token) -> str:
        try:
            return literals.unquote(token.text)
        except literals.LiteralError as error:
            raise self._error(str(error)) from None

    def _pipeline(self, context: str, end: Kind) -> nodes.Pipe:
        position = self._peek_word().position
        variables, assigns = self._declarations(context)
        commands: list[nodes.Command] = []
        while (token := self._next_word()).kind is not end:
            if token.kind not in _OPERANDS:
                raise self._unexpected(token, context)
            self._back(token)
            commands.append(self._command())
        if not commands:
            raise self._error(f"missing value for {context}")
        for stage, command in enumerate(commands[1:], 2):
            if isinstance(command.arguments[0], _CONSTANTS):
                raise self._error(f"non executable command in pipeline stage {stage}")
        return nodes.Pipe(position, variables, assigns, tuple(commands))

    def _declarations(self, context: str) -> tuple[tuple[nodes.VariableNode, ...], bool]:
        found: list[nodes.VariableNode] = []
        while (variable := self._peek_word()).kind is Kind.VARIABLE:
            self._next_word()
            following = self._next()
            sign = following
            if sign.kind is Kind.SPACE:
                sign = self._next_word()
            comma = sign.kind is Kind.CHAR and sign.text == ","
            if not comma and sign.kind not in {Kind.ASSIGN, Kind.DECLARE}:
                self._back(*((variable, sign) if following is sign else (variable, following, sign)))
                break
            found.append(nodes.VariableNode(variable.position, (variable.text,)))
            self._variables.append(variable.text)
            if not comma:
                return tuple(found), sign.kind is Kind.ASSIGN
            if context != "range" or len(found) > 1:
                raise self._error(f"too many declarations in {context}")
            if self._peek_word().kind not in {Kind.VARIABLE, Kind.RIGHT, Kind.CLOSE}:
                raise self._error("range can only initialize variables")
        return tuple(found), False

    def _command(self) -> nodes.Command:
        position = self._peek_word().position
        arguments: list[nodes.Node] = []
        while True:
            self._peek_word()
            operand = self._operand()
            if operand is not None:
                arguments.append(operand)
            token = self._next()
            if token.kind is Kind.SPACE:
                continue
            if token.kind in {Kind.RIGHT, Kind.CLOSE}:
                self._back(token)
            elif token.kind is not Kind.PIPE:
                raise self._unexpected(token, "operand")
            break
        if not arguments:
            raise self._error("empty command")
        return nodes.Command(position, tuple(arguments))

    def _operand(self) -> nodes.Node | None:
        node = self._term()
        if node is None or self._peek().kind is not Kind.FIELD:
            return node
        position = self._peek().position
        names: list[str] = []
        while self._peek().kind is Kind.FIELD:
            names.append(self._next().text[1:])
        if isinstance(node, nodes.FieldNode):
            return nodes.FieldNode(position, (*node.names, *names))
        if isinstance(node, nodes.VariableNode):
            return nodes.VariableNode(position, (*node.names, *names))
        if isinstance(node, _CONSTANTS):
            raise self._error(f"unexpected . after term {quoted(str(node))}")
        return nodes.Chain(position, node, tuple(names))

    def _term(self) -> nodes.Node | None:
        token = self._next_word()
        match token.kind:
            case Kind.ERROR:
                raise self._unexpected(token, "operand")
            case Kind.IDENTIFIER:
                if token.text not in self._functions:
                    raise self._error(f"function {quoted(token.text)} not defined")
                return nodes.Identifier(token.position, token.text)
            case Kind.VARIABLE:
                if token.text not in self._variables:
                    raise self._error(f"undefined variable {quoted(token.text)}")
                return nodes.VariableNode(token.position, (token.text,))
            case Kind.FIELD:
                return nodes.FieldNode(token.position, (token.text[1:],))
            case Kind.OPEN:
                with self._deeper():
                    return self._pipeline("parenthesized pipeline", Kind.CLOSE)
        node = self._constant(token)
        if node is None:
            self._back(token)
        return node

    def _constant(self, token: Token) -> nodes.Node | None:
        match token.kind:
            case Kind.DOT:
                return nodes.Dot(token.position)
            case Kind.NIL:
                return nodes.Nil(token.position)
            case Kind.BOOL:
                return nodes.Bool(token.position, token.text == "true")
            case Kind.NUMBER | Kind.COMPLEX | Kind.CHARACTER:
                return nodes.NumberNode(token.position, self._number(token), token.text)
            case Kind.STRING | Kind.RAW_STRING:
                return nodes.StringNode(token.position, self._unquoted(token), token.text)
        return None

    def _number(self, token: Token) -> literals.Number:
        try:
            if token.kind is Kind.CHARACTER:
                code = literals.character(token.text)
                return literals.Number(code, code)
            return literals.number(token.text)
        except literals.LiteralError as error:
            raise self._error(str(error)) from None
