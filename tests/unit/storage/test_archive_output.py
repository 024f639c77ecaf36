"""Where the output of an archive goes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pyskopeo.errors import DestinationRefused, StorageFailed
from pyskopeo.storage.archive_output import check_output, is_stream, is_written_directly, open_output

pytestmark = pytest.mark.anyio


class TestOutput:
    def test_streams(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "file").touch()
        assert [is_stream(Path(p)) for p in ("-", "/dev/null", tmp_path / "pipe")] == [True] * 3
        assert [is_stream(p) for p in (tmp_path, tmp_path / "file", tmp_path / "none")] == [False] * 3
        assert all(is_written_directly(Path(p)) for p in ("-", "/dev/stdout", "/dev/stderr", "/dev/fd/3", "/proc/self/fd/3"))
        assert not any(is_written_directly(Path(p)) for p in ("--", "dev/stdout", "/dev/fd/x", "/dev/fd/3/x", "/tmp/-"))

    @pytest.mark.parametrize("replace", [True, False])
    def test_early_refusals(self, replace: bool, tmp_path: Path) -> None:
        with pytest.raises(DestinationRefused, match="is a directory, want the path of a file"):
            check_output(tmp_path, replace=replace)
        with pytest.raises(StorageFailed, match=r"no directory .*/none"):
            check_output(tmp_path / "none" / "a.tar", replace=replace)
        check_output(tmp_path / "a.tar", replace=replace)
        (tmp_path / "a.tar").touch()
        check_output(tmp_path / "a.tar", replace=replace)
        (tmp_path / "a.tar").write_bytes(b"x")
        if replace:
            check_output(tmp_path / "a.tar", replace=replace)
        else:
            with pytest.raises(DestinationRefused, match="doesn't support modifying existing images"):
                check_output(tmp_path / "a.tar", replace=replace)
        assert os.listdir(tmp_path) == ["a.tar"]

    def test_a_file_appears_when_it_is_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tar"
        with open_output(path, replace=False) as (fd, shown):
            os.write(fd, b"x")
            assert shown == path
            assert not path.exists()
        assert path.read_bytes() == b"x"

        def interrupted() -> None:
            with open_output(path, replace=True) as (fd, _):
                os.write(fd, b"new")
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert path.read_bytes() == b"x"
        assert os.listdir(tmp_path) == ["a.tar"]

    def test_the_file_behind_a_link_is_replaced(self, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "link").symlink_to("elsewhere/a.tar")
        with open_output(tmp_path / "link", replace=True) as (fd, _):
            os.write(fd, b"x")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "elsewhere" / "a.tar").read_bytes() == b"x"

    @pytest.mark.parametrize("name", ["/dev/fd/{}", "/proc/self/fd/{}"])
    def test_a_descriptor_that_a_shell_made_a_file(self, name: str, tmp_path: Path) -> None:
        with (tmp_path / "a.tar").open("wb", buffering=0) as given:
            given.write(b"before ")
            with open_output(Path(name.format(given.fileno())), replace=False) as (fd, _):
                os.write(fd, b"x")
            given.write(b" after")
        assert (tmp_path / "a.tar").read_bytes() == b"before x after"

    def test_a_pipe(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        reading = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
        try:
            with open_output(tmp_path / "pipe", replace=False) as (fd, _):
                os.write(fd, b"x")
            assert os.read(reading, 10) == b"x"
        finally:
            os.close(reading)
        assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
