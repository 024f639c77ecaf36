"""Clients that mean harm, or know no better: one clear answer each, and the next client finds everything as it was."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.served import Served, served

EMPTY = "sha256:" + hashlib.sha256(b"").hexdigest()
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("hostile") / "layout", "--writable", "--max-blob-size", "1M") as running:
        yield running


def talk(server: Served, sent: bytes, *, ends: bool = False) -> bytes:
    """What comes back for raw bytes, until the server closes; with ``ends`` we say that nothing more comes."""
    host, _, port = server.host.partition(":")
    with socket.create_connection((host, int(port)), timeout=15) as connection:
        answer = bytearray()
        try:
            connection.sendall(sent)
            if ends:
                connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                answer += piece
        except ConnectionError:  # it was closed while we were sending
            pass
        return bytes(answer)


def request(line: str, *headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join([f"{line} HTTP/1.1", "Host: r", *headers, "Connection: close", "", ""]).encode("latin-1") + body


@pytest.fixture(autouse=True)
def afterwards(server: Served) -> Iterator[None]:
    """The server goes on, and has written nothing about it."""
    yield
    assert httpx.get(f"{server.url}/healthz").text == "ok\n"
    assert not any("Traceback" in line or "failed" in line for line in server.lines), server.lines


CHUNKED = "Transfer-Encoding: chunked"


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100), "400"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400 405 505"),
        (b"GET /v2/\r\n\r\n", "200 400"),
        (b"GET /v2/ HTTP/9.9\r\nHost: r\r\n\r\n", "400 505"),
        (b"GET /v2/ HTTP/1.1\r\nConnection: close\r\n\r\n", "400 200"),
        (b"GET /v2/\x00 HTTP/1.1\r\nHost: r\r\n\r\n", "400"),
        (b"GET /v2/ HTTP/1.1\r\nHost: r\r\nX: a\x00b\r\n\r\n", "400"),
        (b"GET /v2/ HTTP/1.1\r\nHost : r\r\n\r\n", "400"),
        (b"GET /v2/ HTTP/1.1\r\nHost: r\r\n X: folded\r\n\r\n", "400"),
        (b"GET /v2/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"),
        (request("GET /v2/../../etc/passwd"), "400"),
        (request("GET /v2/a%2fb/manifests/v1"), "400"),
        (request("GET /v2/" + "a" * 9000), "400 414 431"),
        (request("GET /v2/", "X: " + "a" * 100_000), "400 431"),
        (request("GET /v2/", *[f"X-{number}: y" for number in range(2000)]), "400 431"),
        (request("POST /v2/a/blobs/uploads/", CHUNKED, "Content-Length: 5", body=b"0\r\n\r\nGET /v2/ HTTP/1.1\r\n\r\n"), "400"),
        (request("POST /v2/a/blobs/uploads/", "Content-Length: 5", "Content-Length: 6", body=b"hello!"), "400"),
        (request("POST /v2/a/blobs/uploads/", "Content-Length: -1"), "400"),
        (request("POST /v2/a/blobs/uploads/", "Content-Length: 0x10", body=bytes(16)), "400"),
        (request("POST /v2/a/blobs/uploads/", "Transfer-Encoding: xchunked", body=b"0\r\n\r\n"), "400 501"),
        (request("POST /v2/a/blobs/uploads/", "Transfer-Encoding: chunked, gzip", body=b"0\r\n\r\n"), "400 501"),
        (request(f"POST /v2/a/blobs/uploads/?digest={EMPTY}", CHUNKED, body=b"zz\r\nhello\r\n0\r\n\r\n"), "400"),
        (request(f"POST /v2/a/blobs/uploads/?digest={EMPTY}", CHUNKED, body=b"5\r\nhelloXX0\r\n\r\n"), "400"),
        (request(f"POST /v2/a/blobs/uploads/?digest={EMPTY}", CHUNKED, body=b"ffffffffffffffffff\r\nhello"), "400 413"),
        (request("PUT /v2/a/manifests/v1", "Content-Length: 99999999", body=b"{}"), "413"),
        (request("PUT /v2/a/manifests/v1", "Content-Length: " + "9" * 30, body=b"{}"), "400 413"),
        (request("GET /v2/", "Expect: 200-maybe"), "200 400 417"),
        (request("GET /v2/", "Upgrade: h2c", "Connection: upgrade"), "200"),
    ],
)  # fmt: skip
def test_requests_that_are_none(server: Served, sent: bytes, statuses: str) -> None:
    answer = talk(server, sent)
    assert answer[:9] == b"HTTP/1.1 ", answer
    assert answer[9:12].decode() in statuses.split(), answer
    assert answer.count(b"HTTP/1.1 ") == 1, "what is behind the request is none"


def manifest(**members: object) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, **members}).encode()


def described(digest: str, size: object = 1, media_type: str = "application/vnd.oci.image.config.v1+json") -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest, "size": size}


SOME = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("content", "media_type", "code"),
    [
        (b"", MANIFEST, "MANIFEST_INVALID"),
        (b"null", MANIFEST, "MANIFEST_INVALID"),
        (b"[" * 100_000, MANIFEST, "MANIFEST_INVALID"),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, MANIFEST, "MANIFEST_INVALID"),
        (b'{"schemaVersion":' + b"9" * 100_000 + b"}", MANIFEST, "MANIFEST_INVALID"),
        (b'{"schemaVersion":2,"schemaVersion":2}', MANIFEST, "MANIFEST_INVALID"),
        (b"\xff\xfe", MANIFEST, "MANIFEST_INVALID"),
        (manifest(config=[], layers=[]), MANIFEST, "MANIFEST_INVALID"),
        (manifest(config=described("sha256:../../x"), layers=[]), MANIFEST, "MANIFEST_INVALID"),
        (manifest(config=described(SOME, -1), layers=[]), MANIFEST, "MANIFEST_INVALID"),
        (manifest(config=described(SOME, 1e400), layers=[]), MANIFEST, "MANIFEST_INVALID"),
        (manifest(config=described(SOME), layers=[], manifests=[]), MANIFEST, "MANIFEST_INVALID"),
        (manifest(config=described(SOME), layers=[]), INDEX, "MANIFEST_INVALID"),
        (manifest(config=described(SOME), layers=[]), MANIFEST, "MANIFEST_BLOB_UNKNOWN"),
        (manifest(config=described(SOME), layers=[described(SOME)] * 5000), MANIFEST, "MANIFEST_BLOB_UNKNOWN"),
    ],
)
def test_manifests(server: Served, content: bytes, media_type: str, code: str) -> None:
    url = f"{server.url}/v2/a/manifests/v1"
    answered = httpx.put(url, content=content, headers={"Content-Type": media_type}, timeout=30)
    assert answered.status_code in (400, 404)
    assert answered.json()["errors"][0]["code"] == code
    assert len(answered.content) < 20_000
    assert httpx.get(url).status_code == 404


@pytest.mark.parametrize(
    ("reference", "status"),
    [
        ("sha256:" + "0" * 63, 400),
        ("sha256:" + "A" * 64, 400),
        ("md5:" + "0" * 32, 400),
        ("x" * 129, 400),
        (".v1", 400),
        ("v1:", 400),
        (SOME, 400),
    ],
)
def test_references(server: Served, reference: str, status: int) -> None:
    answered = httpx.put(f"{server.url}/v2/a/manifests/{reference}", content=manifest(config=described(SOME), layers=[]),
                         headers={"Content-Type": MANIFEST})  # fmt: skip
    assert answered.status_code == status


@pytest.mark.parametrize("name", ["A", "-a", "a/", "a__", "a___b", "_", "a/" * 200 + "a", "aa" * 200])
def test_names(server: Served, name: str) -> None:
    answered = httpx.post(f"{server.url}/v2/{name}/blobs/uploads/", content=b"")
    assert answered.status_code == 400
    assert answered.json()["errors"][0]["code"] == "NAME_INVALID"


def begin(server: Served, name: str = "a") -> str:
    answered = httpx.post(f"{server.url}/v2/{name}/blobs/uploads/", content=b"")
    assert answered.status_code == 202
    return str(answered.headers["location"])


def size_of(server: Served, location: str) -> int:
    return int(httpx.get(server.url + location).headers["range"].partition("-")[2])


@pytest.mark.parametrize(
    ("content_range", "status"),
    [
        ("5-9", 416),
        ("0-1", 400),
        ("0-99", 400),
        ("9-5", 400),
        ("0-99999999999999999999999999", 400),
        ("-5", 400),
        ("x", 400),
    ],
)
def test_a_content_range_that_lies(server: Served, content_range: str, status: int) -> None:
    location = begin(server)
    answered = httpx.patch(server.url + location, content=b"hello", headers={"Content-Range": content_range})
    assert answered.status_code == status, answered.text
    assert size_of(server, location) == 0
    digest = "sha256:" + hashlib.sha256(b"hello").hexdigest()
    assert httpx.put(f"{server.url}{location}?digest={digest}", content=b"hello").status_code == 201


def test_wrong_bytes_and_too_many(server: Served, tmp_path: Path) -> None:
    location = begin(server)
    answered = httpx.put(f"{server.url}{location}?digest={SOME}", content=b"other")
    assert (answered.status_code, answered.json()["errors"][0]["code"]) == (400, "DIGEST_INVALID")
    location = begin(server)
    assert httpx.patch(server.url + location, content=bytes(600_000)).status_code == 202
    answered = httpx.patch(server.url + location, content=bytes(600_000))
    assert (answered.status_code, answered.json()["errors"][0]["code"]) == (413, "SIZE_INVALID")

    def endless() -> Iterator[bytes]:
        for _ in range(500):
            yield bytes(10_000)

    answered = httpx.patch(server.url + begin(server), content=endless())
    assert (answered.status_code, answered.json()["errors"][0]["code"]) == (413, "SIZE_INVALID")
    assert httpx.head(f"{server.url}/v2/a/blobs/{SOME}").status_code == 404


def test_a_client_that_goes_away_leaves_nothing_but_its_upload(server: Served) -> None:
    location = begin(server)
    head = f"PATCH {location} HTTP/1.1\r\nHost: r\r\nContent-Length: 1000\r\n\r\n".encode()
    answer = talk(server, head + bytes(100), ends=True)
    assert b" 202 " not in answer
    digest = "sha256:" + hashlib.sha256(bytes(1000)).hexdigest()
    assert httpx.head(f"{server.url}/v2/a/blobs/{digest}").status_code == 404


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "[::1]:5"])
def test_locations_do_not_come_from_the_host_header(server: Served, host: str) -> None:
    for headers in ({}, {"X-Forwarded-Host": host, "X-Forwarded-Proto": "https", "Forwarded": f"host={host}"}):
        answered = httpx.post(f"{server.url}/v2/a/blobs/uploads/", headers={"Host": host, **headers}, content=b"")
        assert answered.headers["location"].startswith("/v2/a/blobs/uploads/")


def test_foreign_pages_change_nothing(server: Served) -> None:
    answered = httpx.post(f"{server.url}/v2/a/blobs/uploads/", headers={"Origin": "http://evil.example"}, content=b"")
    assert (answered.status_code, answered.json()["errors"][0]["code"]) == (403, "DENIED")


def test_uploads_without_end(server: Served) -> None:
    with httpx.Client(base_url=server.url) as client:
        statuses = [client.post("/v2/many/blobs/uploads/", content=b"").status_code for _ in range(300)]
    assert statuses[0] == 202
    assert statuses[-1] == 429
    assert statuses.count(202) <= 256
