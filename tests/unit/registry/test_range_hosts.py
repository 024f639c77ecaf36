"""Connections that fetch blobs: one limit for the process and one per host, for parts of large blobs first."""

from __future__ import annotations

import anyio
import pytest

from pyskopeo.registry.range_hosts import RangeHosts

pytestmark = pytest.mark.anyio


async def test_parts_get_what_streams_leave() -> None:
    hosts = RangeHosts(100)
    host = hosts["a"]
    for blob in ("one", "two"):
        await hosts.wait_for(host, blob, 9)
    assert [hosts.take(host, 4, "blob", 9) for _ in range(3)] == [True, True, False]
    hosts.release(host)
    assert hosts.take(host, 4, "blob", 9)


@pytest.mark.parametrize(("most", "most_to_a_host"), [(2, 9), (9, 2)], ids=["process", "host"])
async def test_streams_wait_for_a_connection_and_the_largest_comes_first(most: int, most_to_a_host: int) -> None:
    hosts = RangeHosts(most, most_to_a_host)
    host, begun = hosts["a"], list[int]()

    async def stream(size: int) -> None:
        await hosts.wait_for(host, f"of {size}", size)
        begun.append(size)

    async with anyio.create_task_group() as tasks:
        for size in (1, 2, 5, 9, 7):
            tasks.start_soon(stream, size)
            await anyio.sleep(0)
        await anyio.sleep(0.05)
        assert sorted(begun) == [1, 2]
        assert host.connections == 2
        for number in (3, 4, 5):
            hosts.release(host)
            with anyio.fail_after(5):
                while len(begun) < number:
                    await anyio.sleep(0.01)
    assert begun[2:] == [9, 7, 5]
    assert (host.connections, host.waiting_streams) == (2, {})


async def test_a_part_does_not_come_before_a_stream() -> None:
    """Others may wait for the bytes of the stream."""
    hosts = RangeHosts(2)
    host = hosts["a"]
    assert [hosts.take(host, 8, "large", 500) for _ in range(2)] == [True, True]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hosts.wait_for, hosts["b"], "small", 5)
        await anyio.sleep(0.05)
        hosts.release(host)
        assert not hosts.take(host, 8, "large", 400)
    assert (host.connections, hosts["b"].connections) == (1, 1)


async def test_a_stream_that_is_cancelled_waits_no_more() -> None:
    hosts = RangeHosts(1)
    host = hosts["a"]
    await hosts.wait_for(host, "first", 5)
    with anyio.move_on_after(0.05) as scope:
        await hosts.wait_for(host, "second", 9)
    assert scope.cancelled_caught
    hosts.release(host)
    assert hosts.take(host, 1, "third", 1)
    assert host.connections == 1


def test_one_limit_for_all_hosts() -> None:
    hosts = RangeHosts(3)
    assert [hosts.take(hosts[name], 2, name, 9) for name in "aabb"] == [True, True, True, False]
    hosts.release(hosts["a"])
    assert hosts.take(hosts["b"], 2, "b", 9)


def test_the_blob_with_most_left_comes_first() -> None:
    hosts = RangeHosts(100)
    host = hosts["a"]
    assert hosts.take(host, 1, "small", 10)
    assert not hosts.take(host, 1, "large", 500)
    hosts.release(host)
    assert not hosts.take(host, 1, "small", 5)
    assert hosts.take(host, 1, "large", 480)
    hosts.release(host)
    assert hosts.take(host, 1, "small", 5)


def test_a_blob_that_waits_no_more_holds_up_no_other() -> None:
    hosts = RangeHosts(100)
    host = hosts["a"]
    assert hosts.take(host, 1, "small", 10)
    assert not hosts.take(host, 1, "large", 500)
    hosts.leave(host, "large")
    hosts.release(host)
    assert hosts.take(host, 1, "small", 5)


def test_hosts_are_remembered() -> None:
    hosts = RangeHosts()
    hosts["a"].refused = "it has no ranges"
    assert (hosts["a"].refused, hosts["b"].refused) == ("it has no ranges", "")
    hosts.clear()
    assert hosts["a"].refused == ""
