"""Connections that fetch blobs: one limit for the process and one per host, for parts of large blobs first."""

from __future__ import annotations

from pyskopeo.registry.range_hosts import RangeHosts


def test_parts_get_what_streams_leave() -> None:
    hosts = RangeHosts(100)
    host = hosts["a"]
    hosts.add(host)
    hosts.add(host)
    assert [hosts.take(host, 4, "blob", 9) for _ in range(3)] == [True, True, False]
    hosts.release(host)
    assert hosts.take(host, 4, "blob", 9)


def test_a_stream_never_waits() -> None:
    hosts = RangeHosts(2)
    host = hosts["a"]
    for _ in range(3):
        hosts.add(host)
    assert host.connections == 3
    assert not hosts.take(host, 8, "blob", 9)


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
