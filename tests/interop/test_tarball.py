"""``tarball:`` beside the real skopeo: manifest, configuration and layers by every byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import succeed
from tests.support.commands import pyskopeo as run
from tests.support.commands import skopeo
from tests.support.tarballs import MOMENT, gz, put, tar
from tests.support.trees import tree

pytestmark = pytest.mark.anyio


@pytest.mark.peer("skopeo")
class TestAsSkopeo:
    """Manifest, configuration and layers by every byte."""

    @pytest.mark.parametrize("names", ["plain", "packed", "plain:packed", "packed:plain:packed", "plain:plain", "whole"])
    def test_each(self, names: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TZ", "UTC")  # it writes the times of here
        put(tmp_path / "plain", tar("a"), MOMENT)
        put(tmp_path / "packed", gz(tar("b")), MOMENT + 123_456_789)
        put(tmp_path / "whole", tar("<&>"), 10**9)
        monkeypatch.chdir(tmp_path)
        for program, folder in ((skopeo, "theirs"), (run, "ours")):
            succeed(program("copy", f"tarball:{names}", f"dir:{folder}"))
        assert tree(tmp_path / "ours") == tree(tmp_path / "theirs")

    def test_into_an_archive(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TZ", "UTC")
        name = f"tarball:{put(tmp_path / 'a', tar())}:{put(tmp_path / 'b', gz(tar('b')))}"
        for program, file in ((skopeo, "theirs"), (run, "ours")):
            succeed(program("copy", name, f"docker-archive:{tmp_path}/{file}:a:b"))
        assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
