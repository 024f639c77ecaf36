"""Completion in the real shells, as a user types, and what changes when the program is called ``skopeo``."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyskopeo.cli.command import SUMMARIES
from tests.support.cli import pyskopeo_here, succeed
from tests.support.commands import environment
from tests.support.images import build
from tests.support.simulator import Simulator

# What is typed before the key, and what the line is after it.
LINES = [
    ("pyskopeo ins", "pyskopeo inspect "),
    ("pyskopeo inspect --ra", "pyskopeo inspect --raw "),
    ("skopeo copy oci-", "skopeo copy oci-archive:"),
    ("pyskopeo copy --dest-compress-f", "pyskopeo copy --dest-compress-format"),
    ("pyskopeo store pr", "pyskopeo store prune "),
    ("pyskopeo store prune --older", "pyskopeo store prune --older-than"),
    ("pyskopeo help sy", "pyskopeo help sync "),
    ("pyskopeo help image-n", "pyskopeo help image-names "),
    # The values of flags, in both forms.
    ("pyskopeo copy --progress b", "pyskopeo copy --progress bars "),
    ("pyskopeo copy --progress=b", "pyskopeo copy --progress=bars "),
    ("pyskopeo copy -f v2s1", "pyskopeo copy -f v2s1 "),
    ("pyskopeo sync --src y", "pyskopeo sync --src yaml "),
    ("pyskopeo copy --dest-compress-format z", "pyskopeo copy --dest-compress-format zstd "),
    ("pyskopeo copy --authfile au", "pyskopeo copy --authfile auth.json "),
    ("pyskopeo copy --retry-times au", "pyskopeo copy --retry-times au"),
    # Arguments: by their position, whatever flags are before them.
    ("pyskopeo completion z", "pyskopeo completion zsh "),
    ("pyskopeo layout verify oc", "pyskopeo layout verify oci:"),
    ("pyskopeo layout verify oci:au", "pyskopeo layout verify oci:au"),
    ("pyskopeo copy oci-archive:au", "pyskopeo copy oci-archive:auth.json "),
    ("pyskopeo attach --type a/b docker://h/r:t au", "pyskopeo attach --type a/b docker://h/r:t auth.json "),
    ("pyskopeo cat docker://h/r:t au", "pyskopeo cat docker://h/r:t au"),
    # Tags, from the registry.
    ("pyskopeo copy --src-tls-verify=false docker://HOST/a/b:v2", "pyskopeo copy --src-tls-verify=false docker://HOST/a/b:v2.0-rc1 "),
    ("pyskopeo copy --dest-tls-verify=false oci:x:y docker://HOST/a/b:v2", "pyskopeo copy --dest-tls-verify=false oci:x:y docker://HOST/a/b:v2.0-rc1 "),
    ("true; X=1 pyskopeo inspect --tls-verify=false docker://HOST/a/b:v2", "true; X=1 pyskopeo inspect --tls-verify=false docker://HOST/a/b:v2.0-rc1 "),
    ("skopeo copy --src-tls-verify=false docker://HOST/a/b:v2", "skopeo copy --src-tls-verify=false docker://HOST/a/b:v2"),
]  # fmt: skip
KEY, SHOW = "\t", "\x07"
SETUP = {
    "bash": (
        "show() {{ printf '%s\\n' \"$READLINE_LINE\" >> {lines}; READLINE_LINE=; }}; "
        "bind -x '\"\\C-g\": show'; source {script}\n"
    ),
    "zsh": (
        "autoload -U compinit; compinit -D; unsetopt auto_remove_slash auto_param_keys; "
        "show() {{ print -r -- \"$BUFFER\" >> {lines}; BUFFER= }}; zle -N show; bindkey '^G' show; source {script}\n"
    ),
}
START = {"bash": ("bash", "--norc", "-i"), "zsh": ("zsh", "-f", "-i")}


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    path = tmp_path_factory.mktemp("completion") / "script"
    path.write_text(succeed(pyskopeo_here("completion", request.param)).stdout.decode())
    return path


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with Simulator() as found:
        for tag in ("v1.0", "v2.0-rc1", "latest"):
            found.add(build("oci"), "a/b", tag)
        yield found


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, env=environment(), timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode()


def type_into(shell: str, script: Path, typed: list[str], folder: Path) -> list[str]:
    """The command line after each of ``typed`` and the key, in ``folder``, where there is one file: auth.json."""
    lines = script.with_name("lines")
    lines.unlink(missing_ok=True)
    (folder / "auth.json").touch()
    path = f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}"
    variables = environment({"PATH": path, "TERM": "dumb", "PS1": "$ ", "INPUTRC": "/dev/null"})
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.execvpe(START[shell][0], START[shell], variables)
    try:
        setup = SETUP[shell].format(lines=lines, script=script)
        keys = setup + "".join(f"{text}{KEY}{SHOW}" for text in typed)
        deadline = time.monotonic() + 60
        pending = keys.encode()
        while time.monotonic() < deadline:
            readable, writable, _ = select.select([terminal], [terminal] if pending else [], [], 0.05)
            if readable:
                os.read(terminal, 65536)  # else the shell would wait for somebody who reads
            if writable:
                pending = pending[os.write(terminal, pending[:256]) :]
            found = lines.read_text().splitlines() if lines.exists() else []
            if len(found) == len(typed):
                return found
        raise AssertionError(f"{shell} got as far as {found}")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(terminal)


@pytest.mark.parametrize(
    ("script", "shell"), [("bash", "bash"), pytest.param("zsh", "zsh", marks=pytest.mark.peer("zsh"))], indirect=["script"]
)  # fmt: skip
def test_what_is_typed_is_completed(script: Path, shell: str, tmp_path: Path, registry: Simulator) -> None:
    typed = [text.replace("HOST", registry.host) for text, _ in LINES]
    found = [line.replace(registry.host, "HOST") for line in type_into(shell, script, typed, tmp_path)]
    # Behind the name of a flag with a value zsh writes an equals sign, which goes away with a space.
    assert [line.removesuffix("=").rstrip() for line in found] == [line.rstrip() for _, line in LINES]
    assert [request.path for request in registry.requests if "tags" in request.path] == ["/v2/a/b/tags/list"] * 3


@pytest.mark.peer("fish")
@pytest.mark.parametrize("script", ["fish"], indirect=True)
def test_fish(script: Path, tmp_path: Path, registry: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}")
    (tmp_path / "auth.json").touch()
    asking = [f"source {script}"]
    for text, _ in LINES:
        asking += [f"complete -C '{text.replace('HOST', registry.host)}'", "echo ---"]
    told = run("fish", "--no-config", "-c", "; ".join(asking)).replace(registry.host, "HOST")
    answers = [block.strip().splitlines() for block in told.split("---\n")[:-1]]
    for (text, line), answer in zip(LINES, answers, strict=True):
        words = {one.partition("\t")[0] for one in answer}
        wanted = line.split()[-1]
        assert words == (set() if line == text else {wanted}), text


@pytest.mark.parametrize("script", ["bash"], indirect=True)
def test_bash_knows_all_commands(script: Path) -> None:
    asking = 'source "$1"; COMP_WORDS=(pyskopeo ""); COMP_CWORD=1; _pyskopeo; printf "%s\\n" "${COMPREPLY[@]}"'
    assert set(run("bash", "-c", asking, "bash", str(script)).split()) == set(SUMMARIES)


def test_an_unknown_shell() -> None:
    done = pyskopeo_here("completion", "tcsh")
    assert (done.code, done.stdout) == (1, b"")
    assert "unknown shell 'tcsh': want bash, fish, zsh" in done.stderr


def test_called_skopeo(tmp_path: Path) -> None:
    link = tmp_path / "skopeo"
    link.symlink_to(Path(sysconfig.get_path("scripts")) / "pyskopeo")
    assert run(str(link), "--version").startswith("skopeo version 1.")
    assert "\nUsage:\n  skopeo copy " in run(str(link), "copy", "--help")
    wrong = subprocess.run([link, "bogus"], capture_output=True, env=environment(), timeout=30, check=False)
    assert b"Try 'skopeo --help' for more information" in wrong.stderr
