"""The addresses of schedulers."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from pyskopeo.cluster.connection import connected, scheduler_address
from pyskopeo.cluster.copy_on_cluster import ClusterOptions
from pyskopeo.errors import InvalidInput, PyskopeoError, Unsupported


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("tcp://example.com:8786", "tcp://example.com:8786"),
        ("tls://10.0.0.1:1", "tls://10.0.0.1:1"),
        ("example.com:8786", "tcp://example.com:8786"),
        ("[::1]:8786", "tcp://[::1]:8786"),
    ],
)
def test_addresses(name: str, address: str) -> None:
    assert scheduler_address(name) == address


@pytest.mark.parametrize("name", ["", "example.com", "tcp://example.com", "tcp://a:b:c", "\x1b[31mred:1", "/no/such", "tcp://x:1/path"])
def test_no_addresses(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        scheduler_address(name)
    assert "want the address of a Dask scheduler" in str(refused.value)
    assert str(refused.value).isprintable()


def test_scheduler_files(tmp_path: Path) -> None:
    file = tmp_path / "scheduler.json"
    file.write_text('{"type": "Scheduler", "address": "tcp://10.0.0.1:8786"}')
    assert scheduler_address(str(file)) == "tcp://10.0.0.1:8786"
    for content in ("{}", "[]", "nothing", '{"address": 5}', '{"address": "x"}'):
        file.write_text(content)
        with pytest.raises(PyskopeoError):
            scheduler_address(str(file))


def test_options() -> None:
    assert ClusterOptions("tls://a:1", send_credentials=True).check() == "tls://a:1"
    for options in (ClusterOptions("tcp://a:1", jobs=0), ClusterOptions("tcp://a:1", send_credentials=True)):
        with pytest.raises(InvalidInput):
            options.check()


def test_trio() -> None:
    async def connect() -> None:
        async with connected("tcp://127.0.0.1:1"):
            pass

    with pytest.raises(Unsupported, match="cannot run on trio"):
        anyio.run(connect, backend="trio")
