"""Text for terminals, and streams that cannot be written to."""

from __future__ import annotations

import errno
import gc
import json
import os
import pty
import sys
import threading
from collections.abc import Iterator

import pytest

from pyskopeo.cli.standard_streams import StandardOutput, escape, notice, print_styled, write_bytes
from pyskopeo.errors import StorageFailed


@pytest.mark.parametrize(
    "character",
    [
        "\x1b", "\x07", "\x08", "\r", "\x00", "\x7f", "\x9b", "\x90", "\x85", "\xad", "\u061c", "\u200b", "\u200e",
        "\u202a", "\u202e", "\u2028", "\u2066", "\u2069", "\ufeff", "\udcff", "\U000e0041",
    ],
)  # fmt: skip
def test_what_could_control_a_terminal_is_escaped(character: str) -> None:
    shown = escape(f'"a{character}b"')
    assert shown.isascii()
    assert shown.isprintable()
    assert json.loads(shown) == f"a{character}b"


@pytest.mark.parametrize("text", ["", "plain", "日本語 ☃ é", "a\tb\n", "\U0001f469\u200d\U0001f467", "\u0645\u06cc\u200c\u062e", '{"a": "\\u009b"}'])
def test_what_is_safe_stays(text: str) -> None:
    assert escape(text) == text


@pytest.fixture
def terminal() -> Iterator[tuple[int, StandardOutput]]:
    ours, theirs = pty.openpty()
    yield ours, StandardOutput(theirs)
    os.close(ours)
    os.close(theirs)


def test_text_and_bytes_on_a_terminal(terminal: tuple[int, StandardOutput], monkeypatch: pytest.MonkeyPatch) -> None:
    ours, out = terminal
    monkeypatch.setattr(sys, "stdout", out)
    print("label \x9b31m é")
    write_bytes(b'{"a": "\xe2\x80\xae \xff"}\n')
    shown = b""
    while shown.count(b"\n") < 2:
        shown += os.read(ours, 1000)
    assert shown.decode() == 'label \\u009b31m é\r\n{"a": "\\u202e \\xff"}\r\n'


def test_colours_of_our_own_reach_a_terminal(
    terminal: tuple[int, StandardOutput], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever else is in the text, such as a name from an image, controls nothing."""
    ours, out = terminal
    monkeypatch.setattr(sys, "stdout", out)
    print_styled("\x1b[1mTitle:\x1b[0m \x1b[2Jname\x1b]0;x\x07")
    shown = b""
    while not shown.endswith(b"\n"):
        shown += os.read(ours, 1000)
    assert shown.decode() == "\x1b[1mTitle:\x1b[0m \\u001b[2Jname\\u001b]0;x\\u0007\r\n"


def test_in_a_pipe_everything_is_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    out = StandardOutput(write)
    monkeypatch.setattr(sys, "stdout", out)
    print("\x9b \u202e é")
    write_bytes(b"\x1b\xff")
    print("after \udcff")
    out.flush()
    os.close(write)
    with open(read, "rb") as pipe:
        assert pipe.read() == "\x9b \u202e é\n".encode() + b"\x1b\xff" + b"after \\udcff\n"


@pytest.mark.parametrize("size", [1, 100_000])
def test_a_full_disk_is_one_error(size: int) -> None:
    with open("/dev/full", "wb") as full:
        out = StandardOutput(full.fileno())
        with pytest.raises(StorageFailed, match="^writing to standard output: no space left on device$") as caught:
            print("x" * size, file=out, flush=True)
        assert caught.value.errno == errno.ENOSPC
        del out, caught
        gc.collect()  # now, since what it still holds would be written into the next file of this number


def test_a_reader_that_has_gone() -> None:
    read, write = os.pipe()
    os.close(read)
    out = StandardOutput(write)
    with pytest.raises(BrokenPipeError):
        print("x", file=out, flush=True)
    del out  # now, since what it still holds would be written into the next file of this number
    os.close(write)


def test_a_notice_is_lost_without_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "wb") as full:
        monkeypatch.setattr(sys, "stdout", StandardOutput(full.fileno()))
        for text in ("one", "two"):
            notice(text)
        sys.stdout.flush()
        gc.collect()  # as above


def test_a_pipe_that_is_not_blocking() -> None:
    """As programs with an event loop hand it to the programs they start."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    received: list[bytes] = []

    def receive() -> None:
        with open(read, "rb") as pipe:
            received.append(pipe.read())

    reader = threading.Thread(target=receive)
    reader.start()
    out = StandardOutput(write)
    print("x" * 1_000_000, file=out, flush=True)
    os.close(write)
    reader.join()
    assert received == [b"x" * 1_000_000 + b"\n"]
