"""Listing, tagging and deleting as a library, with a registry that is a script: what is sent, and what is not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import httpx
import pytest

import pyskopeo
from pyskopeo.errors import (
    AccessDenied,
    ContentMismatch,
    InvalidContent,
    InvalidInput,
    InvalidName,
    NotFound,
    PathNotFound,
    RegistryError,
    Unsupported,
)
from pyskopeo.http.tls import Trust
from tests.support.access import access_for
from tests.support.images import build, digest_of
from tests.support.scripted import HOST, Answer, Script, answer

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:Async generator 'httpx", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

KINDS = ("oci", "docker", "oci-index", "docker-list", "artifact")
NAME = f"docker://{HOST}/a/b"
MANIFESTS = "/v2/a/b/manifests"
TAGS = "/v2/a/b/tags/list"


@pytest.fixture
async def access(script: Script) -> AsyncIterator[pyskopeo.Access]:
    async with httpx.AsyncClient(verify=False) as client:
        yield replace(access_for(script.home, trust=Trust(), client=client), report=script.events.append)


def sent(script: Script) -> list[str]:
    return [f"{request.method} {request.url.path.removeprefix('/v2/a/b/')}" for request in script.requests]


def missing(code: str = "MANIFEST_UNKNOWN") -> Answer:
    return answer(404, json.dumps({"errors": [{"code": code, "message": "not here"}]}).encode())


def serve(script: Script, kind: str, *names: str) -> str:
    """Have the image of a kind by these names; its digest."""
    root = build(kind).root
    for name in names:
        headers = {"content_type": root.media_type, "docker_content_digest": root.digest}
        script.on(f"{MANIFESTS}/{name}", answer(200, root.raw, **headers))
        script.on(f"{MANIFESTS}/{name}", answer(200, b"", **headers), method="HEAD")
    return root.digest


# --- tag ---


@pytest.mark.parametrize("kind", KINDS)
async def test_new_tags(kind: str, script: Script, access: pyskopeo.Access) -> None:
    digest = serve(script, kind, "v1")
    for name in ("v1.0", "latest"):
        script.on(f"{MANIFESTS}/{name}", answer(404), method="HEAD")
        script.on(f"{MANIFESTS}/{name}", answer(201, docker_content_digest=digest), method="PUT")
    assert str(await pyskopeo.tag(f"{NAME}:v1", "v1.0", "latest", "v1.0", access=access)) == digest
    assert sent(script) == [
        "GET manifests/v1", "HEAD manifests/v1.0", "PUT manifests/v1.0", "HEAD manifests/latest", "PUT manifests/latest"
    ]  # fmt: skip
    root = build(kind).root
    for request in script.requests:
        if request.method == "PUT":
            assert request.content == root.raw
            assert request.headers["content-type"] == root.media_type


async def test_a_tag_that_it_has_already(script: Script, access: pyskopeo.Access) -> None:
    digest = serve(script, "oci", "v1", "same")
    await pyskopeo.tag(f"{NAME}:v1", "same", "v1", access=access)
    assert sent(script) == ["GET manifests/v1", "HEAD manifests/same", "HEAD manifests/v1"]
    serve(script, "oci", digest)
    await pyskopeo.tag(f"{NAME}:whatever@{digest}", "same", access=access)
    assert sent(script)[3:] == [f"GET manifests/{digest}", "HEAD manifests/same"]


async def test_a_tag_that_is_moved(script: Script, access: pyskopeo.Access) -> None:
    serve(script, "oci", "v1")
    serve(script, "docker", "latest")
    script.on(f"{MANIFESTS}/latest", answer(201), method="PUT")
    await pyskopeo.tag(f"{NAME}:v1", "latest", access=access)
    assert sent(script)[-1] == "PUT manifests/latest"


async def test_what_was_asked_for_by_digest_is_verified(script: Script, access: pyskopeo.Access) -> None:
    digest = digest_of(b"what was wanted")
    script.on(f"{MANIFESTS}/{digest}", answer(200, build("oci").root.raw))
    with pytest.raises(ContentMismatch):
        await pyskopeo.tag(f"{NAME}@{digest}", "latest", access=access)
    assert len(script.requests) == 1


@pytest.mark.parametrize("bad", ["", "a:b", "a/b", "-a", ".a", "a b", "é", "x" * 129, f"{HOST}/a/b:v2", "a@" + digest_of(b"")])
async def test_no_tag(bad: str, script: Script, access: pyskopeo.Access) -> None:
    with pytest.raises(InvalidName, match="is not a tag"):
        await pyskopeo.tag(f"{NAME}:v1", "good", bad, access=access)
    assert script.requests == []


async def test_nothing_to_tag(script: Script, access: pyskopeo.Access) -> None:
    script.on(f"{MANIFESTS}/v1", missing())
    with pytest.raises(NotFound):
        await pyskopeo.tag(f"{NAME}:v1", "latest", access=access)
    assert len(script.requests) == 1


@pytest.mark.parametrize("name", ["dir:/x", "oci:/x:t", "docker-archive:/x"])
async def test_other_transports_have_no_tags_to_set(name: str, access: pyskopeo.Access) -> None:
    with pytest.raises(Unsupported, match="only images in registries can be tagged"):
        await pyskopeo.tag(name, "latest", access=access)


# --- delete ---


@pytest.mark.parametrize("kind", KINDS)
async def test_by_the_digest_of_what_the_tag_names(kind: str, script: Script, access: pyskopeo.Access) -> None:
    digest = serve(script, kind, "v1")
    script.on(f"{MANIFESTS}/{digest}", answer(202), method="DELETE")
    await pyskopeo.delete(f"{NAME}:v1", access=access)
    assert sent(script) == ["GET manifests/v1", f"DELETE manifests/{digest}"]


async def test_by_digest(script: Script, access: pyskopeo.Access) -> None:
    digest = digest_of(b"", "sha512")
    script.on(f"{MANIFESTS}/{digest}", answer(202), method="DELETE")
    await pyskopeo.delete(f"{NAME}:ignored@{digest}", access=access)
    assert sent(script) == [f"DELETE manifests/{digest}"]


async def test_by_tag_alone(script: Script, access: pyskopeo.Access) -> None:
    script.on(f"{MANIFESTS}/latest", answer(202), method="DELETE")
    await pyskopeo.delete(NAME, tag_only=True, access=access)
    assert sent(script) == ["DELETE manifests/latest"]


async def test_a_digest_is_no_tag_alone(script: Script, access: pyskopeo.Access) -> None:
    with pytest.raises(InvalidName, match="has a digest: to delete a tag alone, name it without one"):
        await pyskopeo.delete(f"{NAME}:v1@{digest_of(b'')}", tag_only=True, access=access)
    assert script.requests == []


@pytest.mark.parametrize("code", ["MANIFEST_UNKNOWN", "NAME_UNKNOWN"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_nothing_to_delete(method: str, code: str, script: Script, access: pyskopeo.Access) -> None:
    script.on(f"{MANIFESTS}/{serve(script, 'oci', 'v1')}", missing(code), method="DELETE")
    if method == "GET":
        script.on(f"{MANIFESTS}/v1", missing(code))
    said = "Image may not exist or is not stored with a v2 Schema in a v2 registry: .*not here"
    with pytest.raises(PathNotFound, match=f"^Unable to delete {HOST}/a/b:v1. {said}") as caught:
        await pyskopeo.delete(f"{NAME}:v1", access=access)
    assert caught.value.exit_code == 1
    assert script.requests[-1].method == method


@pytest.mark.parametrize(("status", "kind"), [(403, AccessDenied), (405, RegistryError), (400, RegistryError)])
async def test_not_deleted(status: int, kind: type[RegistryError], script: Script, access: pyskopeo.Access) -> None:
    script.on(f"{MANIFESTS}/{serve(script, 'oci', 'v1')}", answer(status), method="DELETE")
    with pytest.raises(kind, match=f"^deleting {HOST}/a/b:v1: ") as caught:
        await pyskopeo.delete(f"{NAME}:v1", access=access)
    assert caught.value.status == status


async def test_bytes_under_another_name_are_not_deleted(script: Script, access: pyskopeo.Access) -> None:
    script.on(f"{MANIFESTS}/v1", answer(200, build("oci").root.raw, docker_content_digest=build("docker").digest))
    with pytest.raises(ContentMismatch):
        await pyskopeo.delete(f"{NAME}:v1", access=access)
    assert sent(script) == ["GET manifests/v1"]


@pytest.mark.parametrize("name", ["dir:/x", "docker-archive:/x", "oci-archive:/x"])
async def test_other_transports_delete_nothing(name: str, access: pyskopeo.Access) -> None:
    with pytest.raises(Unsupported, match=f"^Deleting images not implemented for {name.partition(':')[0]}: images$"):
        await pyskopeo.delete(name, access=access)


@pytest.mark.parametrize("name", ["x", "y:z", "docker:x", "docker://A", "docker://"])
@pytest.mark.parametrize("call", [pyskopeo.delete, pyskopeo.tag])
async def test_no_image_name(name: str, call: object, access: pyskopeo.Access) -> None:
    assert callable(call)
    with pytest.raises(InvalidName, match=f"^Invalid source name {name}: "):
        await call(name, access=access)


@pytest.mark.parametrize(("verb", "actions"), [("delete", "*,pull"), ("tag", "pull,push"), ("list_tags", "pull")])
async def test_the_token_is_for_what_will_be_done(
    verb: str, actions: str, script: Script, access: pyskopeo.Access
) -> None:
    """Where the registry itself does not say which token it wants."""
    realm = f"https://{HOST}/token"
    for path in (f"{MANIFESTS}/v1", TAGS):
        script.on(path, answer(401, www_authenticate=f'Bearer realm="{realm}",service="s"'))
    script.on(realm, answer(403))
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "delete": lambda: pyskopeo.delete(f"{NAME}:v1", access=access),
        "tag": lambda: pyskopeo.tag(f"{NAME}:v1", "v2", access=access),
        "list_tags": lambda: pyskopeo.list_tags(NAME, access=access),
    }
    with pytest.raises(AccessDenied):
        await calls[verb]()
    (request,) = script.asked(realm)
    assert request.url.params["scope"] == f"repository:a/b:{actions}"


# --- list_tags ---


def page(*tags: object, **headers: str) -> Answer:
    return answer(200, json.dumps({"name": "a/b", "tags": list(tags)}).encode(), **headers)


async def test_all_pages(script: Script, access: pyskopeo.Access) -> None:
    first = page("v2", "latest", link='</v2/a/b/tags/list?last=latest&n=2>; rel="next"')
    script.on(TAGS, first, page("v10", "v1"))
    assert await pyskopeo.list_tags(NAME, access=access) == ["v2", "latest", "v10", "v1"]
    assert [str(request.url.query, "ascii") for request in script.requests] == ["", "last=latest&n=2"]


async def test_wishes(script: Script, access: pyskopeo.Access) -> None:
    script.on(TAGS, page("v2", "latest", "v10", "v1"))
    assert await pyskopeo.list_tags(NAME, order="semver", access=access) == ["latest", "v1", "v2", "v10"]
    assert await pyskopeo.list_tags(NAME, versions=">1", access=access) == ["v2", "v10"]
    assert await pyskopeo.list_tags(NAME, pattern="1", order="name", access=access) == ["v1", "v10"]


async def test_what_is_no_tag_is_passed_over(script: Script, access: pyskopeo.Access) -> None:
    script.on(TAGS, page("", None, "v1", digest_of(b""), digest_of(b"", "sha512")))
    assert await pyskopeo.list_tags(NAME, access=access) == ["v1"]


@pytest.mark.parametrize("bad", ["a b", "a/b", "\x1b[2J", "-v", "x" * 129, "sha256:short", 1, ["v1"]])
async def test_nonsense_for_a_tag(bad: object, script: Script, access: pyskopeo.Access) -> None:
    script.on(TAGS, page("v1", bad))
    with pytest.raises(InvalidContent, match="^Error listing repository tags: listing tags of ") as caught:
        await pyskopeo.list_tags(NAME, access=access)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x", 'Invalid "x": does not specify a transport; did you mean "docker://x"?'),
        ("bogus:x", 'Invalid "bogus:x": does not specify a transport; did you mean "docker://bogus:x"?'),
        ("dir:/x", "Unsupported transport 'dir' for tag listing. Only supported: docker, docker-archive"),
        ("oci:/x", "Unsupported transport 'oci' for tag listing. Only supported: docker, docker-archive"),
        ("docker:x", 'docker: image reference docker:x does not start with docker://; did you mean "docker://x"?'),
        (f"{NAME}:v1", f"No tag or digest allowed in reference: name the repository alone, {NAME}"),
        (f"{NAME}@{digest_of(b'')}", f"No tag or digest allowed in reference: name the repository alone, {NAME}"),
    ],
)
async def test_nothing_to_list(name: str, message: str, script: Script, access: pyskopeo.Access) -> None:
    with pytest.raises(InvalidInput) as caught:
        await pyskopeo.list_tags(name, access=access)
    assert str(caught.value) == message
    assert script.requests == []


@pytest.mark.parametrize("wish", [{"pattern": "("}, {"versions": "newest"}])
async def test_wishes_are_read_before_anything_is_asked_for(
    wish: dict[str, str], script: Script, access: pyskopeo.Access
) -> None:
    with pytest.raises(InvalidInput):
        await pyskopeo.list_tags(NAME, pattern=wish.get("pattern"), versions=wish.get("versions"), access=access)
    assert script.requests == []
