"""The question for a passphrase: on a terminal only."""

from __future__ import annotations

import getpass
import io
import sys
from typing import NoReturn

import pytest

from pyskopeo.cli.passphrase_prompt import prompt_for_passphrase
from pyskopeo.errors import InvalidInput
from tests.support.terminal import Terminal


def test_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("secret\n"))
    with pytest.raises(InvalidInput) as refused:
        prompt_for_passphrase("a.private", "use --passphrase-file")
    assert str(refused.value) == (
        "Cannot prompt for a passphrase for key a.private, standard input is not a TTY: use --passphrase-file"
    )


def test_the_end_of_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(*_: object, **__: object) -> NoReturn:
        raise EOFError

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(getpass, "getpass", end)
    with pytest.raises(InvalidInput, match="^Error reading password: EOF$"):
        prompt_for_passphrase("a.private", "use --passphrase-file")
