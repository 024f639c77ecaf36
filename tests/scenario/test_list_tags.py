"""``list-tags``, ``tag``, ``delete`` and ``manifest-digest`` as commands, with no registry or a simulated one."""

from __future__ import annotations

import signal
import subprocess
import time

import pytest

from pyskopeo.cli import regex_timeout
from pyskopeo.cli.main import main
from tests.support.cli import said
from tests.support.commands import PYSKOPEO, environment
from tests.support.images import build
from tests.support.simulator import Simulator

PLAIN = "--tls-verify=false"
# Exponential in the number of a's, and tags have up to 128.
SLOW, VICTIM = "(a+)+$", "a" * 100 + "-"


def test_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    with Simulator(page_size=2) as registry:
        for tag in ("v10", "v9", "latest", "v9-rc", "v11"):
            registry.add(build("oci"), "a/b", tag)
        name = f"docker://{registry.host}/a/b"
        assert main(["list-tags", PLAIN, "--semver", ">=9-0", "--sort", "semver", "--filter", "^v(9|1)", name]) == 0
        out = capsys.readouterr().out
        head = f'{{\n    "Repository": "{registry.host}/a/b",\n    "Tags": '
        assert out == head + '[\n        "v9-rc",\n        "v9",\n        "v10",\n        "v11"\n    ]\n}\n'
        assert main(["list-tags", PLAIN, "--filter", "nothing", name]) == 0
        assert capsys.readouterr().out == head + "[]\n}\n"


def test_an_expression_without_end(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(regex_timeout, "DEFAULT_LIMIT", 0.3)
    before = signal.getsignal(signal.SIGALRM)
    with Simulator(build("oci"), "a/b", VICTIM) as registry:
        started = time.monotonic()
        assert main(["list-tags", PLAIN, "--filter", SLOW, f"docker://{registry.host}/a/b"]) == 1
        assert time.monotonic() - started < 5
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said(captured.err) == "--filter: not done after 0.3 s; want a simpler regular expression"
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_an_expression_without_end_is_interrupted() -> None:
    with Simulator(build("oci"), "a/b", VICTIM) as registry:
        words = [*PYSKOPEO, "list-tags", PLAIN, "--filter", SLOW, f"docker://{registry.host}/a/b"]
        with subprocess.Popen(words, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            while not any("tags/list" in request.path for request in registry.requests):
                assert process.poll() is None
                time.sleep(0.02)
            time.sleep(0.5)
            assert process.poll() is None
            process.send_signal(signal.SIGINT)
            assert process.wait(5) == 130
