"""Ask for the passphrase of a key on the terminal."""

from __future__ import annotations

import os
import sys

from ..errors import InvalidInput


def prompt_for_passphrase(key: str, instead: str) -> bytes:
    """Ask for the passphrase of ``key``, once and without echo, as skopeo does; it may be empty.

    Raises `InvalidInput` if standard input is no terminal, with ``instead``, which says what to do then.
    """
    if not sys.stdin.isatty():
        raise InvalidInput(
            f"Cannot prompt for a passphrase for key {key}, standard input is not a TTY: {instead}"
        )
    import getpass

    try:
        return os.fsencode(getpass.getpass(f"Passphrase for key {key}: ", stream=sys.stdout))
    except EOFError:
        raise InvalidInput("Error reading password: EOF") from None
