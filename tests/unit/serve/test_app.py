"""The read-only registry, asked through ASGI without a socket."""

from __future__ import annotations

import json
import os
from pathlib import Path

import anyio
import httpx
import pytest

from pyskopeo.errors import InvalidContent, InvalidName, NotFound, StorageFailed
from pyskopeo.serve import application
from tests.support.images import BuiltImage, build, digest_of
from tests.support.outputs import blob_path, write_layout
from tests.support.serving import INDEX_TYPE, client, code_of, edit_index, get, put_blob

pytestmark = pytest.mark.anyio


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
        ("/v2/x/manifests/.v1", 404, "MANIFEST_UNKNOWN"),
        ("/v2/x/manifests/v1%0a", 404, "MANIFEST_UNKNOWN"),
        ("/v2/x/manifests/v1%40v2", 404, "MANIFEST_UNKNOWN"),
        (f"/v2/x/manifests/{LONG}", 404, "MANIFEST_UNKNOWN"),
        ("/v2/x/manifests/sha256:abc", 400, "DIGEST_INVALID"),
        ("/v2/x/blobs/sha256:ABC", 400, "DIGEST_INVALID"),
        ("/v2/x/blobs/v1", 400, "DIGEST_INVALID"),
        ("/v2/x/blobs/%2e%2e", 400, "DIGEST_INVALID"),
        ("/v2/x/blobs/sha256:..%2f..%2f..%2findex.json", 404, "UNSUPPORTED"),
        ("/v2/x/blobs/uploads/", 404, "UNSUPPORTED"),
        ("/v2/x/referrers/sha256:abc", 400, "DIGEST_INVALID"),
        (f"/v2/X/referrers/{NO_DIGEST}", 400, "NAME_INVALID"),
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
    monkeypatch.setattr("pyskopeo.serve.blob_files.open_regular", refuse)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://registry") as http:
        answer = await http.get(f"/v2/x/blobs/{image.config_digest()}")
    assert (answer.status_code, code_of(answer)) == (500, "UNKNOWN")
    assert "Permission denied" in answer.text
    assert str(layout) not in answer.text


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
