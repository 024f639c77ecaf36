"""Machines that lack what a shell session has: closed streams, full disks, no locale, no home, no directory."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.cli import pyskopeo_here
from tests.support.commands import PYSKOPEO, ROOT, environment
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.outputs import write_dir, write_layout
from tests.support.simulator import Simulator
from tests.support.trees import tree

IMAGE = build(ImageSpec(layers=(LayerSpec("base", base=True), LayerSpec("more", size=200_000))))
SHELL = shutil.which("sh") or "/bin/sh"


def run(
    *words: object, redirect: str = "", env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run ``pyskopeo WORDS`` by a shell with redirections, in this environment or in exactly ``env``."""
    command = [SHELL, "-c", f'exec "$@" {redirect}', "sh", *PYSKOPEO, *map(str, words)]
    surroundings = environment() if env is None else {"PYTHONPATH": str(ROOT), **env}
    return subprocess.run(
        command, env=surroundings, cwd=cwd, capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=False
    )


def messages(done: subprocess.CompletedProcess[bytes]) -> list[str]:
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return [line for line in done.stderr.decode().splitlines() if "level=fatal" in line]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_dir(IMAGE, tmp_path / "source")


@pytest.fixture
def wanted(source: Path, tmp_path: Path) -> dict[str, bytes]:
    assert run("copy", f"dir:{source}", f"oci:{tmp_path}/wanted:x").returncode == 0
    return tree(tmp_path / "wanted")


CLOSED = [">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full", ">/dev/full 2>&1",
          "</dev/full", "2</dev/null"]  # fmt: skip


@pytest.mark.parametrize("redirect", CLOSED)
@pytest.mark.parametrize("flags", [(), ("--progress=json", "--debug"), ("--progress=bars",)], ids=str)
def test_a_copy_needs_no_stream(
    redirect: str, flags: tuple[str, ...], source: Path, tmp_path: Path, wanted: dict[str, bytes]
) -> None:
    """Nor is anything of what it says written into a file that gets the number of a closed stream."""
    done = run("copy", *flags, f"dir:{source}", f"oci:{tmp_path}/new:x", redirect=redirect)
    assert (done.returncode, messages(done)) == (0, [])
    assert tree(tmp_path / "new") == wanted


@pytest.mark.parametrize("redirect", [">&-", ">/dev/full", ">&- 2>&-", "<&- >&- 2>&-"])
def test_called_skopeo_a_copy_needs_no_stream(redirect: str, source: Path, tmp_path: Path) -> None:
    """Its layouts are skopeo's, whose entries state no platforms."""
    (tmp_path / "skopeo").symlink_to(Path(sys.executable).with_name("pyskopeo"))
    for name, streams in (("wanted", ""), ("new", redirect)):
        words = [str(tmp_path / "skopeo"), "copy", f"dir:{source}", f"oci:{tmp_path}/{name}:x"]
        command = [SHELL, "-c", f'exec "$@" {streams}', "sh", *words]
        assert subprocess.run(command, env=environment(), timeout=60, check=False).returncode == 0
    assert tree(tmp_path / "new") == tree(tmp_path / "wanted")


@pytest.mark.parametrize("redirect", [">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full 2>&1"])
def test_many_copies_need_no_stream(redirect: str, source: Path, tmp_path: Path) -> None:
    write_layout(IMAGE, tmp_path / "layout", tag="one")
    words = ("sync", "--src=oci", "--dest=dir", tmp_path / "layout", tmp_path / "mirror")
    assert run(*words, redirect=redirect).returncode == 0
    assert len(list((tmp_path / "mirror").rglob("manifest.json"))) == 1
    assert tree(source)


@pytest.mark.parametrize("words", [("inspect",), ("inspect", "--raw"), ("inspect", "--config", "-f", "{{.}}")], ids=str)
@pytest.mark.parametrize(
    ("redirect", "reason"), [(">/dev/full", "no space left on device"), (">&-", "bad file descriptor")]
)
def test_output_that_cannot_be_written_is_one_line(
    words: tuple[str, ...], redirect: str, reason: str, source: Path
) -> None:
    done = run(*words, f"dir:{source}", redirect=redirect)
    assert done.returncode == 1
    (message,) = messages(done)
    assert f'msg="writing to standard output: {reason}"' in message
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("copy", "--help"), ("completion", "bash")], ids=str)
def test_texts_that_cannot_be_written(words: tuple[str, ...]) -> None:
    done = run(*words, redirect=">/dev/full")
    assert done.returncode == 1
    assert len(messages(done)) == 1
    assert run(*words, redirect="2>&- <&-").returncode == 0


@pytest.mark.parametrize("redirect", [">&-", "2>&-", ">/dev/full", "2>/dev/full", ">&- 2>&-"])
def test_an_error_has_its_exit_code(redirect: str, tmp_path: Path) -> None:
    write_layout(IMAGE, tmp_path / "layout", tag="one")
    for name, code in ((f"dir:{tmp_path}/none", 1), (f"oci:{tmp_path}/layout:none", 2)):
        assert run("inspect", name, redirect=redirect).returncode == code


def test_a_login_is_stored_though_nobody_reads_that(tmp_path: Path) -> None:
    with Simulator(IMAGE) as registry:
        words = ("login", "--tls-verify=false", "-u=a", "-p=b", "--authfile", tmp_path / "auth.json", registry.host)
        done = run(*words, redirect=">&-")
        assert (done.returncode, messages(done)) == (0, [])
        assert registry.host in (tmp_path / "auth.json").read_text()
        done = run(*words[:3], "--password-stdin", *words[4:], redirect="<&-")
        assert done.returncode == 1
        assert "--password-stdin: reading standard input: bad file descriptor" in messages(done)[0]
        assert run("logout", *words[4:], redirect=">/dev/full").returncode == 0


LABEL = "日本語 ☃ é"
LOCALES = {
    "C": {"LC_ALL": "C"},
    "POSIX without UTF-8 mode": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "a locale that does not exist": {"LC_ALL": "xx_YY.KOI8-R"},
    "another encoding": {"PYTHONIOENCODING": "latin-1:strict"},
    "unbuffered": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONUNBUFFERED": "1"},
    "nothing": {},
}


@pytest.mark.parametrize("locale", LOCALES)
def test_output_is_utf_8_whatever_the_locale(locale: str, tmp_path: Path) -> None:
    image = write_layout(build(ImageSpec(labels={"title": LABEL})), tmp_path / "image")
    env = LOCALES[locale]
    done = run("inspect", f"oci:{image}", env=env)
    assert json.loads(done.stdout.decode())["Labels"] == {"title": LABEL}
    done = run("inspect", "-f", f"{LABEL}: {{{{.Labels.title}}}}", f"oci:{image}", env=env)
    assert done.stdout.decode() == f"{LABEL}: {LABEL}\n"
    done = run("inspect", "--config", "--raw", f"oci:{image}", env=env)
    assert LABEL in json.loads(done.stdout.decode())["config"]["Labels"].values()


@pytest.mark.parametrize("locale", LOCALES)
def test_file_names_in_messages_whatever_the_locale(locale: str, tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/\xff " + LABEL.encode()
    command: list[str | bytes] = [*PYSKOPEO, "copy", b"dir:" + folder, b"dir:" + folder + b"2"]
    env = {"PYTHONPATH": str(ROOT), **LOCALES[locale]}
    done = subprocess.run(command, env=env, capture_output=True, timeout=60, check=False)
    assert done.returncode == 1
    assert len(messages(done)) == 1
    write_dir(IMAGE, Path(os.fsdecode(folder)))
    done = subprocess.run(command, env=env, capture_output=True, timeout=60, check=False)
    assert (done.returncode, messages(done)) == (0, [])
    assert os.path.exists(folder + b"2/manifest.json")


def test_no_environment_at_all(source: Path, tmp_path: Path) -> None:
    outside = [Path("/nonexistent"), Path("/.cache")]
    before = [path.exists() for path in outside]
    for number, env in enumerate(({}, {"HOME": ""}, {"HOME": "/nonexistent", "PATH": ""}, {"PATH": "relative:"})):
        done = run("copy", f"dir:{source}", f"oci:new{number}:x", env=env, cwd=tmp_path)
        assert (done.returncode, messages(done)) == (0, [])
    with Simulator(IMAGE) as registry:
        done = run("copy", "--src-tls-verify=false", registry.name(), "dir:pulled", env={}, cwd=tmp_path)
        assert (done.returncode, messages(done)) == (0, [])
    assert [path.exists() for path in outside] == before  # no home is made up


def test_a_user_that_does_not_exist(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs as any number."""

    def unknown(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr("pwd.getpwuid", unknown)
    monkeypatch.delenv("HOME")
    done = pyskopeo_here("copy", f"dir:{source}", f"oci:{tmp_path}/new")
    assert done.code == 0, done.stderr
    with Simulator(IMAGE) as registry:
        assert pyskopeo_here("inspect", "--raw", "--tls-verify=false", registry.name()).code == 0


def test_a_working_directory_that_has_been_removed(source: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    for words, code in (
        (("copy", f"dir:{source}", f"oci:{tmp_path}/new"), 0),
        (("inspect", f"dir:{source}"), 0),
        (("copy", f"dir:{source}", "oci:new"), 1),
        (("copy", "dir:a", f"oci:{tmp_path}/new2"), 1),
        (("inspect", "oci:a"), 1),
        (("sync", "--src=dir", "--dest=docker", "a", "localhost:1/b"), 1),
        (("serve", "oci:a"), 1),
    ):
        gone.mkdir()
        command = [SHELL, "-c", 'rmdir "$PWD"; exec "$@"', "sh", *PYSKOPEO, *words]
        done = subprocess.run(
            command, env=environment({"PYTHONPATH": str(ROOT)}), cwd=gone, capture_output=True, timeout=60, check=False
        )
        assert (done.returncode, len(messages(done))) == (code, int(code > 0)), (words, done.stderr)


def test_no_directory_for_temporary_files(source: Path, tmp_path: Path) -> None:
    """As in a container with a read-only root."""
    assert run("copy", f"dir:{source}", f"oci-archive:{tmp_path}/a.tar").returncode == 0
    program = (
        "import sys, tempfile\n"
        "tempfile._candidate_tempdir_list = lambda: ['/proc/none']\n"
        "from pyskopeo.cli.main import main\n"
        f"sys.exit(main(['inspect', 'oci-archive:{tmp_path}/a.tar.gz']))"
    )
    subprocess.run(["gzip", "-k", tmp_path / "a.tar"], check=True)
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), cwd=ROOT, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "no directory for temporary files can be written to: name one with --tmpdir or $TMPDIR" in messages(done)[0]


@pytest.mark.parametrize("words", [(), ("-f", "{{.Labels.a}}"), ("--config", "--raw"), ("--raw",)], ids=str)
def test_labels_cannot_control_a_terminal(words: tuple[str, ...], tmp_path: Path) -> None:
    hostile = "\x9b31mred \u202eabc \x1b[2Jé"
    image = build(ImageSpec(labels={"a": hostile}, annotations={"a": hostile}))
    name = f"oci:{write_layout(image, tmp_path / 'image')}"
    piped = run("inspect", *words, name)
    ours, theirs = pty.openpty()
    # Escapes of our own are colours, which are not the subject here.
    env = environment({"NO_COLOR": "1"})
    process = subprocess.Popen([*PYSKOPEO, "inspect", *words, name], stdout=theirs, env=env)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:  # as Linux ends a terminal whose other side is closed
        assert process.wait(30) == 0
    os.close(ours)
    assert not set("\x9b\u202e\x1b") & set(shown.decode())
    if words:  # the summary has no labels
        assert b"\\u009b31mred \\u202eabc \\u001b[2J\xc3\xa9" in shown
    assert "\x9b31mred \u202eabc" in piped.stdout.decode()
