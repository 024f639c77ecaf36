"""Manifests, tags and digests of a repository, as requests and answers."""

from __future__ import annotations

import gzip
import json

import anyio
import httpx
import pytest

from pyskopeo.errors import (
    ContentMismatch,
    InvalidContent,
    InvalidDigest,
    NotFound,
    PyskopeoError,
    RegistryError,
    TooLarge,
    UnsafeAddress,
)
from pyskopeo.http.tls import Trust
from pyskopeo.model.digest import Digest
from pyskopeo.registry import tag_pages
from pyskopeo.registry.tag_pages import TagList
from tests.support.access import access_for
from tests.support.images import digest_of
from tests.support.scripted import BASE, DIGEST, HOST, NAME, RAW, TYPE, Answer, Script, answer, served

pytestmark = [
    pytest.mark.anyio,
    # httpx's client leaves its own generators to trio's garbage collector; our transport does not.
    pytest.mark.filterwarnings("ignore:Async generator 'httpx", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
MANIFEST = "/v2/a/b/manifests/v1"
TAGS = "/v2/a/b/tags/list"
MIB = 1024 * 1024


# --- manifests ---


async def test_a_manifest(script: Script) -> None:
    script.on(MANIFEST, served(docker_content_digest=DIGEST))
    async with script.repository() as repository:
        assert await repository.manifest("v1") == (RAW, TYPE)
    (request,) = script.requests
    # One header with every type: some registries look at the first one only.
    (accept,) = request.headers.get_list("accept")
    assert set(accept.split(", ")) == {
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    } | (set(accept.split(", ")) & {  # schema 1 is asked for so that it can be told apart from nothing at all
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/vnd.docker.distribution.manifest.v1+json",
    })  # fmt: skip
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["user-agent"].startswith("pyskopeo/")
    assert request.headers["host"] == HOST


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
async def test_the_digest_header_is_checked(algorithm: str, script: Script) -> None:
    script.on(MANIFEST, served(docker_content_digest=digest_of(RAW, algorithm)))
    async with script.repository() as repository:
        assert (await repository.manifest("v1"))[0] == RAW
        script.on(MANIFEST, served(docker_content_digest=digest_of(RAW + b" ", algorithm)))
        with pytest.raises(ContentMismatch, match=f"Docker-Content-Digest says {algorithm}:") as caught:
            await repository.manifest("v1")
    assert str(caught.value).endswith(f"name them by their digest: {HOST}/a/b@{DIGEST}")
    assert caught.value.expected == digest_of(RAW + b" ", algorithm)
    assert caught.value.actual == digest_of(RAW, algorithm)
    assert script.retries == []


@pytest.mark.parametrize("header", ["", "blake3:" + "a" * 64])
async def test_a_digest_header_that_says_nothing(header: str, script: Script) -> None:
    script.on(MANIFEST, served(docker_content_digest=header))
    async with script.repository() as repository:
        assert (await repository.manifest("v1"))[0] == RAW


@pytest.mark.parametrize("header", ["sha256:../../x", "sha256:", "x", "sha256:" + "g" * 64, "sha256:" + "a" * 60_000])
async def test_a_digest_header_that_is_none(header: str, script: Script) -> None:
    script.on(MANIFEST, served(docker_content_digest=header))
    async with script.repository() as repository:
        with pytest.raises(InvalidDigest, match="reading manifest v1 in .*: Docker-Content-Digest: invalid digest") as caught:
            await repository.manifest("v1")
    assert str(caught.value).endswith(f"name them by their digest: {HOST}/a/b@{DIGEST}")
    assert len(str(caught.value)) < 450


HEX = DIGEST.removeprefix("sha256:")
SHA512 = digest_of(RAW, "sha512")


@pytest.mark.parametrize(
    "header",
    [
        HEX, HEX.upper(), DIGEST.upper(), f'"{DIGEST}"', f"'{HEX}'", f" {DIGEST}\t", f"{DIGEST}, {DIGEST}", f"{DIGEST},",
        SHA512, SHA512.removeprefix("sha512:"), digest_of(RAW, "sha384").removeprefix("sha384:"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["v1", DIGEST])
async def test_the_right_digest_however_it_is_written(name: str, header: str, script: Script) -> None:
    script.on(f"/v2/a/b/manifests/{name}", served(docker_content_digest=header))
    async with script.repository() as repository:
        assert (await repository.manifest(name))[0] == RAW
    assert script.warnings == []


@pytest.mark.parametrize(
    "header",
    ["nonsense", "sha256:", "0" * 64, "sha256:" + "0" * 64, "sha512:" + "0" * 128, f"{DIGEST}, sha256:{'0' * 64}"],
)
async def test_what_was_asked_for_by_digest_is_not_refused_for_a_header(header: str, script: Script) -> None:
    """The bytes decide (CVE-2025-24882); one warning, however many manifests there are."""
    script.on(f"/v2/a/b/manifests/{DIGEST}", served(docker_content_digest=header))
    async with script.source(name=f"docker://{HOST}/a/b@{DIGEST}") as source:
        for _ in range(2):
            assert str((await source.manifest()).digest) == DIGEST
    (warning,) = script.warnings
    assert "Docker-Content-Digest" in warning
    assert warning.endswith("the digest that was asked for decides")


@pytest.mark.parametrize("header", ["0" * 64, '"sha256:' + "0" * 64 + '"', "sha256:" + "A" * 64, f"{DIGEST}, sha256:{'0' * 64}"])
async def test_another_digest_of_a_tag_stays_refused_however_it_is_written(header: str, script: Script) -> None:
    script.on(MANIFEST, served(docker_content_digest=header))
    async with script.repository() as repository:
        with pytest.raises(InvalidContent, match=f"name them by their digest: {HOST}/a/b@{DIGEST}$"):
            await repository.manifest("v1")


async def test_a_pinned_manifest_is_compared_with_the_pin(script: Script) -> None:
    """Not with what the server says about it (CVE-2025-24882)."""
    other = RAW + b"\n"
    script.on(f"/v2/a/b/manifests/{DIGEST}", served(other, docker_content_digest=digest_of(other)))
    async with script.source(name=f"docker://{HOST}/a/b@{DIGEST}") as source:
        with pytest.raises(ContentMismatch, match=f"want {DIGEST}, got {digest_of(other)}"):
            await source.manifest()


async def test_a_manifest_as_large_as_may_be(script: Script) -> None:
    script.on(MANIFEST, served(RAW.ljust(4 * MIB)))
    async with script.source() as source:
        assert len((await source.manifest()).raw) == 4 * MIB
        script.on(MANIFEST, served(RAW.ljust(4 * MIB + 1)))
        with pytest.raises(TooLarge, match="manifest v1.*limit of 4194304 bytes") as caught:
            await source.manifest()
    assert caught.value.limit == 4 * MIB


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "GZIP", "identity, gzip"])
async def test_no_encoding_was_asked_for(encoding: str, script: Script) -> None:
    """Encoded documents are refused: nothing is decoded."""
    script.on(MANIFEST, served(gzip.compress(RAW), content_encoding=encoding))
    script.on(TAGS, answer(200, gzip.compress(b'{"tags":[]}'), content_encoding=encoding))
    async with script.repository() as repository:
        for call in (lambda: repository.manifest("v1"), repository.tags):
            with pytest.raises(InvalidContent, match=f"(?i)content-encoding {encoding}"):
                await call()


@pytest.mark.parametrize("encoding", ["identity", "aws-chunked", "aws-chunked,gzip", "binary", "UTF-8", "", "gzip", "br"])
async def test_an_encoding_of_bytes_that_are_not_encoded(encoding: str, script: Script) -> None:
    script.on(MANIFEST, served(docker_content_digest=DIGEST, content_encoding=encoding))
    script.on(TAGS, answer(200, b' {"tags":["v1"]}', content_encoding=encoding))
    async with script.repository() as repository:
        assert (await repository.manifest("v1"))[0] == RAW
        assert await repository.tags() == ["v1"]


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/octet-stream", "application/json; charset=utf-8", "text/html", "", TYPE.upper(), f"{TYPE};x=y"],
)
async def test_a_content_type_that_says_nothing(content_type: str, script: Script) -> None:
    script.on(MANIFEST, served(content_type=content_type))
    async with script.source() as source:
        assert (await source.manifest()).media_type == TYPE
    assert script.warnings == []


async def test_a_content_type_that_the_document_contradicts(script: Script) -> None:
    """What the document states counts, with one warning; an image is no index, whatever it is served as."""
    docker = "application/vnd.docker.distribution.manifest.v2+json"
    script.on(MANIFEST, served(content_type=docker.upper() + "; charset=utf-8"))
    async with script.source() as source:
        for _ in range(2):
            assert (await source.manifest()).media_type == TYPE
        assert script.warnings == [
            f"{HOST}/a/b: a manifest is said to be {docker}, but it is {TYPE}: taken for what it is"
        ]
        script.on(MANIFEST, served(content_type="application/vnd.oci.image.index.v1+json"))
        with pytest.raises(InvalidContent, match="but it was served as"):
            await source.manifest()


@pytest.mark.parametrize(
    ("code", "error"), [("MANIFEST_UNKNOWN", NotFound), ("NAME_UNKNOWN", RegistryError), ("UNKNOWN", RegistryError)]
)
async def test_a_manifest_that_is_not_there(code: str, error: type[PyskopeoError], script: Script) -> None:
    script.on(MANIFEST, answer(404, json.dumps({"errors": [{"code": code, "message": "gone"}]}).encode()))
    async with script.repository() as repository:
        with pytest.raises(error, match="reading manifest v1 in registry.example.com/a/b: .*gone"):
            await repository.manifest("v1")
    assert len(script.requests) == 1


async def test_the_page_of_an_error_has_its_limits(script: Script) -> None:
    script.on(MANIFEST, answer(400, b"x" * 10 * MIB), answer(401, b"\x1f\x8b", content_encoding="gzip"))
    async with script.repository() as repository:
        for _ in range(2):
            with pytest.raises(RegistryError) as caught:
                await repository.manifest("v1")
            assert len(str(caught.value)) < 300


# --- resolving ---


async def test_resolving_is_a_head(script: Script) -> None:
    script.on(MANIFEST, answer(200, docker_content_digest=DIGEST, content_length="5"), method="HEAD")
    async with script.repository() as repository:
        assert await repository.resolve("v1") == Digest.parse(DIGEST)
    (request,) = script.requests
    assert request.method == "HEAD"
    assert TYPE in request.headers["accept"]


async def test_resolving_without_an_answer(script: Script) -> None:
    script.on(MANIFEST, answer(200), answer(503), answer(200, docker_content_digest="x"), method="HEAD")
    async with script.repository() as repository:
        assert await repository.resolve("v1") is None
        with pytest.raises(InvalidDigest):
            await repository.resolve("v1")
        script.on(MANIFEST, answer(404), method="HEAD")
        with pytest.raises(RegistryError, match="resolving v1 in registry.example.com/a/b") as caught:
            await repository.resolve("v1")
    assert caught.value.status == 404
    assert len(script.retries) == 1


@pytest.mark.parametrize("status", [400, 405, 500, 501])
async def test_resolving_where_it_is_not_supported(status: int, script: Script) -> None:
    """Some registries respond to every HEAD with an error; nobody waits for another answer."""
    script.on(MANIFEST, answer(status), method="HEAD")
    async with script.repository() as repository:
        with pytest.raises(RegistryError, match=f"resolving v1 in .*{status}"):
            await repository.resolve("v1")
    assert len(script.requests) == 1


@pytest.mark.parametrize(
    ("head", "warning"),
    [
        (answer(200, docker_content_digest=DIGEST), ""),
        (answer(200), ""),
        (answer(200, docker_content_digest=digest_of(RAW, "sha512")), ""),
        (answer(200, docker_content_digest="sha256:" + "0" * 64), f"is sha256:{'0' * 64} now; copying {DIGEST}"),
        (answer(404), "could not be compared"),
        (answer(200, docker_content_digest="nonsense"), "could not be compared"),
    ],
)
async def test_tag_and_digest_together(head: Answer, warning: str, script: Script) -> None:
    """The digest counts; one warning if the tag has moved on."""
    script.on(f"/v2/a/b/manifests/{DIGEST}", served())
    script.on(MANIFEST, head, method="HEAD")
    async with script.source(name=f"{NAME}@{DIGEST}") as source:
        assert str((await source.manifest()).digest) == DIGEST
    assert len(script.warnings) == bool(warning)
    assert all(warning in said for said in script.warnings)
    assert script.asked(MANIFEST) == []


# --- tags ---


def page(*tags: str, link: str = "", **headers: str) -> Answer:
    more = {"Link": link} if link else {}
    return answer(200, json.dumps({"name": "a/b", "tags": list(tags)}).encode(), **more, **headers)


@pytest.mark.parametrize(
    ("link", "asked"),
    [
        ('</v2/a/b/tags/list?last=v1&n=1>; rel="next"', "/v2/a/b/tags/list?last=v1&n=1"),
        ("</v2/a/b/tags/list?last=v1>; rel=next", "/v2/a/b/tags/list?last=v1"),
        ('<list?last=v1>;rel="next"', "/v2/a/b/tags/list?last=v1"),
        ('<?last=v1>; rel="next"', "/v2/a/b/tags/list?last=v1"),
        (f'<{BASE}/v2/a/b/tags/list?last=v1>; rel="next"', "/v2/a/b/tags/list?last=v1"),
        (f'<//{HOST}/v2/a/b/tags/list?last=v1>; rel="next"', "/v2/a/b/tags/list?last=v1"),
        (f'<https://{HOST.upper()}:443/v2/a/b/tags/list?last=v1>; rel="next"', "/v2/a/b/tags/list?last=v1"),
        # Behind a proxy a registry does not know its own scheme and port.
        (f'<http://{HOST}:5000/v2/a/b/tags/list?last=v1>; rel="next"', "/v2/a/b/tags/list?last=v1"),
        ('</first>; rel="first", </v2/a/b/tags/list?last=v1>; title="x"; rel="next"', "/v2/a/b/tags/list?last=v1"),
        ('</odd/place?token=a%2Fb>; rel="next"', "/odd/place?token=a%2Fb"),
        ('</v2/a/b/tags/list?q=a b&last=v1>; rel="next"', "/v2/a/b/tags/list?q=a%20b&last=v1"),
    ],
)
async def test_pages(link: str, asked: str, script: Script) -> None:
    script.on(TAGS, page("v1", link=link), page("v2"))
    script.on("/odd/place", page("v2"))
    async with script.repository() as repository:
        assert await repository.tags() == ["v1", "v2"]
    first, second = script.requests
    assert str(second.url) == BASE + asked
    assert second.headers["accept"] == first.headers["accept"] == "application/json"


async def test_many_pages(script: Script) -> None:
    links = (f'</v2/a/b/tags/list?last={number}>; rel="next"' for number in range(1, 10))
    script.on(TAGS, *(page(f"v{number}", link=link) for number, link in enumerate(links)), page())
    async with script.repository() as repository:
        assert await repository.tags() == [f"v{number}" for number in range(9)]


@pytest.mark.parametrize("link", ["", "</x>; rel=prev", "<x>; rel=first, <y>; rel=last"])
async def test_no_next_page(link: str, script: Script) -> None:
    script.on(TAGS, page("v1", link=link))
    async with script.repository() as repository:
        assert await repository.tags() == ["v1"]
    assert script.warnings == []


@pytest.mark.parametrize("link", ["</x>", 'nonsense; rel="next"', "<<<>;;rel=,next", "<" + "x" * 20_000 + ">; rel=next"])
async def test_a_link_that_cannot_be_read_is_no_silent_end(link: str, script: Script) -> None:
    script.on(TAGS, page("v1", link=link))
    async with script.repository() as repository:
        assert await repository.tags() == ["v1"]
    (warning,) = script.warnings
    assert warning.startswith(f"listing tags of {HOST}/a/b: the Link header ")
    assert len(warning) < 300


async def test_a_list_says_whether_tags_may_be_missing(script: Script) -> None:
    script.on(TAGS, page("v1", link="garbage"))
    async with script.repository() as repository:
        found = await repository.tag_list()
    assert found == TagList(["v1"], "the Link header cannot be read (garbage): there may be more pages")
    assert script.warnings == []  # who asks for it says it


async def test_links_that_are_odd_in_part_are_one_warning(script: Script) -> None:
    links = (f"odd{number}, <?last={number}>; rel=next" for number in range(3))
    script.on(TAGS, *(page(f"v{number}", link=link) for number, link in enumerate(links)), page("v3"))
    async with script.repository() as repository:
        assert await repository.tag_list() == TagList(["v0", "v1", "v2", "v3"])
    assert script.warnings == [f"listing tags of {HOST}/a/b: the Link header cannot be read in part (odd0)"]


@pytest.mark.parametrize("origin", ["http://registry.internal:5000", "https://10.0.0.1", "//evil.example.net"])
async def test_a_next_page_on_the_inner_host_is_read_from_the_registry(origin: str, script: Script) -> None:
    """GHSA-h7vf-4x9w-h99v: no request is sent to another host."""
    links = (f"<{origin}{TAGS}?last=v{number}>; rel=next" for number in range(2))
    script.on(TAGS, *(page(f"v{number}", link=link) for number, link in enumerate(links)), page("v2"))
    async with script.repository() as repository:
        assert await repository.tags() == ["v0", "v1", "v2"]
    assert [str(request.url) for request in script.requests] == [BASE + TAGS + end for end in ("", "?last=v0", "?last=v1")]
    (warning,) = script.warnings
    assert warning.startswith(f"listing tags of {HOST}/a/b: the next page is not read from http")
    assert warning.endswith(f"{origin.rpartition('/')[2]}, but from {BASE}")


async def test_two_link_headers(script: Script) -> None:
    def first(request: httpx.Request) -> httpx.Response:
        links = [("Link", "</x>; rel=up"), ("Link", f'<{TAGS}?last=v1>; Rel="Next"')]
        return httpx.Response(200, headers=links, content=b'{"tags":["v1"]}')

    script.on(TAGS, first, page("v2"))
    async with script.repository() as repository:
        assert await repository.tags() == ["v1", "v2"]


@pytest.mark.parametrize("link", ["?last=v1", "https://pages.example.net/other/list?last=v1", "/other/list?last=v1"])
async def test_pages_on_the_host_that_the_registry_redirects_to(link: str, script: Script) -> None:
    """A link is relative to where its page came from. No secret is sent there."""
    script.on(TAGS, answer(307, location="https://pages.example.net/other/list"))
    script.on("https://pages.example.net/other/list", page("v1", link=f"<{link}>; rel=next"), page("v2"))
    access = access_for(script.home, trust=Trust(), registry_token="s3cr3t-and-long")
    async with script.repository(access) as repository:
        assert await repository.tags() == ["v1", "v2"]
    assert str(script.requests[-1].url) == "https://pages.example.net/other/list?last=v1"
    assert script.secrets_at("pages.example.net") == []


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example.net/v2/a/other/tags/list",
        "https://evil.example.net/v2/a/b/tags/list/",
        "https://evil.example.net/v2/a/b/../b/tags/list",
        "https://user@evil.example.net/v2/a/b/tags/list?x=1",
        "//evil.example.net/",
        f"https://{HOST}.evil.example.net/",
        f"https://evil@{HOST}/",
        "https://169.254.169.254/latest/",
        "http://localhost/",
        "ftp://registry.example.com/x",
        "https://[::1",
    ],
)
async def test_the_next_page_is_nowhere_else(link: str, script: Script) -> None:
    """GHSA-h7vf-4x9w-h99v."""
    script.on(TAGS, page("v1", link=f'<{link}>; rel="next"'))
    async with script.repository() as repository:
        with pytest.raises(UnsafeAddress):
            await repository.tags()
    assert len(script.requests) == 1


@pytest.mark.parametrize("back", [TAGS, "/v2/a/b/tags/list?x=1", f"{BASE}{TAGS}#x"])
async def test_pages_in_a_circle(back: str, script: Script) -> None:
    """GHSA-h7vf-4x9w-h99v."""
    script.on(TAGS, page("v1", link='</v2/a/b/tags/list?x=1>; rel="next"'), page("v2", link=f'<{back}>; rel="next"'))
    async with script.repository() as repository:
        with pytest.raises(InvalidContent, match="listing tags of registry.example.com/a/b: .*circle, back to /v2/a/b/tags"):
            await repository.tags()
    assert len(script.requests) == 2
    assert script.retries == []


@pytest.mark.parametrize(
    ("limit", "value", "pages", "unit"),
    [("_TOTAL_LIMIT", 10_000, 11, "bytes"), ("_MAX_NAMES", 250, 3, "tags"), ("_MAX_PAGES", 20, 21, "pages")],
)
async def test_a_list_without_end(
    limit: str, value: int, pages: int, unit: str, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GHSA-h7vf-4x9w-h99v: each page leads to another one."""
    monkeypatch.setattr(tag_pages, limit, value)

    def endless(request: httpx.Request) -> httpx.Response:
        number = len(script.requests)
        tags = [f"v{number}-{tag}" for tag in range(100)]
        link = f"<{TAGS}?page={number}>; rel=next"
        return httpx.Response(200, headers={"Link": link}, content=json.dumps({"tags": tags}).encode())

    script.on(TAGS, endless)
    async with script.repository() as repository:
        with pytest.raises(TooLarge, match=f"listing tags of {HOST}/a/b: .*limit of {value} {unit} at its page {pages}:"):
            await repository.tags()
    assert len(script.requests) == pages


async def test_hostile_links_take_no_time(script: Script) -> None:
    for link in ("<" * 60_000, "<>;" * 20_000, "<" + ">;" * 20_000):
        script.on(TAGS, page("v1", link=link))
        started = anyio.current_time()
        async with script.repository() as repository:
            await repository.tags()
        assert anyio.current_time() - started < 5


@pytest.mark.parametrize("tags", [b'{"tags":null}', b'{"name":"a/b"}', b'{"tags":[]}'])
async def test_no_tags(tags: bytes, script: Script) -> None:
    script.on(TAGS, answer(200, tags))
    async with script.repository() as repository:
        assert await repository.tags() == []


@pytest.mark.parametrize("tags", [b"", b"[]", b'{"tags":"v1"}', b'{"tags":[1]}', b'{"tags":{"a":1}}', b"\xff"])
async def test_nonsense_for_tags(tags: bytes, script: Script) -> None:
    script.on(TAGS, answer(200, tags))
    async with script.repository() as repository:
        with pytest.raises(InvalidContent, match="listing tags of registry.example.com/a/b"):
            await repository.tags()


async def test_too_many_tags(script: Script) -> None:
    """CVE-2023-25153 (GHSA-259w-8hf6-59c2)."""
    script.on(TAGS, answer(200, b'{"tags":[]}'.ljust(8 * MIB + 1)))
    async with script.repository() as repository:
        with pytest.raises(TooLarge):
            await repository.tags()


# --- sizes of blobs ---


@pytest.mark.parametrize(
    ("head", "get", "methods"),
    [
        (answer(200, content_length="1234"), None, ["HEAD"]),
        (answer(403), answer(200, b"x" * 1234), ["HEAD", "GET"]),
        (answer(405), answer(200, b"x" * 1234), ["HEAD", "GET"]),
        (answer(501), answer(200, b"x" * 1234), ["HEAD", "GET"]),
        (answer(200, content_length=""), answer(200, b"x" * 1234), ["HEAD", "GET"]),
    ],
)
async def test_the_size_of_a_blob(head: Answer, get: Answer | None, methods: list[str], script: Script) -> None:
    """By HEAD, or by the head of a GET where HEAD is not supported."""
    path = f"/v2/a/b/blobs/{DIGEST}"
    script.on(path, head, method="HEAD")
    if get:
        script.on(path, get)
    async with script.repository() as repository:
        assert await repository.blob_size(Digest.parse(DIGEST)) == 1234
    assert [request.method for request in script.requests] == methods


@pytest.mark.parametrize(
    ("status", "length", "error", "reason", "count"),
    [
        (404, "0", RegistryError, r"blob unknown \(status 404\)", 1),
        (405, "0", RegistryError, "StatusCode: 405", 2),
        (200, "", InvalidContent, "the registry does not say", 2),
        (200, "-1", InvalidContent, "the registry does not say", 2),
    ],
)
async def test_a_size_that_nobody_tells(
    status: int, length: str, error: type[PyskopeoError], reason: str, count: int, script: Script
) -> None:
    path = f"/v2/a/b/blobs/{DIGEST}"
    script.on(path, answer(status, content_length=length), method="HEAD")
    script.on(path, answer(status, content_length=length))
    async with script.repository() as repository:
        with pytest.raises(error, match=f"^asking for the size of blob {DIGEST} in .*: {reason}"):
            await repository.blob_size(Digest.parse(DIGEST))
    assert len(script.requests) == count
