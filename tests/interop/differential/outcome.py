"""Both programs at one command line: what each said, left behind, and asked for."""

from __future__ import annotations

import io
import json
import os
import shlex
import stat
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest.mock import patch

from tests.interop.differential.row import Row
from tests.interop.differential.world import Request, World
from tests.support.commands import PYSKOPEO, environment
from tests.support.require import require_peer

ASPECTS = ("code", "stdout", "files", "requests")
# Where each program keeps what only saves time.
_CACHES = ("home/.cache", "home/.local")
_LATE = 2.0
_POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}'
_AGENTS = {"theirs": "skopeo/", "ours": "pyskopeo/"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended. ``files`` holds mode and content, of directories the mode alone."""

    code: int
    stdout: str
    stderr: str
    files: Mapping[str, tuple[str, bytes]]
    requests: frozenset[Request]

    @property
    def message(self) -> str:
        """What its last log line says."""
        last = next((line for line in reversed(self.stderr.splitlines()) if line.startswith("time=")), "")
        if '"' not in last.partition("msg=")[2]:
            return last.partition("msg=")[2]
        text, _ = json.JSONDecoder().raw_decode(last.partition("msg=")[2])
        return str(text)


def both(
    row: Row, world: World, folder: Path, agree: Callable[[Outcome, Outcome], bool], *, name: str = ""
) -> tuple[Outcome, Outcome]:
    """skopeo's outcome, and that of ours, called ``name``, or as the row says.

    A registry logs a request when it has been answered: until they ``agree`` we wait.
    """
    fills = {me: partial(world.filled, me=me, here=str(folder / me)) for me in _AGENTS}
    for me, filled in fills.items():
        _prepare(row, world, folder / me, filled)
    if row.before:
        time.sleep(0.05)  # until the registries have written down the last of it
    marks = world.marks()
    done = {}
    for me, filled in fills.items():
        env = _environment(folder / me) | {name: filled(value) for name, value in row.env.items()}
        run = _skopeo if me == "theirs" else _apart if row.apart else partial(_here, name=name or row.called)
        done[me] = run(shlex.split(filled(row.line)), env, folder / me, row.stdin)

    def outcome(me: str) -> Outcome:
        here = folder / me
        code, stdout, stderr = done[me]
        seen = frozenset(
            (place, action, _alike(name, me, here), what)
            for place, action, name, what in world.requests(marks, _AGENTS[me])
        )
        return Outcome(code, _alike(stdout, me, here), _alike(stderr, me, here), _files(here), seen)

    deadline = time.monotonic() + _LATE
    while not agree(*(found := (outcome("theirs"), outcome("ours")))) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def differing(theirs: Outcome, ours: Outcome) -> set[str]:
    """In which of `ASPECTS` they are not the same."""
    return {aspect for aspect in ASPECTS if getattr(theirs, aspect) != getattr(ours, aspect)}


def _alike(text: str, me: str, here: Path) -> str:
    """The same text for both, where it names their own places."""
    return text.replace(str(here), "HERE").replace(f"/{me}", "/ME")


def _environment(here: Path) -> dict[str, str]:
    """A home of its own. The number makes skopeo keep its cache of blobs there, too, when root runs it."""
    home = here / "home"
    return environment(
        {
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_CACHE_HOME": str(home / ".cache"),
            "XDG_DATA_HOME": str(home / ".local/share"),
            "XDG_RUNTIME_DIR": str(home / "run"),
            "_CONTAINERS_ROOTLESS_UID": "1000",
        }
    )


def _prepare(row: Row, world: World, here: Path, filled: Callable[[str], str]) -> None:
    for name in (".config/containers", ".cache", ".local/share", "run"):
        (here / "home" / name).mkdir(parents=True)
    (here / "home/.config/containers/policy.json").write_text(_POLICY)
    (here / "in").symlink_to(world.folder)
    for name, text in row.files.items():
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text(filled(text))
        if name.endswith("auth.json"):
            (here / name).chmod(0o600)
    for line in row.before:
        code, _, stderr = _skopeo(shlex.split(filled(line)), _environment(here), here, "")
        assert code == 0, f"{line}: {stderr}"


def _skopeo(words: list[str], env: Mapping[str, str], here: Path, stdin: str) -> tuple[int, str, str]:
    return _process([require_peer("skopeo"), *words], env, here, stdin)


def _apart(words: list[str], env: Mapping[str, str], here: Path, stdin: str) -> tuple[int, str, str]:
    return _process([*PYSKOPEO, *words], env, here, stdin)


def _process(command: list[str], env: Mapping[str, str], here: Path, stdin: str) -> tuple[int, str, str]:
    done = subprocess.run(
        command, input=stdin.encode(), env=env, cwd=here, capture_output=True, timeout=30, check=False
    )
    return done.returncode, done.stdout.decode("latin-1"), done.stderr.decode()


def _here(
    words: list[str], env: Mapping[str, str], here: Path, stdin: str, *, name: str
) -> tuple[int, str, str]:
    """In this process, which saves the start of another."""
    from pyskopeo.cli.main import main

    raw = [io.BytesIO(), io.BytesIO()]
    out, err = (io.TextIOWrapper(each, "utf-8", write_through=True) for each in raw)
    given = io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8")
    with _in_folder(here), patch.dict(os.environ, env, clear=True), patch.object(sys, "stdin", given):
        with patch.object(sys, "argv", [name]), redirect_stdout(out), redirect_stderr(err):
            code = main(words)
    return code, raw[0].getvalue().decode("latin-1"), raw[1].getvalue().decode()


@contextmanager
def _in_folder(here: Path) -> Iterator[None]:
    before = os.getcwd()
    os.chdir(here)
    try:
        yield
    finally:
        os.chdir(before)


def _files(here: Path) -> dict[str, tuple[str, bytes]]:
    found: dict[str, tuple[str, bytes]] = {}
    for folder, folders, names in os.walk(here):
        inside = Path(folder).relative_to(here).as_posix()
        folders[:] = [name for name in folders if f"{inside}/{name}" not in _CACHES]
        for name in (*folders, *names):
            path = Path(folder, name)
            if path.is_symlink():
                continue
            content = b"" if path.is_dir() else path.read_bytes().replace(str(here).encode(), b"HERE")
            found[str(path.relative_to(here))] = (stat.filemode(path.stat().st_mode), _stable(path, content))
    return found


def _stable(path: Path, content: bytes) -> bytes:
    """Archives of skopeo's hold the time of day: what counts is in their files."""
    if path.name != "new.oci.tar":
        return content
    with tarfile.open(path) as tar:
        files = [(member.name, tar.extractfile(member)) for member in tar.getmembers()]
        return repr(sorted((name, file.read()) for name, file in files if file is not None)).encode()
