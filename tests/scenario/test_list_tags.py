"""``list-tags``, ``tag``, ``delete`` and ``manifest-digest`` as commands, with no registry or a simulated one."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

import pyskopeo
from pyskopeo.cli import regex_timeout
from pyskopeo.cli.main import main
from tests.support import faults as f
from tests.support.access import access_for
from tests.support.cli import pyskopeo_here, said, succeed
from tests.support.commands import PYSKOPEO, environment
from tests.support.gates import BasicGate
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


@pytest.mark.parametrize("link", ["garbage", "</elsewhere>", "<" + "x" * 20_000 + ">; rel=next"])
def test_a_list_that_may_go_on_is_printed_and_an_error(link: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A script that looks at the exit code alone must not take a part for the whole."""
    with Simulator() as registry:
        for tag in ("v1", "v2", "other"):
            registry.add(build("oci"), "a/b", tag)
        registry.on("/v2/*/tags/list", f.SetHeaders({"Link": f"{link}, garbage"}))
        assert main(["list-tags", PLAIN, "--filter", "^v", f"docker://{registry.host}/a/b"]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["Tags"] == ["v1", "v2"]
    (line,) = captured.err.splitlines()
    assert "Error listing repository tags: the Link header " in line
    assert "only 3 tags could be read" in line


def test_of_several_repositories_each_is_a_line() -> None:
    with Simulator(build("oci"), "a/0", "v0") as registry:
        for number in range(1, 20):
            registry.add(build("oci"), f"a/{number}", f"v{number}")
        names = [f"docker://{registry.host}/a/{number}" for number in range(20)]
        done = succeed(pyskopeo_here("list-tags", PLAIN, "--filter=v", *names))
        assert registry.connections_seen < 20
        assert [json.loads(line) for line in done.stdout.splitlines()] == [
            {"Source": name, "Repository": name.removeprefix("docker://"), "Tags": [f"v{number}"]}
            for number, name in enumerate(names)
        ]


def test_one_repository_that_cannot_be_listed_does_not_stop_the_others() -> None:
    with Simulator(build("oci"), "a/b", "v1") as registry:
        registry.add(build("oci"), "a/more", "v2")
        registry.on("/v2/a/more/tags/list", f.SetHeaders({"Link": "garbage"}))
        good, bad, more = (f"docker://{registry.host}/a/{name}" for name in ("b", "none", "more"))
        done = pyskopeo_here("list-tags", PLAIN, bad, good, more, good)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["Source"] for one in found] == [bad, good, more, good]
    assert [one.get("Tags") for one in found] == [None, ["v1"], ["v2"], ["v1"]]
    assert ["Error" in one for one in found] == [True, False, True, False]
    assert "name unknown" in found[0]["Error"]
    assert "only 1 tag could be read" in found[2]["Error"]
    of_bad, of_more = done.lines
    assert f"{bad}: " in of_bad
    assert f"{more}: " in of_more
    assert done.code == pyskopeo_here("list-tags", PLAIN, bad).code


def test_one_repository_that_does_not_answer_in_time_does_not_hide_the_others() -> None:
    with Simulator(build("oci"), "a/b", "v1") as registry, socket.create_server(("127.0.0.1", 0)) as mute:
        hosts = registry.host, f"127.0.0.1:{mute.getsockname()[1]}", registry.host
        names = [f"docker://{host}/a/{name}" for host, name in zip(hosts, ("b", "b", "none"), strict=True)]
        done = pyskopeo_here("--command-timeout=3s", "list-tags", PLAIN, *names)
    assert done.code == 1
    assert [json.loads(line)["Source"] for line in done.stdout.splitlines()] == [names[0], names[2]]
    assert "--command-timeout" in done.lines[-1]


def test_called_skopeo_it_takes_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["skopeo"])
    done = pyskopeo_here("list-tags", "docker://a/b", "docker://a/c")
    assert done.code == 1
    assert "Exactly one argument expected: SOURCE-IMAGE, got 2" in done.stderr


@pytest.mark.anyio
async def test_a_program_cannot_take_a_part_for_the_whole_either(tmp_path: Path) -> None:
    who = pyskopeo.Credentials("user", "hunter2-password")
    with Simulator(build("oci"), "a/b", "v1") as registry:
        registry.gate = BasicGate({"user": "hunter2-password"})
        registry.on("/v2/*/tags/list", f.SetHeaders({"Link": "hunter2-password"}))
        with pytest.raises(pyskopeo.IncompleteTags, match="only 1 tag could be read") as caught:
            await pyskopeo.list_tags(f"docker://{registry.host}/a/b", access=access_for(tmp_path, credentials=who))
        assert caught.value.tags == ("v1",)
        assert "hunter2" not in str(caught.value)


def test_an_expression_without_end(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(regex_timeout, "DEFAULT_LIMIT", 0.3)
    before = signal.getsignal(signal.SIGALRM)
    with Simulator(build("oci"), "a/b", VICTIM) as registry:
        started = time.monotonic()
        assert main(["list-tags", PLAIN, "--filter", SLOW, f"docker://{registry.host}/a/b"]) == 1
        assert time.monotonic() - started < 15
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
