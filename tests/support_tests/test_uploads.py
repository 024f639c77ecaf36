"""The simulator takes pushes as the distribution specification says, until it is told to do otherwise."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.support import faults as f
from tests.support import upload_faults as u
from tests.support.images import build, digest_of
from tests.support.outputs import push, write_dir
from tests.support.simulator import BearerGate, Pushing, Simulator

IMAGE = build("oci")
DATA = bytes(range(256)) * 40
DIGEST = digest_of(DATA)
UPLOADS = "/v2/test/image/blobs/uploads/"


class Client:
    """A connection; each call is (status, headers), and ``body`` the last body."""

    def __init__(self, registry: Simulator) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", registry.port, timeout=10)
        self.body = b""

    def __call__(
        self, method: str, path: str, body: bytes | Iterable[bytes] | None = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        chunked = body is not None and not isinstance(body, bytes)
        if chunked:
            named["Transfer-Encoding"] = "chunked"
        self.connection.request(method, path, body, named, encode_chunked=chunked)
        response = self.connection.getresponse()
        self.body = response.read()
        return response.status, response.headers

    def begin(self) -> str:
        status, headers = self("POST", UPLOADS)
        assert status == 202
        return headers["Location"]

    def finish(self, location: str, digest: str = DIGEST, body: bytes | None = None) -> int:
        return self("PUT", f"{location}{'&' if '?' in location else '?'}digest={digest}", body)[0]

    def code(self) -> str:
        return str(json.loads(self.body)["errors"][0]["code"])


@pytest.fixture
def pushing() -> Pushing:
    return Pushing()


@pytest.fixture
def registry(pushing: Pushing) -> Iterator[Simulator]:
    with Simulator(pushing=pushing) as running:
        yield running


@pytest.fixture
def client(registry: Simulator) -> Iterator[Client]:
    made = Client(registry)
    yield made
    made.connection.close()


def option(**options: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("pushing", [Pushing(**options)])


@pytest.mark.parametrize(
    "pushing", [Pushing(absolute=a, query=q) for a, q in itertools.product((False, True), (False, True))]
)
def test_in_pieces_and_at_once(registry: Simulator, client: Client) -> None:
    first = client.begin()
    assert registry.open_uploads
    assert first.startswith("http://127") == registry.pushing.absolute
    assert ("?" in first) == registry.pushing.query
    status, headers = client("PATCH", first, DATA[:1000], Content_Range="0-999")
    assert (status, headers["Range"]) == (202, "0-999")
    second = headers["Location"]
    assert second != first
    status, headers = client("PATCH", second, [DATA[1000:1500], DATA[1500:3000]])
    assert (status, headers["Range"]) == (202, "0-2999")
    assert client.finish(headers["Location"], body=DATA[3000:]) == 201
    assert registry.blobs() == {DIGEST: DATA}
    assert registry.open_uploads == ()
    assert client.finish(client.begin(), body=DATA) == 201
    assert [(r.method, r.length) for r in registry.requests[1:4]] == [
        ("PATCH", 1000), ("PATCH", 2000), ("PUT", len(DATA) - 3000)
    ]  # fmt: skip
    assert client("HEAD", f"/v2/test/image/blobs/{DIGEST}")[1]["Content-Length"] == str(len(DATA))
    assert client("GET", f"/v2/test/image/blobs/{DIGEST}")[0] == 200
    assert client.body == DATA


def test_status_cancel_and_what_is_gone(registry: Simulator, client: Client) -> None:
    location = client.begin()
    assert client("GET", location)[1]["Range"] == "0-0"
    location = client("PATCH", client("GET", location)[1]["Location"], DATA[:77])[1]["Location"]
    status, headers = client("GET", location)
    assert (status, headers["Range"]) == (204, "0-76")
    assert client("DELETE", headers["Location"])[0] == 204
    assert registry.open_uploads == ()
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        assert client(method, location)[0] == 404
    assert not registry.blobs()


def test_out_of_order_and_old_locations(registry: Simulator, client: Client) -> None:
    first = client.begin()
    status, headers = client("PATCH", first, DATA[5:10], Content_Range="5-9")
    assert status == 416
    second = client("PATCH", headers["Location"], DATA[:5], Content_Range="0-4")[1]["Location"]
    assert client("PATCH", second, DATA[:5], Content_Range="0-4")[0] == 416
    assert client("PATCH", first, DATA[5:10])[0] == 416
    _, headers = client("GET", first)
    assert headers["Range"] == "0-4"
    assert client("PATCH", headers["Location"], DATA[5:10], Content_Range="5-20")[0] == 416
    assert client.finish(client("GET", first)[1]["Location"], body=DATA[5:]) == 201


@pytest.mark.parametrize("pushing", [Pushing(stale="served"), Pushing(stale="lost")])
def test_other_ways_with_old_locations(registry: Simulator, client: Client) -> None:
    first = client.begin()
    client("PATCH", first, DATA[:5])
    status, headers = client("PATCH", first, DATA[5:10])
    if registry.pushing.stale == "served":
        assert (status, headers["Range"]) == (202, "0-9")
    else:
        assert (status, headers["Location"]) == (404, None)
        for method in ("GET", "PUT", "DELETE"):
            assert client(method, first)[0] == 404
            assert client.code() == "BLOB_UPLOAD_INVALID"
        assert registry.open_uploads


def test_the_digest_is_checked(registry: Simulator, client: Client) -> None:
    for wrong in (digest_of(b"other"), "", "md5:d41d8cd98f00b204e9800998ecf8427e"):
        assert client.finish(client.begin(), wrong, DATA) == 400
        assert client.code() == "DIGEST_INVALID"
    assert not registry.blobs()
    assert client.finish(client.begin(), digest_of(DATA, "sha512"), DATA) == 201


def test_mounts(registry: Simulator, client: Client) -> None:
    registry.add(IMAGE, "a/b", "v1")
    digest = IMAGE.config_digest()
    status, headers = client("POST", f"{UPLOADS}?mount={digest}&from=a/b")
    assert (status, headers["Docker-Content-Digest"]) == (201, digest)
    assert registry.blobs() == {digest: IMAGE.blobs[digest]}
    assert registry.open_uploads == ()
    for query in (f"mount={DIGEST}&from=a/b", f"mount={digest}&from=c", f"mount={digest}"):
        assert client("POST", f"{UPLOADS}?{query}")[0] == 202
    assert len(registry.open_uploads) == 3


@option(mounts=False)
def test_a_registry_without_mounts(registry: Simulator, client: Client) -> None:
    registry.add(IMAGE, "a/b", "v1")
    status, headers = client("POST", f"{UPLOADS}?mount={IMAGE.config_digest()}&from=a/b")
    assert status == 202
    assert client.finish(headers["Location"], body=DATA) == 201


@option(chunk_min=1000)
def test_a_shortest_chunk(registry: Simulator, client: Client) -> None:
    status, headers = client("POST", UPLOADS)
    assert headers["OCI-Chunk-Min-Length"] == "1000"
    location = client("PATCH", headers["Location"], DATA[:1000])[1]["Location"]
    location = client("PATCH", location, DATA[1000:1999])[1]["Location"]
    assert client("PATCH", location, DATA[1999:])[0] == 400
    assert client.code() == "SIZE_INVALID"


@option(whole_posts=True)
def test_a_blob_in_one_request(registry: Simulator, client: Client) -> None:
    assert client("POST", f"{UPLOADS}?digest={DIGEST}", DATA)[0] == 201
    assert (registry.blobs(), registry.open_uploads) == ({DIGEST: DATA}, ())


def manifest(client: Client, name: str, image: Any = IMAGE, **headers: str) -> int:
    headers = {"Content_Type": image.root.media_type} | headers
    return client("PUT", f"/v2/test/image/manifests/{name}", image.root.raw, **headers)[0]


def test_manifests(registry: Simulator, client: Client) -> None:
    assert manifest(client, "v1") == 400
    assert client.code() == "MANIFEST_BLOB_UNKNOWN"
    for digest, data in IMAGE.blobs.items():
        assert client.finish(client.begin(), digest, data) == 201
    assert manifest(client, "v1", Content_Type="application/vnd.oci.image.index.v1+json") == 400
    assert manifest(client, "v1", Content_Type=f"{IMAGE.root.media_type}; charset=utf-8") == 400
    assert manifest(client, DIGEST) == 400
    assert client.code() == "DIGEST_INVALID"
    assert registry.store.manifests("test/image") == {}
    assert manifest(client, "v1") == manifest(client, IMAGE.digest) == 201
    stored = registry.manifest("v1")
    assert stored is not None
    assert (stored.raw, stored.digest) == (IMAGE.root.raw, IMAGE.digest)
    assert registry.incomplete == []
    registry.store.remove_blob("test/image", IMAGE.config_digest())
    assert registry.incomplete == [f"test/image {n}: {IMAGE.config_digest()}" for n in (IMAGE.digest, "v1")]


def test_children_come_first(registry: Simulator, client: Client) -> None:
    image = build("oci-index")
    assert manifest(client, "v1", image) == 400
    with Simulator() as other:
        assert push(image, other.url, "a") == image.digest
        assert other.incomplete == []


@option(refused_types=frozenset({IMAGE.root.media_type}), refused_as=(415, "UNSUPPORTED"), checks_blobs=False)
def test_types_that_are_refused(registry: Simulator, client: Client) -> None:
    assert manifest(client, "v1") == 415
    assert manifest(client, "v1", build("docker")) == 201
    assert registry.incomplete


@pytest.mark.parametrize("pushing", [Pushing(), Pushing(deletes=False), Pushing(deletes_tags=True)])
def test_deleting(registry: Simulator, client: Client) -> None:
    registry.add(IMAGE, "test/image", "v1")
    registry.add(IMAGE, "test/image", "v2")
    by_tag = client("DELETE", "/v2/test/image/manifests/v1")[0]
    assert by_tag == (202 if registry.pushing.deletes_tags else 405)
    assert (registry.manifest("v1") is None) == (by_tag == 202)
    by_digest = client("DELETE", f"/v2/test/image/manifests/{IMAGE.digest}")[0]
    assert by_digest == (202 if registry.pushing.deletes else 405)
    assert (registry.manifest("v2") is None) == (by_digest == 202)


def test_what_a_gate_is_asked() -> None:
    asked: list[str] = []

    def accepts(token: str, scope: str) -> bool:
        asked.append(scope)
        return True

    with Simulator(IMAGE, gate=BearerGate("http://x/", accepts)) as registry:
        client = Client(registry)
        client("POST", f"{UPLOADS}?mount={DIGEST}&from=a/b", Authorization="Bearer x")
        client("PUT", "/v2/test/image/manifests/v1", b"{}", Authorization="Bearer x")
        client("HEAD", "/v2/test/image/manifests/v1", Authorization="Bearer x")
        client("DELETE", f"{UPLOADS}x", Authorization="Bearer x")
        headers = client("POST", f"{UPLOADS}?mount={DIGEST}&from=a/b")[1]
        assert 'scope="repository:test/image:pull,push repository:a/b:pull"' in headers["WWW-Authenticate"]
        client.connection.close()
    here = "repository:test/image"
    assert asked == [f"{here}:pull,push", "repository:a/b:pull", f"{here}:pull,push", f"{here}:pull", f"{here}:delete"]


# --- faults ---


@pytest.mark.parametrize("pushing", [Pushing(), Pushing(keeps=False)])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("lose", [False, True])
def test_a_cut_body(registry: Simulator, client: Client, chunked: bool, lose: bool) -> None:
    registry.on_upload("PATCH", u.CutUpload(1234, lose=lose), times=1)
    location = client.begin()
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)):
        client("PATCH", location, [DATA[:5000], DATA[5000:]] if chunked else DATA)
    client.connection.close()
    status, headers = client("GET", location)
    assert status == (404 if lose else 204)
    if not lose:
        assert headers["Range"] == ("0-1233" if registry.pushing.keeps else "0-0")
    cut = registry.requests[1]
    assert (cut.length, cut.cut) == (1234, True)


def test_a_client_that_goes_away(registry: Simulator, client: Client) -> None:
    location = client.begin()
    with socket.create_connection(("127.0.0.1", registry.port)) as raw:
        raw.sendall(f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n".encode() + DATA[:60])
        raw.shutdown(socket.SHUT_WR)
        assert raw.recv(1) == b""
    assert client("GET", location)[1]["Range"] == "0-59"
    assert registry.requests[1].cut


def test_refused_has_no_effect_and_dropped_has(registry: Simulator, client: Client) -> None:
    registry.on_upload("POST", f.Refuse(503, retry_after=1), times=1)
    status, headers = client("POST", UPLOADS)
    assert (status, headers["Retry-After"], registry.open_uploads) == (503, "1", ())
    registry.on_upload("PUT", f.Drop(), times=1)
    with pytest.raises(http.client.RemoteDisconnected):
        client.finish(client.begin(), body=DATA)
    assert registry.blobs() == {DIGEST: DATA}


def test_lost(registry: Simulator, client: Client) -> None:
    registry.on_upload("PATCH", u.Lost(), times=1)
    location = client.begin()
    assert client("PATCH", location, DATA)[0] == 404
    assert client.code() == "BLOB_UPLOAD_UNKNOWN"
    assert registry.open_uploads == ()


@pytest.mark.parametrize("linger", [False, True])
def test_answered_before_the_end(linger: bool, registry: Simulator, client: Client) -> None:
    registry.on_upload("PATCH", u.Early(413, at=100, linger=linger, over=1000))
    location = client("PATCH", client.begin(), DATA[:1000])[1]["Location"]
    try:
        assert client("PATCH", location, DATA * 500)[0] == 413
        assert client.connection.sock is None  # it was told to close
    except OSError:
        assert not linger
    assert registry.requests[-1].length == 100


def test_read_slowly_or_not_at_all(registry: Simulator, client: Client) -> None:
    registry.on_upload("PATCH", u.DripUpload(1000, 0.02), times=1)
    started = time.monotonic()
    location = client("PATCH", client.begin(), DATA)[1]["Location"]
    assert time.monotonic() - started >= 0.2
    registry.on_upload("PATCH", u.StallUpload(10), times=1)
    client.connection.timeout = 0.2
    client.connection.close()
    with pytest.raises(TimeoutError):
        client("PATCH", location, DATA)
    assert registry.stalling.is_set()
    client.connection.close()


def test_answers_that_say_something_else(registry: Simulator, client: Client) -> None:
    registry.on_upload("POST", u.Elsewhere("https://example.com:444"), times=1)
    assert client.begin().startswith(f"https://example.com:444{UPLOADS}")
    registry.on_upload("PUT", u.Bare(), times=1)
    status, headers = client("PUT", f"{client.begin()}&digest={DIGEST}", DATA)
    assert (status, headers["Location"], headers["Docker-Content-Digest"]) == (201, None, None)
    registry.on_upload("PATCH", f.SetHeaders({"Range": "0-5"}))
    assert client("PATCH", client.begin(), DATA)[1]["Range"] == "0-5"


def test_a_large_body_is_held_once() -> None:
    """100 MB take 100 MB and a bit, in a process of its own since it is the peak that counts."""
    program = (
        "import re\n"
        "from tests.support.simulator import Simulator\n"
        "from tests.support_tests.test_uploads import Client, digest_of\n"
        "import hashlib\n"
        "def peak(): return int(re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1]) // 1024\n"
        "piece = bytes(1 << 20)\n"
        "hasher = hashlib.sha256()\n"
        "for _ in range(100): hasher.update(piece)\n"
        "with Simulator() as registry:\n"
        "    client = Client(registry)\n"
        "    where = client.begin()\n"
        "    before = peak()\n"
        "    where = client('PATCH', where, (piece for _ in range(100)))[1]['Location']\n"
        "    assert client.finish(where, f'sha256:{hasher.hexdigest()}') == 201\n"
        "    print(peak() - before)\n"
        "    client.connection.close()\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 95 <= int(done.stdout) <= 150


@pytest.mark.peer("skopeo")
@pytest.mark.parametrize("kind", ["docker-repeated", "oci", "oci-zstd", "oci-index-attested", "docker-list", "artifact"])
@pytest.mark.parametrize("location", ["query", "path"])
def test_a_real_skopeo_pushes_to_it(kind: str, location: Literal["query", "path"], tmp_path: Path) -> None:
    image = build(kind)
    source = write_dir(image, tmp_path / "source")
    with Simulator(pushing=Pushing(query=location == "query", absolute=location == "path")) as registry:
        command = ["skopeo", "--insecure-policy", "copy", "-q", "--all", "--preserve-digests", "--dest-tls-verify=false"]
        done = subprocess.run(
            [*command, f"dir:{source}", registry.name()], capture_output=True, text=True, check=False, env=dict(os.environ)
        )
        assert done.returncode == 0, done.stderr
        stored = registry.manifest()
        assert stored is not None
        assert stored.raw == image.root.raw
        assert registry.open_uploads == ()
        assert registry.incomplete == []
        assert registry.blobs() == image.blobs


