"""The flags that choose an image become one value, for every command."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pyskopeo.cli.command import GLOBAL, every_command
from pyskopeo.cli.flags import Parsed, UsageError, parse
from pyskopeo.cli.platform_flags import CHOOSING, chosen_image, is_chosen, refuse_choice
from pyskopeo.model.choice import Choice
from pyskopeo.model.platform import Platform


def parsed(*words: str) -> Parsed:
    return parse(words, (*GLOBAL, *CHOOSING))[0]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ([], Choice(Platform("linux", "arm64", "v8"))),
        (["--platform=windows/amd64"], Choice(Platform("windows", "amd64"))),
        (["--platform=bashbrew:arm32v6"], Choice(Platform("linux", "arm", "v6"))),
        (["--override-arch=arm", "--override-variant=v6"], Choice(Platform("linux", "arm", "v6"), known_variants=False)),
        (["--override-os=darwin"], Choice(Platform("darwin", "arm64", "v8"), known_variants=False)),
        (["--os-version=12"], Choice(Platform("linux", "arm64", "v8", "12"))),
        (
            ["--platform=windows/amd64", "--os-feature=a", "--os-feature=b", "--os-version=10.0"],
            Choice(Platform("windows", "amd64", os_version="10.0", os_features=("a", "b"))),
        ),
        (["--select-annotation=a=b=c", "--select-annotation", "d="], Choice(None, (("a", "b=c"), ("d", "")))),
        (["--select-annotation=a=b", "--override-os=windows"],
         Choice(Platform("windows", "arm64", "v8"), (("a", "b"),), known_variants=False)),
        (["--select-annotation=a=b", "--platform=linux/386"], Choice(Platform("linux", "386"), (("a", "b"),))),
    ],
)  # fmt: skip
def test_choices(words: list[str], wanted: Choice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyskopeo.model.platform.uname", lambda: SimpleNamespace(machine="aarch64"))
    found = parsed(*words)
    assert chosen_image(found) == wanted
    assert is_chosen(found) is bool(words)


def test_called_skopeo_there_is_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["skopeo"])
    assert not chosen_image(parsed()).warn


def test_what_excludes_each_other() -> None:
    with pytest.raises(UsageError, match="--platform and --override-os, -arch, -variant exclude each other"):
        chosen_image(parsed("--platform=linux/arm", "--override-arch=arm"))
    with pytest.raises(UsageError, match="--os-version chooses one image, so it does not go with --all"):
        refuse_choice(parsed("--os-version=1"), "--all")
    refuse_choice(parsed("--override-os=linux"), "--all")  # skopeo's are ignored there


def test_a_command_that_has_one_of_them_has_all() -> None:
    """Whatever chooses an image is asked in the same way."""
    names = {flag.name for flag in CHOOSING}
    for command in every_command():
        found = names & {flag.name for flag in command.flags if not flag.repeat or flag.name != "platform"}
        assert not found or found == names, command.name
    commands = {command.name for command in every_command() if names <= {flag.name for flag in command.flags}}
    assert {"copy", "inspect", "sync", "verify", "extract", "export", "ls", "cat", "rebase"} <= commands
