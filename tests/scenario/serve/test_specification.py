"""Every MUST of the distribution specification 1.1.1 about registries, by its section and number: pulls and pushes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

import pyskopeo
from tests.support.access import access_for
from tests.support.images import build, digest_of
from tests.support.outputs import write_layout
from tests.support.registry_pushes import (
    EMPTY_CONFIG,
    OCI_MANIFEST,
    begin,
    index,
    manifest,
    push_blob,
    push_image,
    push_manifest,
)
from tests.support.serving import code_of

from .requirements import COUNTS, OF_CLIENTS, must

pytestmark = pytest.mark.anyio
EVERYTHING = pyskopeo.Selection(pyskopeo.Platform("linux", "amd64"), "all")
NO_DIGEST = "sha256:" + "0" * 64
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
CONTENT = b"0123456789"
TESTS = Path(__file__).parents[2]


def named_requirements() -> Iterator[tuple[str, int]]:
    """The requirements that tests of this folder name."""
    for path in Path(__file__).parent.glob("test_specification*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for one in node.decorator_list:
                if isinstance(one, ast.Call) and ast.unparse(one.func) == "must":
                    section, *numbers = [ast.literal_eval(value) for value in one.args]
                    yield from ((section, number) for number in numbers)


def test_every_requirement_has_a_test() -> None:
    wanted = {(section, number) for section, count in COUNTS.items() for number in range(1, count + 1)}
    assert set(named_requirements()) == wanted - set(OF_CLIENTS)
    defined = set(re.findall(r"def (test_\w+)", "".join(path.read_text() for path in TESTS.rglob("test_*.py"))))
    assert set(OF_CLIENTS.values()) <= defined


@must("Requirements", 1, 2)
async def test_every_endpoint_is_there(http: httpx.AsyncClient) -> None:
    raw = await push_image(http, "app", "v1", b"layer")
    layer, digest = digest_of(b"layer"), digest_of(raw)
    location = await begin(http, "app")
    for method, path, status in (
        ("GET", "/v2/", 200), ("GET", f"/v2/app/blobs/{layer}", 200), ("HEAD", f"/v2/app/blobs/{layer}", 200),
        ("GET", "/v2/app/manifests/v1", 200), ("HEAD", f"/v2/app/manifests/{digest}", 200),
        ("POST", "/v2/app/blobs/uploads/", 202), ("POST", f"/v2/app/blobs/uploads/?digest={digest_of(b'')}", 201),
        ("GET", location, 204), ("PATCH", location, 202), ("PUT", f"{location}?digest={digest_of(b'')}", 201),
        ("GET", "/v2/app/tags/list", 200), ("GET", "/v2/app/tags/list?n=1&last=v0", 200),
        ("POST", f"/v2/other/blobs/uploads/?mount={layer}&from=app", 201),
        ("GET", f"/v2/app/referrers/{digest}", 200), ("GET", f"/v2/app/referrers/{digest}?artifactType=a/b", 200),
        ("DELETE", "/v2/app/manifests/v1", 202), ("DELETE", f"/v2/app/manifests/{digest}", 202),
        ("DELETE", f"/v2/app/blobs/{layer}", 202),
    ):  # fmt: skip
        assert (await http.request(method, path)).status_code == status, (method, path)


@must("Pulling manifests", 1, 2)
@must("Pushing Manifests", 2)
@pytest.mark.parametrize("reference", ["sha256:abc", "v1@sha256:0", "-v1", "a b", "sha256:" + "0" * 63 + "G", "a+b"])
async def test_a_reference_is_a_tag_or_a_digest(http: httpx.AsyncClient, reference: str) -> None:
    await push_image(http, "app", "v1")
    for method in ("GET", "PUT", "DELETE"):
        answer = await http.request(method, f"/v2/app/manifests/{reference}", content=manifest())
        assert answer.status_code == (404 if method == "GET" and ":" not in reference else 400)
        assert code_of(answer) in ("TAG_INVALID", "DIGEST_INVALID", "MANIFEST_UNKNOWN")


@must("Pulling manifests", 3)
@pytest.mark.parametrize(
    ("name", "valid"),
    [("a", True), ("a/b.c/d__e/f--g/0", True), ("A", False), ("a//b", False), ("a/", False), ("-a", False),
     ("a..b", False), ("a___b", False), ("_a", False), ("a_-b", False), ("a" * 300, False)],
)  # fmt: skip
async def test_names_of_repositories(http: httpx.AsyncClient, name: str, *, valid: bool) -> None:
    answer = await http.post(f"/v2/{name}/blobs/uploads/")
    assert answer.status_code == (202 if valid else 400)
    if not valid:
        assert code_of(answer) == "NAME_INVALID"


@must("Pulling manifests", 4)
@pytest.mark.parametrize(("tag", "status"), [("a" * 128, 201), ("_9.-", 201), ("a" * 129, 400), (".a", 400), ("ä", 400)])
async def test_tags(http: httpx.AsyncClient, tag: str, status: int) -> None:
    await push_blob(http, "app", EMPTY_CONFIG)
    assert (await push_manifest(http, "app", manifest(), tag)).status_code == status


@must("Pulling manifests", 5, 7)
@must("Pulling blobs", 1, 2, 4)
@must("Checking if content exists", 1, 2)
async def test_what_is_there_and_what_is_not(http: httpx.AsyncClient) -> None:
    raw = await push_image(http, "app", "v1", b"layer")
    digest, layer = digest_of(raw), digest_of(b"layer")
    for path, content, stated in (
        ("manifests/v1", raw, digest), (f"manifests/{digest}", raw, digest), (f"blobs/{layer}", b"layer", layer),
    ):  # fmt: skip
        answer, head = await http.get(f"/v2/app/{path}"), await http.head(f"/v2/app/{path}")
        assert (answer.status_code, answer.content) == (200, content)
        assert answer.headers["docker-content-digest"] == stated
        assert (head.status_code, head.content) == (200, b"")
        assert (head.headers["docker-content-digest"], head.headers["content-length"]) == (stated, str(len(content)))
    for path in ("app/manifests/v2", f"app/manifests/{NO_DIGEST}", f"app/blobs/{NO_DIGEST}", f"other/blobs/{layer}"):
        assert (await http.get(f"/v2/{path}")).status_code == 404
        assert (await http.head(f"/v2/{path}")).status_code == 404


@must("Push", 1)
async def test_a_subject_may_come_later(http: httpx.AsyncClient) -> None:
    await push_image(http, "app", "", subject={"mediaType": OCI_MANIFEST, "digest": NO_DIGEST, "size": 7})


@must("Push", 2)
@must("Pushing Manifests", 3)
@pytest.mark.parametrize("raw", [manifest(b"no such config"), index(manifest())])
async def test_what_a_manifest_names_has_to_be_there(http: httpx.AsyncClient, raw: bytes) -> None:
    await push_blob(http, "app", b"something else")
    answer = await push_manifest(http, "app", raw, "v1")
    assert (answer.status_code, code_of(answer)) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert (await http.get("/v2/app/manifests/v1")).status_code == 404


@must("POST then PUT", 1, 2, 3)
async def test_an_upload_by_two_requests(http: httpx.AsyncClient) -> None:
    answers = [await http.post("/v2/app/blobs/uploads/") for _ in range(2)]
    assert {answer.status_code for answer in answers} == {202}
    identities = {UUID.findall(answer.headers["location"])[0] for answer in answers}
    assert len(identities) == 2
    location = answers[0].headers["location"]
    answer = await http.put(location, params={"digest": digest_of(CONTENT)}, content=CONTENT)
    assert answer.status_code == 201
    assert (await http.get(answer.headers["location"])).content == CONTENT


@must("Single POST", 1)
async def test_a_body_has_the_length_that_it_states(http: httpx.AsyncClient) -> None:
    location = await begin(http, "app")
    headers = {"content-range": "0-99"}
    answer = await http.patch(location, content=CONTENT, headers=headers)
    assert (answer.status_code, code_of(answer)) == (400, "SIZE_INVALID")
    assert (await http.get(location)).headers["range"] == "0-0"


@must("Single POST", 2, 3)
async def test_an_upload_by_one_request(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v2/app/blobs/uploads/", params={"digest": NO_DIGEST}, content=CONTENT)
    assert (answer.status_code, code_of(answer)) == (400, "DIGEST_INVALID")
    answer = await http.post("/v2/app/blobs/uploads/", params={"digest": digest_of(CONTENT)}, content=CONTENT)
    assert answer.status_code == 201
    assert (await http.get(answer.headers["location"])).content == CONTENT


@must("Pushing a blob in chunks", 2, 5, 6, 8, 10, 11)
async def test_chunks(http: httpx.AsyncClient) -> None:
    location = await begin(http, "app")
    for chunk, ranges in ((b"01234", "0-4"), (b"567", "5-7")):
        answer = await http.patch(location, content=chunk, headers={"content-range": ranges})
        end = ranges.partition("-")[2]
        assert (answer.status_code, answer.headers["range"]) == (202, f"0-{end}")
        location = answer.headers["location"]
        status = await http.get(location)
        assert (status.status_code, status.headers["range"], status.content) == (204, f"0-{end}", b"")
        assert status.headers["location"]
    assert (await http.get(f"/v2/app/blobs/{digest_of(b'01234567')}")).status_code == 404  # only a PUT ends it
    answer = await http.put(
        location, params={"digest": digest_of(CONTENT)}, content=b"89", headers={"content-range": "8-9"}
    )
    assert answer.status_code == 201
    assert (await http.get(answer.headers["location"])).content == CONTENT
    assert (await http.get(location)).status_code == 404


@must("Pushing a blob in chunks", 3, 7)
@pytest.mark.parametrize("ranges", ["1-5", "5-9", "0-4"])
async def test_chunks_out_of_order(http: httpx.AsyncClient, ranges: str) -> None:
    location = await begin(http, "app")
    if ranges == "0-4":
        await http.patch(location, content=b"01234", headers={"content-range": "0-4"})
    size = 5 if ranges == "0-4" else 0
    for method, query in (("PATCH", ""), ("PUT", f"?digest={digest_of(CONTENT)}")):
        start, end = map(int, ranges.split("-"))
        content = CONTENT[start : end + 1]
        answer = await http.request(method, location + query, content=content, headers={"content-range": ranges})
        assert answer.status_code == 416
        assert answer.headers["range"] == f"0-{max(0, size - 1)}"
        assert answer.headers["location"] == location
    assert (await http.get(location)).headers["range"] == f"0-{max(0, size - 1)}"


@must("Pushing a blob in chunks", 4)
@pytest.mark.parametrize("ranges", ["", "0", "4-0", "a-b", "-5", "0-", "٠-٩", "0-4,5-9"])
async def test_ranges_of_chunks(http: httpx.AsyncClient, ranges: str) -> None:
    location = await begin(http, "app")
    answer = await http.patch(location, content=b"01234", headers=[(b"content-range", ranges.encode())])
    assert (answer.status_code, code_of(answer)) == (400, "BLOB_UPLOAD_INVALID")


@must("Mounting a blob", 1)
@pytest.mark.parametrize("query", ["&from=app", ""])
async def test_mounts(http: httpx.AsyncClient, query: str) -> None:
    digest = await push_blob(http, "app", CONTENT)
    answer = await http.post(f"/v2/team/other/blobs/uploads/?mount={digest}{query}")
    assert (answer.status_code, answer.headers["docker-content-digest"]) == (201, digest)
    assert (await http.get(answer.headers["location"])).content == CONTENT
    assert answer.headers["location"].startswith("/v2/team/other/")
    for other in (f"{NO_DIGEST}{query}", f"{digest}&from=nowhere"):
        answer = await http.post(f"/v2/team/third/blobs/uploads/?mount={other}")
        assert answer.status_code == 202
        assert parse_qs(urlsplit(answer.headers["location"]).query) == {}


@must("Pushing Manifests", 4, 5, 6)
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_a_manifest_is_stored_as_it_is(http: httpx.AsyncClient, algorithm: str) -> None:
    await push_blob(http, "app", EMPTY_CONFIG)
    raw = b" " + manifest().replace(b'": ', b'" : ') + b"\n\n"
    digest = digest_of(raw, algorithm)
    answer = await push_manifest(http, "app", raw, digest)
    assert (answer.status_code, answer.headers["docker-content-digest"]) == (201, digest)
    found = await http.get(answer.headers["location"])
    assert (found.content, found.headers["content-type"]) == (raw, OCI_MANIFEST)
    assert (await http.get(f"/v2/app/manifests/{digest}")).content == raw


@must("Pushing Manifests", 7)
async def test_there_is_no_such_repository(http: httpx.AsyncClient) -> None:
    for path in ("manifests/latest", f"manifests/{NO_DIGEST}", f"blobs/{NO_DIGEST}", "tags/list"):
        answer = await http.get(f"/v2/nothing/here/{path}")
        assert (answer.status_code, code_of(answer)) == (404, "NAME_UNKNOWN")


@must("Pushing Manifests with Subject", 1)
async def test_the_subject_is_confirmed(http: httpx.AsyncClient) -> None:
    await push_blob(http, "app", EMPTY_CONFIG)
    subject = {"mediaType": OCI_MANIFEST, "digest": NO_DIGEST, "size": 7}
    for raw in (manifest(subject=subject), index(subject=subject)):
        assert (await push_manifest(http, "app", raw)).headers["oci-subject"] == NO_DIGEST
    assert "oci-subject" not in (await push_manifest(http, "app", manifest())).headers


@must("Error Codes", 1, 2, 3)
async def test_errors(http: httpx.AsyncClient) -> None:
    codes = {
        "BLOB_UNKNOWN", "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN",
        "MANIFEST_INVALID", "MANIFEST_UNKNOWN", "NAME_INVALID", "NAME_UNKNOWN", "SIZE_INVALID", "UNSUPPORTED",
        "TAG_INVALID",  # "Legacy Docker support error codes"
    }  # fmt: skip
    await push_image(http, "app", "v1")
    location = await begin(http, "app")
    for method, path, content in (
        ("GET", "/v2/app/tags/list?n=x", b""), ("GET", "/v2/app/blobs/x", b""), ("PUT", "/v2/app/manifests/v1", b"{"),
        ("PUT", "/v2/app/manifests/v1", b"["), ("PUT", f"/v2/app/manifests/{NO_DIGEST}", manifest()),
        ("PUT", "/v2/app/manifests/v1", b" " * 4_500_000), ("PUT", f"{location}", b""), ("PATCH", "/v2/app/blobs/x", b""),
        ("PUT", f"{location}?digest=md5:0", b""), ("PUT", f"{location}0?digest={NO_DIGEST}", b""), ("GET", "/v3", b""),
        ("DELETE", "/v2/app/manifests/v9", b""), ("DELETE", f"/v2/app/blobs/{NO_DIGEST}", b""), ("POST", "/v2/", b""),
        ("DELETE", "/v2/zoo/manifests/v9", b""), ("GET", f"/v2/app/blobs/{digest_of(b'{}')}?", b""),
    ):  # fmt: skip
        headers = {"range": "bytes=99-"} if "?" in path and method == "GET" and "blobs" in path else {}
        answer = await http.request(method, path, content=content, headers=headers)
        assert 400 <= answer.status_code < 500
        code = code_of(answer)
        assert re.fullmatch("[A-Z_]+", code)
        assert code in codes, (method, path, code)
        (error,) = answer.json()["errors"]
        assert set(error) == {"code", "message", "detail"}
        assert isinstance(error["message"], str)


@must("Warnings", 1, 2)
async def test_there_are_no_warnings(http: httpx.AsyncClient) -> None:
    raw = await push_image(http, "app", "v1")
    for path in ("tags/list", "manifests/v1", f"blobs/{digest_of(raw)}", "manifests/v2"):
        assert "warning" not in (await http.get(f"/v2/app/{path}")).headers


async def test_our_client_pushes(address: str, tmp_path: Path) -> None:
    access = access_for(tmp_path)
    for kind in ("oci", "oci-index", "docker", "docker-list"):
        image = build(kind)
        write_layout(image, tmp_path / kind, tag="x")
        copied = await pyskopeo.copy(
            f"oci:{tmp_path / kind}:x", f"docker://{address}/{kind}:x", selection=EVERYTHING, source_access=access,
            destination_access=access,
        )  # fmt: skip
        assert str(copied) == image.digest
        await pyskopeo.copy(
            f"docker://{address}/{kind}:x", f"docker://{address}/copy/{kind}:y", selection=EVERYTHING, source_access=access,
            destination_access=access,
        )  # fmt: skip
        assert await pyskopeo.list_tags(f"docker://{address}/copy/{kind}", access=access)
