"""A bound on the time of a regular expression."""

from __future__ import annotations

import threading
import time

import pytest

from pyskopeo.cli import regex_timeout
from pyskopeo.errors import InvalidInput


def test_bounds_are_only_for_the_main_thread() -> None:
    done: list[str] = []

    def work() -> None:
        with regex_timeout.bounded("--filter", 0.01):
            time.sleep(0.05)
        done.append("well")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == ["well"]
    with pytest.raises(InvalidInput), regex_timeout.bounded("--filter", 0.01):
        time.sleep(1)
