"""Command lines from the outside: what is printed where, and with what the program ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import anyio
import pytest

from pyskopeo import __version__
from pyskopeo.cli.command import SUMMARIES
from pyskopeo.cli.log import log
from pyskopeo.cli.main import Interrupted, main, supervised
from pyskopeo.errors import NotFound, PyskopeoError, StorageFailed
from tests.support.commands import PYSKOPEO, environment, pyskopeo
from tests.support.images import build
from tests.support.outputs import write_dir, write_layout
from tests.support.simulator import Simulator


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return write_dir(build("oci-index"), tmp_path / "image")


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, list[str]]:
    """Exit code, standard output, and the messages on standard error."""
    code = main([str(word) for word in words])
    captured = capsys.readouterr()
    messages = []
    for line in captured.err.splitlines():
        found = re.fullmatch(r'time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ" level=(\w+) msg=(".*")', line)
        messages.append(f"{found[1]}: {json.loads(found[2])}" if found else line)
    return code, captured.out, messages


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Missing command 'pyskopeo COMMAND'\nTry 'pyskopeo --help' for more information"),
        (["bogus"], "Unrecognized command `pyskopeo bogus`\nTry 'pyskopeo --help' for more information"),
        (["help", "bogus"], "Unrecognized command `pyskopeo bogus`\nTry 'pyskopeo --help' for more information"),
        (["insp"], ("Unrecognized command `pyskopeo insp`\n"
                   "Did you mean 'inspect'? Try 'pyskopeo --help' for more information")),
        (["cpoy"], ("Unrecognized command `pyskopeo cpoy`\n"
                   "Did you mean 'copy'? Try 'pyskopeo --help' for more information")),
        (["--bogus", "copy"], "unknown flag: --bogus"),
        (["copy", "--bogus", "a", "b"], "unknown flag: --bogus"),
        (["copy", "-v", "a", "b"], "unknown shorthand flag: 'v' in -v"),
        (["copy"], ("Exactly two arguments expected: SOURCE-IMAGE DESTINATION-IMAGE, got 0\n"
                   "Try 'pyskopeo copy --help' for more information")),
        (["copy", "--src-tls-verify", "false", "dir:a", "dir:b"],
         ("Exactly two arguments expected: SOURCE-IMAGE DESTINATION-IMAGE, got 3; for a flag that is false write "
         "--flag=false\nTry 'pyskopeo copy --help' for more information")),
        (["inspect", "a", "b"], ("Exactly one argument expected: IMAGE-NAME, got 2\n"
                                "Try 'pyskopeo inspect --help' for more information")),
        (["serve"], "Exactly one argument expected: LAYOUT, got 0\nTry 'pyskopeo serve --help' for more information"),
        (["copy", "x", "dir:y"],
         'Invalid source name x: Invalid image name "x", expected colon-separated transport:reference'),
        (["copy", "dir:x", "y:z"],
         'Invalid destination name y:z: Invalid image name "y:z", unknown transport "y"'),
        (["inspect", "x:y"], 'Error parsing image name "x:y": Invalid image name "x:y", unknown transport "x"'),
        (["inspect", "--raw", "--format", "x", "dir:x"], "raw output does not support format option"),
        (["copy", "--all", "--multi-arch", "all", "dir:x", "dir:y"],
         "Cannot use --all and --multi-arch flags together"),
        (["copy", "--platform", "linux/amd64", "--override-os", "linux", "dir:x", "dir:y"],
         "--platform and --override-os, -arch, -variant exclude each other"),
        (["copy", "--platform", "linux/amd64", "--all", "dir:x", "dir:y"],
         "--platform chooses one image, so it does not go with --all or --multi-arch"),
        (["copy", "--src-creds", "a:b", "--src-no-creds", "dir:x", "dir:y"],
         "creds and no-creds cannot be specified at the same time"),
        (["copy", "--src-username", "a", "--src-no-creds", "dir:x", "dir:y"],
         "username and no-creds cannot be specified at the same time"),
        (["inspect", "--creds", "a:b", "--username", "a", "dir:x"],
         "creds and username cannot be specified at the same time"),
        (["inspect", "--username", "a", "dir:x"], "password must be specified when username is specified"),
        (["inspect", "--password", "a", "dir:x"], "username must be specified when password is specified"),
        (["inspect", "--retry-times", "-1", "dir:x"], "--retry-times: want 0 or more"),
        (["inspect", "--stall-timeout", "0", "dir:x"], "--stall-timeout: want more than 0"),
        (["inspect", "--user-agent-prefix", "a\nb", "dir:x"], "--user-agent-prefix: want printable ASCII characters"),
        (["copy", "--image-parallel-copies", "-1", "dir:x", "dir:y"], "--image-parallel-copies: want 0 or more"),
        (["copy", "--progress", "loud", "dir:x", "dir:y"],
         'invalid argument "loud" for "--progress" flag: want one of auto, bars, plain, json, none'),
        (["serve", "dir:x"], 'Invalid image name "dir:x", want oci:DIR'),
        (["serve", "oci:x", "--listen", "here"], 'invalid argument "here" for "--listen" flag: want HOST:PORT'),
    ],
)  # fmt: skip
def test_mistakes_end_with_one_line_and_1(
    capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert run(capsys, *words) == (1, "", [f"fatal: {message}"])


def test_an_additional_tag_is_checked_before_anything_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, (message,) = run(capsys, "copy", "--additional-tag", "a:1,B:2", "dir:/nowhere", "docker-archive:x")
    assert code == 1
    assert message.startswith("fatal: error parsing additional-tag 'B:2': invalid reference format")


@pytest.mark.parametrize("words", [["--version"], ["-v"], ["-v", "copy"], ["--version", "--help"]])
def test_the_version(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert run(capsys, *words) == (0, f"pyskopeo version {__version__}\n", [])


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["help"], ["help", "help"]])
def test_the_overview_names_every_command(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    code, out, messages = run(capsys, *words)
    assert (code, messages) == (0, [])
    for name, summary in SUMMARIES.items():
        assert re.search(rf"^  {name} +{re.escape(summary)}$", out, re.MULTILINE)


@pytest.mark.parametrize("name", [name for name in SUMMARIES if name != "help"])
def test_each_way_to_ask_for_help_is_the_same(capsys: pytest.CaptureFixture[str], name: str) -> None:
    code, wanted, messages = run(capsys, name, "--help")
    assert (code, messages) == (0, [])
    for words in (["help", name], ["-h", name], [name, "-h"], [name, "a", "--help", "b"]):
        assert run(capsys, *words) == (0, wanted, [])
    assert f"\nUsage:\n  pyskopeo {name} [command flags] " in wanted
    assert "\nExamples:\n  pyskopeo " in wanted
    assert "--override-arch ARCH" in wanted
    assert "--screds" not in wanted
    assert " --tls-verify" not in wanted.split(
        "Global Flags:"
    )[1]
    assert max(map(len, wanted.splitlines())) <= 110


def test_every_example_in_the_help_is_a_command_line_we_accept(capsys: pytest.CaptureFixture[str]) -> None:
    import shlex

    for name in ("copy", "inspect", "serve"):
        _, out, _ = run(capsys, name, "--help")
        examples = out.partition("Examples:\n")[2].partition("\n\n")[0].splitlines()
        assert examples
        for example in examples:
            program, *words = shlex.split(example)
            assert program == "pyskopeo"
            assert run(capsys, *words, "--help")[0] == 0  # parsed whole, then not carried out


def test_global_flags_are_taken_on_both_sides_of_the_command(capsys: pytest.CaptureFixture[str], image: Path) -> None:
    def architecture(*words: object) -> str:
        code, out, messages = run(capsys, *words)
        assert (code, messages) == (0, [])
        return out.strip()

    show = ("inspect", "--format", "{{.Architecture}}", f"dir:{image}")
    assert architecture("--override-arch", "s390x", *show) == "s390x"
    assert architecture(*show, "--override-arch", "s390x") == "s390x"
    assert architecture("--override-arch=arm64", *show, "--override-arch=s390x") == "s390x"
    assert architecture("--insecure-policy", *show, "--platform", "linux/arm64/v8") == "arm64"


@pytest.mark.parametrize(
    ("name", "code"),
    [("dir:{}/nowhere", 1), ("docker-archive:{}/nowhere", 1), ("oci-archive:{}/nowhere", 1), ("oci:{}/layout:nope", 2)],
)
def test_what_is_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, code: int) -> None:
    write_layout(build("oci"), tmp_path / "layout")
    name = name.format(tmp_path)
    ended, out, (message,) = run(capsys, "inspect", name)
    assert (ended, out) == (code, "")
    assert message.startswith(f'fatal: Error parsing image name "{name}": ')
    ended, out, (message,) = run(capsys, "copy", name, f"dir:{tmp_path}/new")
    assert (ended, out) == (code, "")
    assert message.startswith(f"fatal: initializing source {name}: ")
    assert not (tmp_path / "new").exists()


def test_no_platform_matches(capsys: pytest.CaptureFixture[str], tmp_path: Path, image: Path) -> None:
    said = (
        'no image found in image index for architecture "riscv64", variant "", OS "linux"; there is: '
        "linux/amd64, linux/arm/v6, linux/arm/v7, linux/arm64/v8, linux/s390x, windows/amd64"
    )
    arch = ("--override-arch", "riscv64")
    assert run(capsys, *arch, "inspect", f"dir:{image}") == (
        1, "", [f"fatal: Error parsing manifest for image: choosing image instance: {said}"]
    )  # fmt: skip
    assert run(capsys, *arch, "copy", f"dir:{image}", f"dir:{tmp_path}/new") == (
        1, "", [f"fatal: choosing an image from manifest list dir:{image}: {said}"]
    )  # fmt: skip


def test_a_destination_that_is_not_ours(capsys: pytest.CaptureFixture[str], tmp_path: Path, image: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis").write_text("years")
    name = f"dir:{tmp_path}/mine"
    assert run(capsys, "copy", f"dir:{image}", name) == (
        1, "", [(f'fatal: initializing destination {name}: "{tmp_path}/mine" is not a containers image directory, '
                "don't want to overwrite important data")]
    )  # fmt: skip


def test_the_digest_file(capsys: pytest.CaptureFixture[str], tmp_path: Path, image: Path) -> None:
    path = tmp_path / "digest"
    code, out, _ = run(capsys, "copy", "-aq", "--digestfile", path, f"dir:{image}", f"oci:{tmp_path}/layout:x")
    assert (code, out, path.read_bytes()) == (0, "", build("oci-index").digest.encode())
    bad = tmp_path / "no" / "digest"
    code, _, messages = run(capsys, "copy", "-aq", "--digestfile", bad, f"dir:{image}", f"oci:{tmp_path}/layout:x")
    assert (code, [re.sub(": No", ": no", m) for m in messages]) == (
        1, [f'fatal: Failed to write digest to file "{bad}": no such file or directory']
    )  # fmt: skip


@pytest.mark.parametrize("flags", [[], ["--dry-run"]])
def test_what_a_destination_does_not_take_is_said_of_the_destination(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, image: Path, flags: list[str]
) -> None:
    target = f"oci:{tmp_path}/layout:x"
    one = ("--override-arch=amd64", "--format=v2s1")
    code, out, messages = run(capsys, "copy", "-q", *flags, *one, f"dir:{image}", target)
    assert (code, out, (tmp_path / "layout").exists()) == (1, "", False)
    refused = f"{target} takes nothing of type application/vnd.docker.distribution.manifest.v1+json"
    assert messages == [f"fatal: {refused}: leave out --format v2s1, or choose oci or v2s2"]


def test_a_dry_run_prints_the_plan_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, image: Path
) -> None:
    built = build("oci-index")
    before = sorted(tmp_path.rglob("*"))
    target = f"oci:{tmp_path}/layout:x"
    code, out, messages = run(capsys, "copy", "--all", "--dry-run", f"dir:{image}", target)
    assert (code, messages, sorted(tmp_path.rglob("*"))) == (0, [], before)
    total = sum(map(len, built.blobs.values()))
    lines = out.splitlines()
    assert lines[-1].startswith(f"6 images, {len(built.blobs)} blobs, ")
    assert lines[-1].count(f"({total} bytes)") == 2
    assert sorted(line.split()[2] for line in lines if line.startswith("to fetch")) == sorted(built.blobs)
    assert {line.split()[1] for line in lines if line.startswith("manifest")} == set(built.manifests)
    run(capsys, "copy", "-q", "--override-arch", "amd64", f"dir:{image}", target)
    _, out, _ = run(capsys, "copy", "--all", "--dry-run", f"dir:{image}", target)
    present = sorted(line.split()[1] for line in out.splitlines() if line.startswith("present"))
    child = built.child(0).digest
    assert present == sorted({*built.layer_digests(child), built.config_digest(child)})


def test_a_dry_run_within_a_registry_fetches_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    built = build("oci")
    with Simulator(built, "a/b") as registry:
        words = ("copy", "--dry-run", "--src-tls-verify=false", "--dest-tls-verify=false", "--override-arch=amd64")
        code, out, _ = run(capsys, *words, registry.name("a/b"), registry.name("c/d"))
    assert code == 0
    *lines, last = out.splitlines()
    total = sum(map(len, built.blobs.values()))
    assert sorted(line.split()[2] for line in lines if line.startswith("to mount")) == sorted(built.blobs)
    assert not [line for line in lines if line.startswith("to fetch")]
    assert last.count(f"({total} bytes)") == 2
    assert f"; to fetch: 0 blobs, 0 B (0 bytes); to mount: {len(built.blobs)} blobs, " in last


def test_the_old_spelling_of_tls_verify_warns(capsys: pytest.CaptureFixture[str], tmp_path: Path, image: Path) -> None:
    words = ("copy", "-q", f"dir:{image}", f"dir:{tmp_path}/new")
    warning = ["warning: '--tls-verify' is deprecated, instead use: --src-tls-verify, --dest-tls-verify"]
    assert run(capsys, *words, "--tls-verify=false") == (0, "", warning)
    assert run(capsys, "--tls-verify=false", *words) == (0, "", warning)
    assert run(capsys, "inspect", "--raw", "--tls-verify=false", f"dir:{image}")[2] == []


def test_messages_are_one_line_and_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    log("fatal", 'a "quoted"\nline \\ with \x1b[31mcolour\u2028')
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(r'level=fatal msg="a \"quoted\"\nline \\ with \x1b[31mcolour\u2028"')


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("docker://user:s3cret@host:5000/x is bad", "docker://***@host:5000/x is bad"),
        ("via http://user:s3cret@proxy", "via http://***@proxy"),
        ("docker://alpine:3@sha256:00", "docker://alpine:3@sha256:00"),
        ("docker://host:5000/a@sha256:00", "docker://host:5000/a@sha256:00"),
    ],
)
def test_a_password_in_an_address_is_not_repeated(capsys: pytest.CaptureFixture[str], text: str, shown: str) -> None:
    log("fatal", text)
    assert capsys.readouterr().err.endswith(f'msg="{shown}"\n')


def test_an_output_that_nobody_reads_to_its_end(image: Path) -> None:
    """As in ``pyskopeo inspect ... | head -1``: no traceback, no success."""
    read, write = os.pipe()
    os.close(read)
    for words in (["inspect", f"dir:{image}"], ["inspect", "--raw", f"dir:{image}"], ["--help"]):
        done = subprocess.run(
            [*PYSKOPEO, *words], stdout=write, stderr=subprocess.PIPE, env=environment(), timeout=30, check=False
        )
        assert (done.returncode, done.stderr) == (1, b""), words
    os.close(write)


def test_an_error_that_nobody_reads() -> None:
    """As in ``pyskopeo inspect ... 2>&1 | true``: the exit code is the command's own."""
    read, write = os.pipe()
    os.close(read)
    for words in (["inspect", "dir:/nonexistent"], ["nonsense"]):
        done = subprocess.run([*PYSKOPEO, *words], stdout=write, stderr=write, env=environment(), timeout=30, check=False)
        assert done.returncode == 1, words
    os.close(write)


def test_a_time_limit_for_the_command(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    keeper = os.open(fifo, os.O_RDWR)  # opens at once, and never says anything
    try:
        done = pyskopeo("--command-timeout", "300ms", "inspect", f"docker-archive:{fifo}", timeout=10)
    finally:
        os.close(keeper)
    assert done.code == 1
    assert done.lines[-1].endswith('msg="not finished after 0.3 s: given up, as --command-timeout says"')


class Work:
    """A command's work that waits, and cleans up however it ends."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.is_cleaned_up = False

    async def __call__(self, seconds: float = 30.0) -> str:
        try:
            await anyio.sleep(seconds)
            if self.error is not None:
                raise self.error
        finally:
            self.is_cleaned_up = True
        return "done"


@pytest.mark.anyio
async def test_supervised_work_has_its_result() -> None:
    assert await supervised(Work()(0.0)) == "done"
    assert await supervised(Work()(0.0), 30.0) == "done"


@pytest.mark.anyio
async def test_errors_of_supervised_work_are_not_in_a_group() -> None:
    with pytest.raises(NotFound, match="^not there$"):
        await supervised(Work(NotFound("not there"))(0.0))
    with pytest.raises(BrokenPipeError):
        await supervised(Work(BrokenPipeError())(0.0))


@pytest.mark.anyio
async def test_supervised_work_is_cancelled_after_its_time() -> None:
    work = Work()
    with pytest.raises(PyskopeoError, match=r"^not finished after 0\.05 s: given up, as --command-timeout says$"):
        await supervised(work(), 0.05)
    assert work.is_cleaned_up


@pytest.mark.anyio
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_supervised_work_is_cancelled_by_a_signal(number: signal.Signals) -> None:
    async def interrupt(work: Work) -> str:
        try:
            await anyio.wait_all_tasks_blocked()  # whoever waits for signals does so
            os.kill(os.getpid(), number)
            return await work()
        finally:
            # What fails after the signal does not matter any more.
            raise StorageFailed("in the clean-up")

    work = Work()
    with pytest.raises(Interrupted) as caught:
        await supervised(interrupt(work))
    assert caught.value.number == number
    assert work.is_cleaned_up
