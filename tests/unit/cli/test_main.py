"""Command lines from the outside: what is printed where, and with what the program ends."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

import anyio
import pytest

from pyskopeo import __version__
from pyskopeo.cli.command import SUMMARIES, Command, CommandGroup, every_command
from pyskopeo.cli.flags import Flag, Parsed, boolean
from pyskopeo.cli.main import Interrupted, main, supervised
from pyskopeo.cli.topics import TOPICS
from pyskopeo.errors import NotFound, PyskopeoError, StorageFailed
from pyskopeo.storage.kept_bytes import KEPT_BYTES
from tests.support.cli import pyskopeo_here, run, said
from tests.support.images import build
from tests.support.outputs import write_dir
from tests.support.terminal import Terminal


@pytest.fixture(autouse=True)
def _nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Earlier tests of this process may have left something for a later run."""
    monkeypatch.setattr(KEPT_BYTES, "total", 0)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return write_dir(build("oci-index"), tmp_path / "image")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["bogus"], "Unrecognized command `pyskopeo bogus`\nTry 'pyskopeo --help' for more information"),
        (["help", "bogus"], "Unrecognized command `pyskopeo bogus`\nTry 'pyskopeo --help' for more information"),
        (["insp"], ("Unrecognized command `pyskopeo insp`\n"
                   "Did you mean 'inspect'? Try 'pyskopeo --help' for more information")),
        (["cpoy"], ("Unrecognized command `pyskopeo cpoy`\n"
                   "Did you mean 'copy'? Try 'pyskopeo --help' for more information")),
        (["--bogus", "copy"], "unknown flag: --bogus\nTry 'pyskopeo --help' for more information"),
        (["copy", "--bogus", "a", "b"], "unknown flag: --bogus\nTry 'pyskopeo copy --help' for more information"),
        (["inspect", "--tag=x", "a"], "unknown flag: --tag\nTry 'pyskopeo inspect --help' for more information"),
        (["copy", "--src-tls-verfy=false", "a", "b"], "unknown flag: --src-tls-verfy; did you mean --src-tls-verify?"),
        (["copy", "--creds=a:b", "a", "b"], "unknown flag: --creds; did you mean --src-creds or --dest-creds?"),
        (["delete", "--sign-by=x", "a"], "unknown flag: --sign-by: only the commands copy and sync sign images"),
        (["copy", "--sign-bye=x", "a"], "unknown flag: --sign-bye; did you mean --sign-by?"),
        (["sync", "--sign-identity=x", "a"], "unknown flag: --sign-identity: sync signs each image as its name at the destination"),
        (["sync", "--encryption-key=x", "a", "b"], "unknown flag: --encryption-key: only the command copy encrypts and decrypts"),
        (["copy", "-v", "a", "b"], "unknown shorthand flag: 'v' in -v\nTry 'pyskopeo copy --help' for more information"),
        (["copy"], ("At least two arguments expected: SOURCE-IMAGE... DESTINATION-IMAGE, got 0\n"
                   "Try 'pyskopeo copy --help' for more information")),
        (["copy", "--keep-name", "dir:a", "oci:b"], "--keep-name needs a source with a name and a tag, not dir:a"),
        (["copy", "--keep-name", "docker://a", "dir:b"],
         "--keep-name goes with a destination oci:, oci-archive: or docker-archive:"),
        (["copy", "--keep-name", "docker://a", "oci:b:c"], "--keep-name goes with a destination without a name, oci:b"),
        (["copy", "--src-tls-verify", "false", "dir:a", "dir:b"],
         "false is no image name; for a flag that is false write --flag=false"),
        (["inspect"], ("At least one argument expected: IMAGE-NAME..., got 0\n"
                       "Try 'pyskopeo inspect --help' for more information")),
        (["serve"], "what is to be served is missing: want oci:DIR, or --store DIR"),
        (["copy", "x", "dir:y"],
         ('Invalid source name x: Invalid image name "x", expected colon-separated transport:reference; '
          'did you mean "docker://x"?')),
        (["copy", "dir:x", "y:z"],
         'Invalid destination name y:z: Invalid image name "y:z", unknown transport "y"; did you mean "docker://y:z"?'),
        (["inspect", "x:y"], ('Error parsing image name "x:y": Invalid image name "x:y", unknown transport "x"; '
                              'did you mean "docker://x:y"?')),
        (["load", "a.tar"], ("Unrecognized command `pyskopeo load`\nTry:\n  pyskopeo copy docker-archive:a.tar "
                            "docker-daemon:a:latest\nTry 'pyskopeo --help' for more information")),
        (["repair", "oci:a"], ("Unrecognized command `pyskopeo repair`\n"
                              "Did you mean 'layout repair'? Try 'pyskopeo --help' for more information")),
        (["verify", "layout", "oci:a"], ("Exactly one argument expected: IMAGE-NAME, got 2; did you mean "
                                        "'pyskopeo layout verify'?\nTry 'pyskopeo verify --help' for more information")),
        (["delete", "copy", "a"], ("Exactly one argument expected: IMAGE-NAME, got 2\n"
                                  "Try 'pyskopeo delete --help' for more information")),
        (["inspect", "--raw", "dir:a", "dir:b"], "--raw prints the bytes of one document: give one image"),
        (["inspect", "dir:a", "x:y"], ('Error parsing image name "x:y": Invalid image name "x:y", unknown transport "x"; '
                                      'did you mean "docker://x:y"?')),
        (["layers"], ("Unrecognized command `pyskopeo layers`\n"
                     "it is deprecated: copy the image to a dir: instead. Try 'pyskopeo --help' for more information")),
        (["standalone-sign", "a"], "Usage: pyskopeo standalone-sign manifest docker-reference key-fingerprint -o signature"),
        (["standalone-sign", "a", "b", "c"], "Usage: pyskopeo standalone-sign manifest docker-reference key-fingerprint -o signature"),
        (["standalone-verify", "a", "b", "c"], "Usage: pyskopeo standalone-verify manifest docker-reference key-fingerprint signature"),
        (["standalone-verify", "a", "b", "any", "d"], "Cannot use any fingerprint without a public key file"),
        (["untrusted-signature-dump-without-verification"],
         "Usage: pyskopeo untrusted-signature-dump-without-verification signature"),
        (["inspect", "--raw", "--format", "x", "dir:x"], "raw output does not support format option"),
        (["sync", "--dest", "dir", "a", "b"], "A source transport must be specified: --src docker, registry, dir, oci, docker-archive or yaml"),
        (["sync", "--src", "foo", "--dest", "dir", "a", "b"],
         '"foo" is not a valid source transport: want docker, registry, dir, oci, docker-archive or yaml'),
        (["sync", "--src", "dir", "a", "b"], "A destination transport must be specified: --dest docker, dir or oci"),
        (["sync", "--src", "dir", "--dest", "foo", "a", "b"],
         '"foo" is not a valid destination transport: want docker, dir or oci'),
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
        (["copy", "--range-parts", "-1", "dir:x", "dir:y"], "--range-parts: want 0 or more"),
        (["copy", "--range-size", "1023K", "dir:x", "dir:y"], "--range-size: want 1M or more"),
        (["inspect", "--stall-timeout", "0", "dir:x"], "--stall-timeout: want more than 0"),
        (["inspect", "--response-timeout", "0", "dir:x"], "--response-timeout: want more than 0"),
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


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    _, overview, _ = run(capsys, "--help")
    assert run(capsys) == (0, overview, [])
    assert run(capsys, "--debug") == (0, overview, [])
    monkeypatch.setattr("sys.argv", ["skopeo"])
    assert run(capsys) == (1, "", ["fatal: Missing command 'skopeo COMMAND'\nTry 'skopeo --help' for more information"])


@pytest.mark.parametrize("words", [["help", "--help"], ["help", "-h"], ["--help", "help", "--help"]])
def test_help_about_help(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    code, out, messages = run(capsys, *words)
    assert (code, messages) == (0, [])
    assert "pyskopeo help COMMAND " in out
    for topic in TOPICS:
        assert topic in out
        assert run(capsys, "help", topic)[1].startswith(TOPICS[topic].title)
        assert run(capsys, topic)[0] == 1


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


@pytest.mark.parametrize("name", [command.name for command in every_command()])
def test_each_way_to_ask_for_help_is_the_same(capsys: pytest.CaptureFixture[str], name: str) -> None:
    verbs = name.split()
    code, wanted, messages = run(capsys, *verbs, "--help")
    assert (code, messages) == (0, [])
    for words in (["help", *verbs], ["-h", *verbs], [*verbs, "-h"], [*verbs, "a", "--help", "b"]):
        assert run(capsys, *words) == (0, wanted, [])
    assert wanted.startswith(f"Usage: pyskopeo {name}")
    assert "\nExamples:\n  " in wanted
    assert "--screds" not in wanted
    named = wanted.split("Global flags:")[1]
    assert "--override-arch," in named
    assert " --tls-verify" not in named


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """A command with sub-commands, and what they were called with."""
    done: list[object] = []

    def read(parsed: Parsed) -> tuple[object, ...]:
        return tuple(parsed.arguments), parsed.values["shout"], parsed.values["override-os"]

    def carry_out(options: object) -> int:
        done.append(options)
        return 0

    flags = (Flag("shout", "speak up", read=boolean, default=False),)
    lift = Command("shelf lift", "THING", "Lift.", ("pyskopeo shelf lift x",), flags, read, carry_out, summary="lift it")
    monkeypatch.setitem(SUMMARIES, "shelf", "Shelves")
    monkeypatch.setattr("pyskopeo.cli.main.load_command", lambda name: CommandGroup(name, "Shelves.", (lift,)))
    return done


def test_a_sub_command_has_flags_of_its_own(capsys: pytest.CaptureFixture[str], shelf: list[object]) -> None:
    code, _, messages = run(capsys, "--override-os", "plan9", "shelf", "lift", "--shout", "x")
    assert (code, messages, shelf.pop()) == (0, [], (("x",), True, "plan9"))
    code, _, messages = run(capsys, "shelf", "--override-os=plan9", "lift", "x")
    assert (code, messages, shelf.pop()) == (0, [], (("x",), False, "plan9"))
    code, _, messages = run(capsys, "shelf", "lift", "--shoot", "x")
    assert code == 1
    assert "did you mean --shout?" in messages[0]
    assert run(capsys, "shelf", "--shout", "lift", "x")[0] == 1
    code, _, messages = run(capsys, "shelf", "lift")
    assert (code, shelf) == (1, [])
    assert messages[0].endswith("got 0\nTry 'pyskopeo shelf lift --help' for more information")


def test_help_of_a_command_with_sub_commands(
    capsys: pytest.CaptureFixture[str], shelf: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, shown, messages = run(capsys, "shelf", "--help")
    assert (code, messages, shelf) == (0, [], [])
    assert shown.startswith("Usage: pyskopeo shelf COMMAND [command flags]\n\nShelves.\n\nCommands:\n  lift  lift it\n")
    assert run(capsys, "help", "shelf") == (0, shown, [])
    assert run(capsys, "shelf") == (0, shown, [])
    with monkeypatch.context() as patched:
        patched.setattr("sys.argv", ["skopeo"])
        code, out, messages = run(capsys, "shelf")
    assert (code, out) == (1, "")
    assert messages[-1] == "fatal: Missing command 'skopeo shelf COMMAND'\nTry 'skopeo shelf --help' for more information"
    code, shown, _ = run(capsys, "shelf", "lift", "--help")
    assert code == 0
    assert shown.startswith("Usage: pyskopeo shelf lift [flags] THING\n")


def test_every_example_in_the_help_is_a_command_line_we_accept(capsys: pytest.CaptureFixture[str]) -> None:
    import shlex

    for name in ("copy", "inspect", "serve"):
        _, out, _ = run(capsys, name, "--help")
        examples = out.partition("Examples:\n")[2].partition("\n\n")[0].replace("\\\n", "").splitlines()
        assert examples
        for example in examples:
            program, *words = shlex.split(example)
            assert program == "pyskopeo"
            assert run(capsys, *words, "--help")[0] == 0  # parsed whole, then not carried out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tag"], "At least two arguments expected: IMAGE-NAME TAG..., got 0"),
        (["tag", "docker://a/b:c"], "At least two arguments expected: IMAGE-NAME TAG..., got 1"),
        (["delete"], "Exactly one argument expected: IMAGE-NAME, got 0"),
        (["delete", "--tag-only", "true", "docker://a/b:c"],
         "Exactly one argument expected: IMAGE-NAME, got 2; for a flag that is true write --flag=true"),
        (["list-tags"], "At least one argument expected: SOURCE-IMAGE..., got 0"),
        (["manifest-digest"], "Exactly one argument expected: MANIFEST-FILE, got 0"),
        (["list-tags", "--sort", "size", "docker://a/b"],
         'invalid argument "size" for "--sort" flag: want one of registry, name, natural, semver'),
        (["list-tags", "--filter", "(", "docker://a/b"], "invalid regular expression '('"),
        (["list-tags", "--semver", "new", "docker://a/b"], "version range 'new' cannot be understood at 'new'"),
        (["list-tags", "--shared-blob-dir", "x", "docker://a/b"],
         "unknown flag: --shared-blob-dir\nTry 'pyskopeo list-tags --help' for more information"),
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
    assert re.search(rf"^  {name} {{2,}}[A-Z]", overview, re.MULTILINE)
    assert main([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"Usage: pyskopeo {name} ")
    assert text.count(f"pyskopeo {name}") > 1


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


@pytest.mark.anyio
@pytest.mark.parametrize("takes_long", [True, False])
async def test_a_stop_that_takes_a_moment_is_announced(takes_long: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", screen := Terminal())
    monkeypatch.setattr("pyskopeo.cli.main._STOPS_AT_ONCE", 0.01 if takes_long else 60.0)

    async def interrupt() -> None:
        try:
            await anyio.wait_all_tasks_blocked()
            os.kill(os.getpid(), signal.SIGINT)
            await anyio.sleep(60)
        finally:
            with anyio.move_on_after(10, shield=True):
                while takes_long and not screen.getvalue():
                    await anyio.sleep(0.01)

    with pytest.raises(Interrupted):
        await supervised(interrupt())
    assert screen.getvalue() == ("Stopping ...\n" if takes_long else "")
