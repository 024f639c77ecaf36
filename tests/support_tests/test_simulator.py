"""The simulator is an honest registry until it is told to be another."""

from __future__ import annotations

import datetime as dt
import http.client
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path
from typing import NoReturn

import pytest

from tests.support import faults as f
from tests.support.exchange import Response
from tests.support.images import BuiltImage, build
from tests.support.outputs import connected
from tests.support.simulator import BasicGate, BearerGate, Simulator
from tests.support.tls import Authority

IMAGE = build("oci")
DIGEST = IMAGE.layer_digests()[0]
BLOB = IMAGE.blobs[DIGEST]
PATH = f"/v2/test/image/blobs/{DIGEST}"


class Answer:
    """What a plain client sees; ``broken`` when the body ended before its time."""

    def __init__(
        self,
        registry: Simulator,
        path: str,
        method: str = "GET",
        *,
        context: ssl.SSLContext | None = None,
        **headers: str,
    ) -> None:
        self.broken = False
        with connected(registry.url, context) as connection:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            self.status, self.headers = response.status, response.headers
            try:
                self.body = response.read()
            except http.client.IncompleteRead as error:
                self.broken, self.body = True, error.partial
            except ConnectionResetError:
                self.broken, self.body = True, b""


def test_serves_manifests_blobs_and_tags() -> None:
    with Simulator(IMAGE) as registry:
        registry.add(IMAGE, "test/image", "other")
        answer = Answer(registry, "/v2/test/image/manifests/latest")
        assert (answer.status, answer.body) == (200, IMAGE.root.raw)
        assert answer.headers["Docker-Content-Digest"] == IMAGE.digest
        assert Answer(registry, f"/v2/test/image/manifests/{IMAGE.digest}", "HEAD").headers["Content-Length"] == str(
            len(IMAGE.root.raw)
        )
        assert Answer(registry, PATH).body == BLOB
        assert Answer(registry, f"/storage/{DIGEST}").body == BLOB
        assert (
            Answer(registry, "/v2/test/image/tags/list").body == b'{"name": "test/image", "tags": ["latest", "other"]}'
        )
        page = Answer(registry, "/v2/test/image/tags/list?n=1")
        assert page.headers["Link"] == '</v2/test/image/tags/list?last=latest&n=1>; rel="next"'
        assert b"MANIFEST_UNKNOWN" in Answer(registry, "/v2/test/image/manifests/none").body
        assert Answer(registry, "/v2/none/manifests/latest").status == 404
        assert registry.log[0] == "GET /v2/test/image/manifests/latest"
        assert registry.secrets_seen == []


def test_honest_ranges() -> None:
    with Simulator(IMAGE) as registry:
        part = Answer(registry, PATH, Range="bytes=100-")
        assert (part.status, part.body) == (206, BLOB[100:])
        assert part.headers["Content-Range"] == f"bytes 100-{len(BLOB) - 1}/{len(BLOB)}"
        assert Answer(registry, PATH, Range="bytes=5-9").body == BLOB[5:10]
        assert Answer(registry, PATH, Range=f"bytes={len(BLOB)}-").status == 416


def test_connections_are_kept_and_recorded() -> None:
    with Simulator(IMAGE) as registry:
        with connected(registry.url) as connection:
            for _ in range(3):
                connection.request("GET", PATH, headers={"Authorization": "Bearer secret"})
                assert connection.getresponse().read() == BLOB
        assert registry.connections_seen == 1
        assert {request.connection for request in registry.requests} == {1}
        assert registry.secrets_seen == ["Bearer secret"] * 3


@pytest.mark.parametrize("reset", [False, True])
def test_cut_so_many_times(reset: bool) -> None:
    with Simulator(IMAGE) as registry:
        registry.on_blob(DIGEST, f.Cut(100, reset), times=2, skip=1)
        answers = [Answer(registry, PATH) for _ in range(4)]
        assert [a.broken for a in answers] == [False, True, True, False]
        assert reset or answers[1].body == BLOB[:100]
        assert int(answers[1].headers["Content-Length"]) == len(BLOB)


def test_framing() -> None:
    with Simulator(IMAGE) as registry:
        registry.on("/storage/*", f.Chunked(100))
        whole = Answer(registry, f"/storage/{DIGEST}")
        assert whole.body == BLOB
        assert "Content-Length" not in whole.headers
        registry.on("/storage/*", f.Cut(150))
        cut = Answer(registry, f"/storage/{DIGEST}")
        assert cut.broken
        registry.on_blob(DIGEST, f.UntilClose())
        assert Answer(registry, PATH).body == BLOB


def test_a_cut_chunked_body_is_short_on_the_wire() -> None:
    with Simulator(IMAGE) as registry, socket.create_connection(("127.0.0.1", registry.port)) as client:
        registry.on_blob(DIGEST, f.Chunked(100), f.Cut(150))
        client.sendall(f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        said = b"".join(iter(lambda: client.recv(65536), b""))
        assert said.partition(b"\r\n\r\n")[2] == b"64\r\n" + BLOB[:100] + b"\r\n64\r\n" + BLOB[100:150]


def test_other_content_and_lengths() -> None:
    cases: list[tuple[f.Fault, bytes]] = [
        (f.Short(3), BLOB[:-3]),
        (f.Long(3), BLOB + b"xxx"),
        (f.Long(3, agreeing=False), BLOB),
        (f.Body(b"other"), b"other"),
        (f.Padded(len(BLOB) + 5), BLOB + b" " * 5),
    ]
    for fault, body in cases:
        with Simulator(IMAGE) as registry:
            registry.on_blob(DIGEST, fault)
            assert Answer(registry, PATH).body == body, fault
    with Simulator(IMAGE) as registry:
        registry.on_blob(DIGEST, f.Flip(-1))
        assert Answer(registry, PATH).body == BLOB[:-1] + bytes([BLOB[-1] ^ 1])
        assert Answer(registry, PATH, Range="bytes=10-").body[-1] == BLOB[-1] ^ 1
        assert Answer(registry, PATH, Range="bytes=10-20").body == BLOB[10:21]


@pytest.mark.parametrize(
    ("mode", "status", "said", "body"),
    [
        ("ignored", 200, None, BLOB),
        ("refused-400", 400, None, None),
        ("refused-403", 403, None, None),
        ("refused-416", 416, f"bytes */{len(BLOB)}", None),
        ("without-content-range", 206, None, BLOB[10:]),
        ("wrong-start", 206, f"bytes 9-{len(BLOB) - 1}/{len(BLOB)}", BLOB[10:]),
        ("wrong-total", 206, f"bytes 10-{len(BLOB) - 1}/{len(BLOB) + 1}", BLOB[10:]),
        ("from-zero", 206, f"bytes 0-{len(BLOB) - 1}/{len(BLOB)}", BLOB),
        ("one-byte", 206, f"bytes 10-10/{len(BLOB)}", BLOB[10:11]),
        ("multipart", 206, None, None),
    ],
)
def test_odd_ranges(mode: f.RangeMode, status: int, said: str | None, body: bytes | None) -> None:
    with Simulator(IMAGE) as registry:
        registry.on_blob(DIGEST, f.Ranges(mode))
        assert Answer(registry, PATH).body == BLOB
        answer = Answer(registry, PATH, Range="bytes=10-")
        assert (answer.status, answer.headers["Content-Range"]) == (status, said)
        assert body is None or answer.body == body


def test_refusals_and_redirects() -> None:
    moment = dt.datetime(2030, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    with Simulator(IMAGE) as registry:
        registry.on_manifest("latest", f.Refuse(429, retry_after=7), times=1)
        registry.on_manifest("latest", f.Refuse(503, retry_after=moment), times=1, skip=1)
        registry.on_blob(DIGEST, f.Redirect(f"{registry.url}/storage/{{name}}?signature=1"))
        first, second, third = (Answer(registry, "/v2/test/image/manifests/latest") for _ in range(3))
        assert (first.status, first.headers["Retry-After"]) == (429, "7")
        assert (second.status, second.headers["Retry-After"]) == (503, "Wed, 02 Jan 2030 03:04:05 GMT")
        assert third.body == IMAGE.root.raw
        assert Answer(registry, PATH).headers["Location"] == f"{registry.url}/storage/{DIGEST}?signature=1"
        registry.on_manifest("latest", f.SetHeaders({"Docker-Content-Digest": None, "Content-Type": "text/plain"}))
        answer = Answer(registry, "/v2/test/image/manifests/latest")
        assert answer.headers["Docker-Content-Digest"] is None
        assert answer.headers["Content-Type"] == "text/plain"
        registry.routes["/elsewhere"] = Response(418, (), b"tea")
        assert Answer(registry, "/elsewhere").status == 418


def test_stall_ends_with_the_client_or_the_server() -> None:
    threads = threading.active_count()
    with Simulator(IMAGE) as registry:
        registry.on_blob(DIGEST, f.Stall(10))
        with connected(registry.url) as connection:
            connection.request("GET", PATH)
            assert connection.getresponse().read(10) == BLOB[:10]
            assert registry.stalling.wait(5)
        started = time.monotonic()
        client = socket.create_connection(("127.0.0.1", registry.port))
        client.sendall(f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        client.recv(10)
    client.close()
    assert time.monotonic() - started < 5
    assert threading.active_count() == threads


def test_slow_silent_and_endless() -> None:
    with Simulator(IMAGE) as registry:
        registry.on("/v2/", f.Drip(1, 0.05), f.Delay(0.05))
        started = time.monotonic()
        assert Answer(registry, "/v2/").body == b"{}"
        assert time.monotonic() - started >= 0.1
        registry.on_manifest("latest", f.Drop(), times=1)
        with pytest.raises(http.client.RemoteDisconnected):
            Answer(registry, "/v2/test/image/manifests/latest")
        registry.on_manifest("latest", f.Endless())
        with connected(registry.url) as connection:
            connection.request("GET", "/v2/test/image/manifests/latest")
            assert len(connection.getresponse().read(5_000_000)) == 5_000_000


def test_gates() -> None:
    basic = BasicGate({"user": "pass"})
    with Simulator(IMAGE, gate=basic) as registry:
        assert Answer(registry, "/v2/").headers["WWW-Authenticate"] == 'Basic realm="simulator"'
        assert Answer(registry, "/v2/", Authorization="Basic dXNlcjpwYXNz").status == 200
    bearer = BearerGate("http://x/token", lambda token, scope: token == "good" or (token == "weak" and not scope))
    with Simulator(IMAGE, gate=bearer) as registry:
        refused = Answer(registry, PATH)
        challenge = 'Bearer realm="http://x/token",service="simulator",scope="repository:test/image:pull"'
        assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, challenge)
        assert Answer(registry, PATH, Authorization="Bearer good").status == 200
        weak = Answer(registry, PATH, Authorization="Bearer weak").headers["WWW-Authenticate"]
        assert weak == challenge + ',error="insufficient_scope"'
        assert Answer(registry, f"/storage/{DIGEST}").status == 200
    with Simulator(IMAGE) as registry:
        registry.on("/v2/*", f.Challenge(("Digest x=1", "Basic realm=a, Bearer realm=b"), unless_authorized=True))
        assert Answer(registry, PATH).headers.get_all("WWW-Authenticate") == [
            "Digest x=1",
            "Basic realm=a, Bearer realm=b",
        ]
        assert Answer(registry, PATH, Authorization="x").status == 200


def test_tls_and_client_certificates(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path)
    server = authority.server(client_authority=authority.path)
    with Simulator(IMAGE, tls=server) as registry:
        with connected(registry.url, server.client_context(authority.client())) as connection:
            connection.request("GET", PATH)
            assert connection.getresponse().read() == BLOB
        for context in (ssl.create_default_context(), server.client_context()):
            with pytest.raises(OSError):
                Answer(registry, PATH, context=context)
        registry.on_blob(DIGEST, f.Cut(20))
        with connected(registry.url, server.client_context(authority.client())) as connection:
            connection.request("GET", PATH)
            with pytest.raises((http.client.IncompleteRead, ssl.SSLEOFError)):
                connection.getresponse().read()
    assert len(registry.requests) == 2


def test_a_mistake_of_the_server_itself_fails_the_test() -> None:
    class Broken(Simulator):
        def receive(self, request: object) -> NoReturn:
            raise ZeroDivisionError

    with pytest.raises(AssertionError, match="ZeroDivisionError"), Broken(IMAGE) as registry:
        with pytest.raises(http.client.RemoteDisconnected):
            Answer(registry, PATH)


@pytest.mark.peer("skopeo")
def test_a_real_skopeo_pulls_from_it(tmp_path: Path) -> None:
    images: list[BuiltImage] = [build("docker-list"), build("oci-index-attested"), build("artifact")]
    with Simulator() as registry:
        for number, image in enumerate(images):
            registry.add(image, f"some/image-{number}", "v1")
            command = ["skopeo", "--insecure-policy", "copy", "-q", "--all", "--src-tls-verify=false"]
            target = tmp_path / str(number)
            subprocess.run(
                [*command, registry.name(f"some/image-{number}", "v1"), f"dir:{target}"],
                check=True,
                capture_output=True,
            )
            assert (target / "manifest.json").read_bytes() == image.root.raw
