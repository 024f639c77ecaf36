"""The help texts of the program that is called skopeo: they have the shape of skopeo's, and do not change."""

from __future__ import annotations

import pytest

from pyskopeo.cli.command import GLOBAL, VERSION, CommandGroup, load_command
from pyskopeo.cli.help import command_help, group_help, overview
from pyskopeo.cli.skopeo_help import usage


@pytest.fixture(autouse=True)
def called_skopeo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/bin/skopeo"])


def test_the_pages_have_one_list_of_flags() -> None:
    assert overview().startswith("Copy and inspect container images, without a daemon\n\nUsage:\n  skopeo [flags] COMMAND")
    assert f"\n\nFlags:\n{usage((*GLOBAL, VERSION))}\n\n" in overview()
    command, group = load_command("copy"), load_command("layout")
    assert not isinstance(command, CommandGroup)
    page = command_help(command)
    assert "\n\nUsage:\n  skopeo copy [command flags] SOURCE-IMAGE DESTINATION-IMAGE\n\nExamples:\n" in page
    assert page.endswith(f"\n\nFlags:\n{usage(command.flags)}\n\nGlobal Flags:\n{usage(GLOBAL)}")
    assert isinstance(group, CommandGroup)
    assert "\n\nAvailable Commands:\n  assemble     Write a layout" in group_help(group)


def test_the_pages_have_100_columns_or_those_of_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 90 < max(map(len, overview().splitlines())) <= 100
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    assert 70 < max(map(len, overview().splitlines())) <= 80
    assert "\x1b" not in overview()
