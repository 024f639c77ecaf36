"""The fake daemon tells a whole body from a cut one."""

from __future__ import annotations

from tests.support.fake_daemon import FakeDaemon, pieces


def test_the_fake_daemon_tells_a_whole_body_from_a_cut_one() -> None:
    """The tests above rest on it."""
    import socket

    with FakeDaemon(tcp=True) as daemon:
        daemon.on["load"] = lambda call: call.read()
        for end, whole in ((b"0\r\n\r\n", True), (b"", False), (b"5\r\nab", False)):
            with socket.create_connection(("127.0.0.1", daemon.port)) as client:
                client.sendall(b"POST /images/load HTTP/1.1\r\n\r\n" + b"3\r\nxyz\r\n" + end)
                client.shutdown(socket.SHUT_WR)
                client.recv(10)
            daemon.settle()
            assert (bytes(daemon.loads[-1].body)[:3], daemon.loads[-1].whole) == (b"xyz", whole)
    assert list(pieces(b"abc", 2)) == [b"ab", b"c"]
