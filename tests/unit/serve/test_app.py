"""The read-only registry, asked through ASGI without a socket."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from pyskopeo.errors import InvalidContent, InvalidName, NotFound, StorageFailed
from pyskopeo.model.layout import LayoutIndex
from pyskopeo.serve import application
from pyskopeo.streams.pump import BUFFER_SIZE
from tests.support.images import BuiltImage, build, digest_of
from tests.support.outputs import blob_path, write_layout

pytestmark = pytest.mark.anyio
REF_NAME = "org.opencontainers.image.ref.name"
CONTAINERD_NAME = "io.containerd.image.name"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"


@asynccontextmanager
async def client(layout: Path, repository: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(application(layout, repository))
    async with httpx.AsyncClient(transport=transport, base_url="http://registry") as made:
        yield made


async def get(layout: Path, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    async with client(layout) as http:
        return await http.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})


def code_of(response: httpx.Response) -> str:
    assert response.headers["content-type"] == "application/json"
    (error,) = response.json()["errors"]
    assert "\n" not in error["message"]
    code: str = error["code"]
    return code


def put_blob(layout: Path, content: bytes) -> str:
    digest = digest_of(content)
    blob_path(layout, digest).write_bytes(content)
    return digest


def edit_index(layout: Path, change: Any) -> None:
    index = json.loads((layout / "index.json").read_bytes())
    change(index["manifests"])
    (layout / "index.json").write_text(json.dumps(index))


def annotate(layout: Path, *annotations: dict[str, str]) -> None:
    def change(entries: list[dict[str, Any]]) -> None:
        for entry, wanted in zip(entries, annotations, strict=True):
            entry["annotations"] = wanted

    edit_index(layout, change)


@pytest.fixture
def other() -> BuiltImage:
    return build("docker")


@pytest.fixture
def big(layout: Path) -> tuple[str, bytes]:
    """A blob of several pieces and a bit."""
    content = hashlib.shake_128(b"big").digest(2 * BUFFER_SIZE + 12345)
    return put_blob(layout, content), content


@pytest.mark.parametrize("path", ["/v2/", "/v2"])
async def test_version(layout: Path, path: str) -> None:
    answer = await get(layout, path)
    assert (answer.status_code, answer.content) == (200, b"{}")
    assert answer.headers["docker-distribution-api-version"] == "registry/2.0"


@pytest.mark.parametrize("name", ["x", "library/x", "a/b-c/d.e__f"])
@pytest.mark.parametrize("by", ["tag", "digest"])
async def test_manifest(layout: Path, image: BuiltImage, name: str, by: str) -> None:
    path = f"/v2/{name}/manifests/{'v1' if by == 'tag' else image.digest}"
    answer, head = await get(layout, path), await get(layout, path, "HEAD")
    assert answer.status_code == head.status_code == 200
    assert answer.content == image.root.raw
    assert head.content == b""
    for headers in (answer.headers, head.headers):
        assert headers["content-type"] == image.root.media_type
        assert headers["docker-content-digest"] == image.digest
        assert headers["content-length"] == str(len(image.root.raw))
        assert headers["etag"] == f'"{image.digest}"'
        assert headers["docker-distribution-api-version"] == "registry/2.0"


@pytest.mark.parametrize("kind", ["oci", "docker"])
async def test_what_has_no_media_type_inside_is_served_by_its_descriptor(tmp_path: Path, kind: str) -> None:
    made = build(kind)
    document = {k: v for k, v in made.root.json.items() if k != "mediaType"}
    raw = json.dumps(document).encode()
    layout = write_layout(made, tmp_path / "layout", tag="v1")
    digest = put_blob(layout, raw)
    edit_index(layout, lambda entries: entries[0].update(digest=digest, size=len(raw)))
    answer = await get(layout, "/v2/x/manifests/v1")
    assert (answer.content, answer.headers["content-type"]) == (raw, made.root.media_type)


@pytest.mark.parametrize("kind", ["oci-index", "docker-list"])
async def test_the_children_of_an_index_are_served(tmp_path: Path, kind: str) -> None:
    made = build(kind)
    layout = write_layout(made, tmp_path / "layout", tag="v1")
    assert (await get(layout, "/v2/x/manifests/v1")).headers["content-type"] == made.root.media_type
    for child in made.manifests.values():
        answer = await get(layout, f"/v2/x/manifests/{child.digest}")
        assert (answer.content, answer.headers["content-type"]) == (child.raw, child.media_type)


async def test_a_flat_layout_is_one_index(tmp_path: Path) -> None:
    made = build("oci-index")
    layout = write_layout(made, tmp_path / "layout")
    (layout / "index.json").write_bytes(made.root.raw)
    blob_path(layout, made.digest).unlink()
    for reference in ("latest", made.digest):
        answer = await get(layout, f"/v2/x/manifests/{reference}")
        assert (answer.content, answer.headers["content-type"]) == (made.root.raw, INDEX_TYPE)


async def test_unchanged_is_not_sent_again(layout: Path, image: BuiltImage) -> None:
    for path, content in (
        ("/v2/x/manifests/v1", image.root.raw),
        (f"/v2/x/blobs/{image.config_digest()}", image.config()),
    ):
        etag = (await get(layout, path, "HEAD")).headers["etag"]
        for known in (etag, f'"other", W/{etag}', "*"):
            answer = await get(layout, path, If_None_Match=known)
            assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
        assert (await get(layout, path, If_None_Match='"other"')).content == content


LONG = "a" * 300
NO_DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v2/x/manifests/v2", 404, "MANIFEST_UNKNOWN"),
        (f"/v2/x/manifests/{NO_DIGEST}", 404, "MANIFEST_UNKNOWN"),
        (f"/v2/x/blobs/{NO_DIGEST}", 404, "BLOB_UNKNOWN"),
        ("/v2/x/blobs/blake9:abc", 404, "BLOB_UNKNOWN"),
        (f"/v2/x/blobs/blake9:{LONG}", 404, "BLOB_UNKNOWN"),
        ("/v2/X/manifests/v1", 400, "NAME_INVALID"),
        ("/v2//manifests/v1", 400, "NAME_INVALID"),
        ("/v2/a:1/manifests/v1", 400, "NAME_INVALID"),
        ("/v2/a%40b/tags/list", 400, "NAME_INVALID"),
        (f"/v2/{LONG}/tags/list", 400, "NAME_INVALID"),
        ("/v2/..%2f..%2fetc/tags/list", 400, "NAME_INVALID"),
        ("/v2/x/manifests/.v1", 400, "TAG_INVALID"),
        ("/v2/x/manifests/v1%0a", 400, "TAG_INVALID"),
        ("/v2/x/manifests/v1%40v2", 400, "TAG_INVALID"),
        (f"/v2/x/manifests/{LONG}", 400, "TAG_INVALID"),
        ("/v2/x/manifests/sha256:abc", 400, "DIGEST_INVALID"),
        ("/v2/x/blobs/sha256:ABC", 400, "DIGEST_INVALID"),
        ("/v2/x/blobs/v1", 400, "DIGEST_INVALID"),
        ("/v2/x/blobs/%2e%2e", 400, "DIGEST_INVALID"),
        ("/v2/x/blobs/sha256:..%2f..%2f..%2findex.json", 404, "UNSUPPORTED"),
        ("/v2/x/blobs/uploads/", 404, "UNSUPPORTED"),
        (f"/v2/x/referrers/{NO_DIGEST}", 404, "UNSUPPORTED"),
        ("/", 404, "UNSUPPORTED"),
    ],
)
async def test_refusals(layout: Path, method: str, path: str, status: int, code: str) -> None:
    async with client(layout) as http:
        # Without this httpx would resolve the dots itself.
        url = httpx.URL("http://registry").copy_with(raw_path=path.encode())
        answer = await http.request(method, url)
    assert answer.status_code == status
    if method == "GET":
        assert code_of(answer) == code
        assert str(layout) not in answer.text
    else:
        assert answer.content == b""


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "path", ["/v2/", "/v2/x/manifests/v1", f"/v2/x/blobs/{NO_DIGEST}", "/v2/x/blobs/uploads/", "/v2/x/tags/list", "/z"]
)
async def test_writes_are_refused(layout: Path, method: str, path: str) -> None:
    before = sorted(layout.rglob("*"))
    answer = await get(layout, path, method)
    assert (answer.status_code, code_of(answer)) == (405, "UNSUPPORTED")
    assert answer.headers["allow"] == "GET, HEAD"
    assert "read-only" in answer.text
    assert sorted(layout.rglob("*")) == before


async def test_one_repository_only(layout: Path) -> None:
    async with client(layout, "team/app") as http:
        assert (await http.get("/v2/team/app/manifests/v1")).status_code == 200
        answer = await http.get("/v2/x/manifests/v1")
        assert (answer.status_code, code_of(answer)) == (404, "NAME_UNKNOWN")
        assert (await http.get("/v2/_catalog")).json() == {"repositories": ["team/app"]}


@pytest.mark.parametrize(("folder", "name"), [("app.oci", "app.oci"), ("App Image", "image")])
async def test_catalog_names_the_layout_once(tmp_path: Path, image: BuiltImage, folder: str, name: str) -> None:
    layout = write_layout(image, tmp_path / folder)
    assert (await get(layout, "/v2/_catalog")).json() == {"repositories": [name]}
    assert (await get(layout, f"/v2/{name}/manifests/latest")).status_code == 200


async def test_blob(layout: Path, big: tuple[str, bytes]) -> None:
    digest, content = big
    answer, head = await get(layout, f"/v2/x/blobs/{digest}"), await get(layout, f"/v2/x/blobs/{digest}", "HEAD")
    assert answer.status_code == head.status_code == 200
    assert answer.content == content
    assert head.content == b""
    for headers in (answer.headers, head.headers):
        assert headers["content-type"] == "application/octet-stream"
        assert headers["docker-content-digest"] == digest
        assert headers["content-length"] == str(len(content))
        assert headers["accept-ranges"] == "bytes"
        assert headers["etag"] == f'"{digest}"'
        assert headers["docker-distribution-api-version"] == "registry/2.0"


async def test_empty_blob(layout: Path) -> None:
    digest = put_blob(layout, b"")
    for headers in ({}, {"Range": "bytes=0-"}, {"Range": "bytes=-5"}):
        answer = await get(layout, f"/v2/x/blobs/{digest}", **headers)
        assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "0")


async def test_sha512_blob(layout: Path) -> None:
    digest = digest_of(b"content", "sha512")
    blob_path(layout, digest).parent.mkdir()
    blob_path(layout, digest).write_bytes(b"content")
    assert (await get(layout, f"/v2/x/blobs/{digest}")).content == b"content"


@pytest.mark.parametrize(
    ("header", "first", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, None),
        ("bytes=10-19", 10, 20),
        ("BYTES=10-19", 10, 20),
        (f"bytes={BUFFER_SIZE - 1}-{BUFFER_SIZE}", BUFFER_SIZE - 1, BUFFER_SIZE + 1),
        (f"bytes=7-{BUFFER_SIZE * 2 + 7}", 7, BUFFER_SIZE * 2 + 8),
        ("bytes=2000000-99999999999999999999", 2000000, None),
        ("bytes=-10", -10, None),
        ("bytes=-99999999999", 0, None),
    ],
)
async def test_range(layout: Path, big: tuple[str, bytes], header: str, first: int, end: int | None) -> None:
    digest, content = big
    answer = await get(layout, f"/v2/x/blobs/{digest}", Range=header)
    wanted = content[first:end]
    start = first if first >= 0 else len(content) + first
    assert answer.status_code == 206
    assert answer.content == wanted
    assert answer.headers["content-length"] == str(len(wanted))
    assert answer.headers["content-range"] == f"bytes {start}-{start + len(wanted) - 1}/{len(content)}"
    assert answer.headers["docker-content-digest"] == digest


@pytest.mark.parametrize("header", ["bytes={size}-", "bytes={size}-{size}", "bytes=99999999999999999999-", "bytes=-0"])
async def test_range_outside(layout: Path, big: tuple[str, bytes], header: str) -> None:
    digest, content = big
    answer = await get(layout, f"/v2/x/blobs/{digest}", Range=header.format(size=len(content)))
    assert (answer.status_code, code_of(answer)) == (416, "RANGE_INVALID")
    assert answer.headers["content-range"] == f"bytes */{len(content)}"


@pytest.mark.parametrize(
    "header",
    ["bytes=0-1,5-6", "bytes=5-4", "bytes=-", "bytes=a-b", "bytes", "lines=0-1", "bytes=\u0661-", "bytes=0x1-2"],
)
async def test_ranges_that_are_ignored(layout: Path, big: tuple[str, bytes], header: str) -> None:
    digest, content = big
    async with client(layout) as http:
        answer = await http.get(f"/v2/x/blobs/{digest}", headers=[(b"Range", header.encode())])
    assert (answer.status_code, answer.content) == (200, content)
    assert "content-range" not in answer.headers


async def test_range_is_for_get_and_for_the_same_content(layout: Path, big: tuple[str, bytes]) -> None:
    path, content = f"/v2/x/blobs/{big[0]}", big[1]
    assert (await get(layout, path, "HEAD", Range="bytes=0-1")).headers["content-length"] == str(len(content))
    assert (await get(layout, path, Range="bytes=0-1", If_Range=f'"{big[0]}"')).status_code == 206
    assert (await get(layout, path, Range="bytes=0-1", If_Range='"other"')).content == content
    async with client(layout) as http:
        answer = await http.get(path, headers=[("Range", "bytes=0-1"), ("Range", "bytes=4-5")])
    assert answer.content == content


async def test_blobs_that_are_no_regular_files(layout: Path) -> None:
    paths = [blob_path(layout, f"sha256:{digit * 64}") for digit in "abc"]
    paths[0].mkdir()
    os.mkfifo(paths[1])
    paths[2].symlink_to("/dev/zero")
    for path in paths:
        for kind, code in (("blobs", "BLOB_UNKNOWN"), ("manifests", "MANIFEST_UNKNOWN")):
            with anyio.fail_after(5):
                answer = await get(layout, f"/v2/x/{kind}/sha256:{path.name}")
            assert (answer.status_code, code_of(answer)) == (404, code)


async def test_links_lead_to_their_own_content_only(layout: Path, tmp_path: Path, big: tuple[str, bytes]) -> None:
    digest, content = big
    path, target = blob_path(layout, digest), tmp_path / "elsewhere"
    path.rename(target)
    path.symlink_to(target)
    async with client(layout) as http:
        assert (await http.get(f"/v2/x/blobs/{digest}")).content == content
        answer = await http.get(f"/v2/x/blobs/{digest}", headers={"Range": "bytes=-3"})
        assert answer.content == content[-3:]
        target.write_bytes(b"secret")
        for kind, status in (("blobs", 404), ("manifests", 500)):
            answer = await http.get(f"/v2/x/{kind}/{digest}")
            assert answer.status_code == status
            assert digest_of(b"secret") not in answer.text
            assert str(tmp_path) not in answer.text


async def test_a_tampered_manifest_is_not_sent(layout: Path, image: BuiltImage) -> None:
    path = blob_path(layout, image.digest)
    path.write_bytes(image.root.raw + b"\n")
    for reference in ("v1", image.digest):
        answer = await get(layout, f"/v2/x/manifests/{reference}")
        assert (answer.status_code, code_of(answer)) == (500, "MANIFEST_INVALID")
        assert image.root.raw not in answer.content


async def test_what_is_no_manifest(layout: Path, image: BuiltImage) -> None:
    huge = put_blob(layout, b'{"schemaVersion":2,"manifests":[]' + b" " * 4 * 1024 * 1024 + b"}")
    listed = put_blob(layout, b"no JSON")
    for digest in (image.config_digest(), *image.layer_digests(), huge, listed):
        answer = await get(layout, f"/v2/x/manifests/{digest}")
        assert (answer.status_code, code_of(answer)) == (404, "MANIFEST_UNKNOWN")
    edit_index(layout, lambda entries: entries[0].update(digest=listed))
    answer = await get(layout, "/v2/x/manifests/v1")
    assert (answer.status_code, code_of(answer)) == (500, "MANIFEST_INVALID")
    edit_index(layout, lambda entries: entries[0].update(digest=huge))
    answer = await get(layout, "/v2/x/manifests/v1")
    assert (answer.status_code, code_of(answer)) == (500, "MANIFEST_INVALID")


async def test_a_file_we_may_not_read(layout: Path, image: BuiltImage, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> int:
        raise StorageFailed.of(PermissionError(13, "Permission denied"), f"open {path}")

    app = application(layout)
    monkeypatch.setattr("pyskopeo.serve.app.open_regular", refuse)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://registry") as http:
        answer = await http.get(f"/v2/x/blobs/{image.config_digest()}")
    assert (answer.status_code, code_of(answer)) == (500, "UNKNOWN")
    assert "Permission denied" in answer.text
    assert str(layout) not in answer.text


async def test_a_shrinking_blob_breaks_the_answer(layout: Path, big: tuple[str, bytes]) -> None:
    received = []

    async def receive() -> dict[str, Any]:
        await anyio.sleep_forever()
        raise AssertionError

    async def send(message: Any) -> None:
        received.append(message)
        os.truncate(blob_path(layout, big[0]), BUFFER_SIZE)

    path = f"/v2/x/blobs/{big[0]}"
    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
    with pytest.raises(BaseExceptionGroup) as caught:
        await application(layout)(scope, receive, send)
    assert caught.group_contains(StorageFailed, match=f"ends after {BUFFER_SIZE} bytes")
    assert received[-1]["more_body"] is True


async def test_reading_ends_when_the_client_leaves(layout: Path, big: tuple[str, bytes]) -> None:
    left = anyio.Event()
    sent = 0

    async def receive() -> dict[str, Any]:
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal sent
        if message["type"] == "http.response.body":
            sent += len(message["body"])
            left.set()
            await anyio.sleep_forever()

    path = f"/v2/x/blobs/{big[0]}"
    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
    with anyio.fail_after(5):
        await application(layout)(scope, receive, send)
    assert sent == BUFFER_SIZE


async def test_tags_of_every_kind_of_name(tmp_path: Path, image: BuiltImage, other: BuiltImage) -> None:
    layout = write_layout(image, tmp_path / "layout", tag="a")
    write_layout(other, layout, tag="b")
    annotate(
        layout,
        {REF_NAME: "registry.example:5000/team/app:1.0"},
        {REF_NAME: "2.0", CONTAINERD_NAME: "docker.io/library/app:newest"},
    )
    assert (await get(layout, "/v2/x/tags/list")).json() == {"name": "x", "tags": ["1.0", "2.0", "newest"]}
    for tag, wanted in (("1.0", image), ("2.0", other), ("newest", other)):
        assert (await get(layout, f"/v2/x/manifests/{tag}")).content == wanted.root.raw
    assert (await get(layout, "/v2/x/manifests/latest")).status_code == 404


@pytest.mark.parametrize("annotations", [{}, {REF_NAME: "docker.io/library/app"}])
async def test_an_image_without_a_tag(
    tmp_path: Path, image: BuiltImage, other: BuiltImage, annotations: dict[str, str]
) -> None:
    layout = write_layout(image, tmp_path / "layout", tag="x")
    annotate(layout, annotations)
    assert (await get(layout, "/v2/x/tags/list")).json()["tags"] == ["latest"]
    assert (await get(layout, "/v2/x/manifests/latest")).content == image.root.raw
    write_layout(other, layout, tag="y")
    annotate(layout, annotations, {})
    assert (await get(layout, "/v2/x/tags/list")).json()["tags"] == []
    assert (await get(layout, "/v2/x/manifests/latest")).status_code == 404
    for made in (image, other):
        assert (await get(layout, f"/v2/x/manifests/{made.digest}")).content == made.root.raw


async def test_the_repository_decides_between_images_of_one_tag(
    tmp_path: Path, image: BuiltImage, other: BuiltImage
) -> None:
    layout = write_layout(image, tmp_path / "layout", tag="a")
    write_layout(other, layout, tag="b")
    annotate(
        layout,
        {REF_NAME: "latest", CONTAINERD_NAME: "docker.io/library/one:latest"},
        {REF_NAME: "latest", CONTAINERD_NAME: "docker.io/library/two:latest"},
    )
    for name, wanted in (("library/one", image), ("one", image), ("library/two", other)):
        assert (await get(layout, f"/v2/{name}/manifests/latest")).content == wanted.root.raw
        assert (await get(layout, f"/v2/{name}/tags/list")).json()["tags"] == ["latest"]
    answer = await get(layout, "/v2/neone/manifests/latest")
    assert (answer.status_code, code_of(answer)) == (404, "MANIFEST_UNKNOWN")
    assert "pull by digest" in answer.text
    assert (await get(layout, "/v2/neone/tags/list")).json()["tags"] == []


async def test_entries_of_other_types_are_passed_over(layout: Path, image: BuiltImage) -> None:
    entry = {"mediaType": "text/plain", "digest": NO_DIGEST, "size": 3, "annotations": {REF_NAME: "text"}}
    edit_index(layout, lambda entries: entries.insert(0, entry))
    assert (await get(layout, "/v2/x/tags/list")).json()["tags"] == ["v1"]
    assert (await get(layout, "/v2/x/manifests/v1")).content == image.root.raw


@pytest.fixture
def many(layout: Path) -> Path:
    def change(entries: list[dict[str, Any]]) -> None:
        entries[:] = [entries[0] | {"annotations": {REF_NAME: tag}} for tag in ("b", "a", "C", "d", "B", "e")]

    edit_index(layout, change)
    return layout


@pytest.mark.parametrize(
    ("query", "tags", "link"),
    [
        ("", ["a", "B", "b", "C", "d", "e"], None),
        ("?n=2", ["a", "B"], "?n=2&last=B"),
        ("?n=2&last=B", ["b", "C"], "?n=2&last=C"),
        ("?n=2&last=C", ["d", "e"], None),
        ("?n=2&last=e", [], None),
        ("?last=c", ["d", "e"], None),
        ("?last=zz", [], None),
        ("?n=0", [], None),
        ("?n=6", ["a", "B", "b", "C", "d", "e"], None),
        ("?n=999999999", ["a", "B", "b", "C", "d", "e"], None),
    ],
)
async def test_paging(many: Path, query: str, tags: list[str], link: str | None) -> None:
    answer = await get(many, f"/v2/team/x/tags/list{query}")
    assert answer.json() == {"name": "team/x", "tags": tags}
    assert answer.headers.get("link") == (link and f'</v2/team/x/tags/list{link}>; rel="next"')


@pytest.mark.parametrize("n", ["-1", "x", "1.5", "", "9999999999", "%D9%A1"])
@pytest.mark.parametrize("path", ["/v2/x/tags/list", "/v2/_catalog"])
async def test_bad_page_sizes(many: Path, path: str, n: str) -> None:
    answer = await get(many, f"{path}?n={n}")
    assert (answer.status_code, code_of(answer)) == (400, "PAGINATION_NUMBER_INVALID")


async def test_a_growing_layout(layout: Path, image: BuiltImage, other: BuiltImage) -> None:
    index = layout / "index.json"
    async with client(layout) as http:
        raw = index.read_bytes()
        index.unlink()
        answer = await http.get("/v2/x/tags/list")
        assert (answer.status_code, code_of(answer)) == (404, "NAME_UNKNOWN")
        index.write_bytes(raw)
        assert (await http.get("/v2/x/manifests/v1")).content == image.root.raw
        write_layout(other, layout, tag="v2")
        assert (await http.get("/v2/x/manifests/v2")).content == other.root.raw
        assert (await http.get("/v2/x/tags/list")).json()["tags"] == ["v1", "v2"]


async def test_a_change_that_the_clock_does_not_show(
    layout: Path, image: BuiltImage, other: BuiltImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same length, same times, same file: a recent one is not taken for unchanged."""
    write_layout(other, layout, tag="v2")
    index = layout / "index.json"
    now = time.time_ns()
    monkeypatch.setattr("pyskopeo.serve.catalog.signature", lambda fd: (now, now, 1, 1, 1))
    async with client(layout) as http:
        raw = index.read_bytes()
        assert (await http.get("/v2/x/manifests/v1")).content == image.root.raw
        index.write_bytes(raw.replace(b'"v1"', b'"v0"').replace(b'"v2"', b'"v1"'))
        assert (await http.get("/v2/x/manifests/v1")).content == other.root.raw


async def test_an_old_index_is_parsed_once(layout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = []
    parse = LayoutIndex.parse

    def counted(raw: bytes, where: str = "index.json") -> Any:
        parsed.append(raw)
        return parse(raw, where)

    monkeypatch.setattr(LayoutIndex, "parse", counted)
    monkeypatch.setattr("pyskopeo.serve.catalog._CLOCK_STEP_NS", -1)
    async with client(layout) as http:
        for _ in range(3):
            assert (await http.get("/v2/x/manifests/v1")).status_code == 200
        assert len(parsed) == 1
        (layout / "index.json").write_bytes(parsed[0] + b" ")
        assert (await http.get("/v2/x/manifests/v1")).status_code == 200
        assert len(parsed) == 2


async def test_a_half_written_index_is_waited_for(layout: Path, image: BuiltImage) -> None:
    index = layout / "index.json"
    raw = index.read_bytes()
    index.write_bytes(raw[:40])
    async with client(layout) as http, anyio.create_task_group() as tasks:
        answers = []

        async def ask() -> None:
            answers.append(await http.get("/v2/x/manifests/v1"))

        tasks.start_soon(ask)
        await anyio.sleep(0.05)
        assert not answers
        index.write_bytes(raw)
    assert answers[0].content == image.root.raw


async def test_a_broken_index(layout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyskopeo.serve.catalog._PAUSE", 0)
    (layout / "index.json").write_text("{")
    answer = await get(layout, "/v2/x/tags/list")
    assert (answer.status_code, code_of(answer)) == (500, "UNKNOWN")
    assert "index.json is not valid JSON" in answer.text


def test_what_is_no_layout(tmp_path: Path, layout: Path) -> None:
    with pytest.raises(NotFound, match="oci-layout"):
        application(tmp_path / "nothing")
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"2.0.0"}')
    with pytest.raises(InvalidContent, match="imageLayoutVersion"):
        application(layout)


@pytest.mark.parametrize("name", ["", "X", "a:1", "a@b", "../a"])
def test_bad_repository(layout: Path, name: str) -> None:
    with pytest.raises(InvalidName, match="invalid repository name"):
        application(layout, name)
