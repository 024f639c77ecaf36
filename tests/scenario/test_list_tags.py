"""``list-tags``, ``tag``, ``delete`` and ``manifest-digest`` as commands, with no registry or a simulated one."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from pyskopeo.cli import regex_timeout
from pyskopeo.cli.main import main
from pyskopeo.errors import InvalidInput
from tests.support.commands import PYSKOPEO, environment, pyskopeo, pyskopeo_here
from tests.support.images import build
from tests.support.simulator import Simulator

PLAIN = "--tls-verify=false"
# Exponential in the number of a's, and tags have up to 128.
SLOW, VICTIM = "(a+)+$", "a" * 100 + "-"


def said(stderr: str) -> str:
    (line,) = stderr.splitlines()
    found = re.fullmatch(r'time="[^"]*" level=fatal msg=(".*")', line)
    assert found, stderr
    message: str = json.loads(found[1])
    return message


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tag"], "At least two arguments expected: IMAGE-NAME TAG..., got 0"),
        (["tag", "docker://a/b:c"], "At least two arguments expected: IMAGE-NAME TAG..., got 1"),
        (["delete"], "Exactly one argument expected: IMAGE-NAME, got 0"),
        (["delete", "--tag-only", "true", "docker://a/b:c"],
         "Exactly one argument expected: IMAGE-NAME, got 2; for a flag that is true write --flag=true"),
        (["list-tags", "a", "b"], "Exactly one argument expected: SOURCE-IMAGE, got 2"),
        (["manifest-digest"], "Exactly one argument expected: MANIFEST-FILE, got 0"),
        (["list-tags", "--sort", "size", "docker://a/b"],
         'invalid argument "size" for "--sort" flag: want one of registry, name, semver'),
        (["list-tags", "--filter", "(", "docker://a/b"], "invalid regular expression '('"),
        (["list-tags", "--semver", "new", "docker://a/b"], "version range 'new' cannot be understood at 'new'"),
        (["list-tags", "--shared-blob-dir", "x", "docker://a/b"], "unknown flag: --shared-blob-dir"),
        (["tag", "docker://a/b:c", "d:e"], "'d:e' is not a tag"),
        (["list_tags", "docker://a/b"], "Unrecognized command `pyskopeo list_tags`\nDid you mean 'list-tags'?"),
    ],
)  # fmt: skip
def test_what_is_wrong(words: list[str], message: str) -> None:
    done = pyskopeo_here(*words)
    assert (done.code, done.stdout) == (1, b"")
    assert said(done.stderr).startswith(message)


@pytest.mark.parametrize("name", ["delete", "list-tags", "manifest-digest", "tag"])
def test_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    overview = capsys.readouterr().out
    assert re.search(rf"^  {name} {{3,}}[A-Z]", overview, re.MULTILINE)
    assert main([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"pyskopeo {name} [command flags] " in text
    assert text.count(f"pyskopeo {name}") > 1


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


def test_digests_of_streams(tmp_path: Path) -> None:
    raw = build("oci").root.raw
    for content in (raw, b"", b"x" * (4 * 1024 * 1024), b'{"signatures":' + b"x" * 5_000_000):
        path = tmp_path / "manifest"
        path.write_bytes(content)
        expected = subprocess.run(["sha256sum", path], capture_output=True, check=True).stdout[:64]
        assert pyskopeo_here("manifest-digest", path).stdout == b"sha256:" + expected + b"\n"
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=lambda: fifo.write_bytes(raw))
    writer.start()
    assert pyskopeo("manifest-digest", fifo).stdout.decode() == f"{build('oci').digest}\n"
    writer.join()


@pytest.mark.parametrize(("name", "reason"), [("missing", "no such file or directory"), (".", "is a directory")])
def test_no_file(name: str, reason: str, tmp_path: Path) -> None:
    done = pyskopeo_here("manifest-digest", tmp_path / name)
    assert (done.code, done.stdout) == (1, b"")
    assert said(done.stderr) == f"Error reading manifest from {tmp_path / name}: {reason}"


def test_a_broken_signature(tmp_path: Path) -> None:
    path = tmp_path / "manifest"
    path.write_bytes(b'{"schemaVersion":1,"signatures":[{"protected":"!!"}]}')
    done = pyskopeo_here("manifest-digest", path)
    assert (done.code, done.stdout) == (1, b"")
    assert said(done.stderr).startswith("Error computing digest: signed manifest: ")
