"""Lines of the access log: complete, in one line, without secrets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import anyio
import pytest

from pyskopeo.errors import StorageFailed
from pyskopeo.serve import access_log
from pyskopeo.serve.access_log import AccessLog, log_line
from pyskopeo.serve.metrics import Exchange


def line(target: bytes = b"/v2/", agent: bytes = b"docker/29", user: str = "", method: str = "GET") -> str:
    path, _, query = target.partition(b"?")
    scope: dict[str, Any] = {
        "client": ("10.0.0.1", 1), "method": method, "raw_path": path, "query_string": query,
        "headers": [(b"user-agent", agent), (b"authorization", b"Basic c2VjcmV0")],
    }  # fmt: skip
    return log_line(scope, user, Exchange(200, 0.0123, 5, 7), 1_800_000_000.5)


def test_a_line() -> None:
    assert line(b"/v2/a/manifests/v1", user="alice") == (
        '2027-01-15T08:00:00.500Z 10.0.0.1 alice "GET /v2/a/manifests/v1" 200 5 7 0.012 "docker/29"'
    )


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        (b"/v2/a/blobs/uploads/1?_state=s3cret&digest=sha256:0", "/v2/a/blobs/uploads/1?_state=...&digest=sha256:0"),
        (b"/v2/_catalog?n=5&last=a%0ab", "/v2/_catalog?n=5&last=a\\nb"),
        (b"/v2/x?" + b"&".join([b"a=s3cret"] * 200), "/v2/x?..."),
        (b'/v2/a" 200 5', "/v2/a\\x22 200 5"),
        (b"/v2/\x1b[31m\xff", "/v2/\\x1b[31m\\xff"),
        (b"/" + b"a" * 5000, "/" + "a" * 1999 + "..."),
    ],
)
def test_paths(target: bytes, shown: str) -> None:
    assert f'"GET {shown}"' in line(target)
    assert "s3cret" not in line(target)


def test_what_clients_say_stays_in_its_place() -> None:
    written = line(agent=b'x" "\r\nfaked \x1b[0m\xc3', user="al ice\n\x00")
    assert "\n" not in written
    assert written.isprintable()
    assert written.count('"') == 4
    assert " al\\x20ice\\n\\x00 " in written
    assert "c2VjcmV0" not in written


@pytest.mark.anyio
async def test_it_is_written_and_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "_FLUSH_SECONDS", 0.001)
    path = tmp_path / "log"
    log = AccessLog(str(path))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(log.run)
        log.add("one")
        with anyio.fail_after(10):
            while not path.read_text():
                await anyio.sleep(0.005)
        path.rename(tmp_path / "old")
        log.reopen()
        log.add("two")
        log.add("three")
        tasks.cancel_scope.cancel()
    assert ((tmp_path / "old").read_text(), path.read_text()) == ("one\n", "two\nthree\n")
    assert path.stat().st_mode & 0o007 == 0


def test_nobody_waits_for_a_slow_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "_WAITING", 2)
    log = AccessLog(str(tmp_path / "log"))
    for _ in range(5):
        log.add("line")
    assert log.dropped == 3
    log._write()
    assert (tmp_path / "log").read_text() == "line\n" * 2


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_disk_loses_lines_and_nothing_else() -> None:
    log = AccessLog("/dev/full")
    log.add("line")
    log._write()
    assert log.dropped == 1


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed, match=f"^open {tmp_path}/none/log: no such file or directory"):
        AccessLog(str(tmp_path / "none" / "log"))
