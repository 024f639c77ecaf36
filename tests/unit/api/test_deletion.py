"""What a deletion takes with it, asked of a registry that is a script."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from pyskopeo.access import Access
from pyskopeo.api.deletion import delete, delete_from_registry
from pyskopeo.errors import InvalidName, PathNotFound, Unsupported
from pyskopeo.http.tls import Trust
from pyskopeo.model.events import Warned
from tests.support.access import access_for
from tests.support.images import build, digest_of
from tests.support.scripted import HOST, Answer, Script, answer

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:Async generator 'httpx", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

NAME = f"docker://{HOST}/a/b"
MANIFESTS = "/v2/a/b/manifests"
DIGEST = build("oci").digest


@pytest.fixture
async def access(script: Script) -> AsyncIterator[Access]:
    async with httpx.AsyncClient(verify=False) as client:
        yield replace(access_for(script.home, trust=Trust(), client=client), report=script.events.append)


@pytest.fixture
def stocked(script: Script) -> Script:
    """A registry in which ``v1`` and ``latest`` are one image and ``other`` is another one."""
    for kind, names in (("oci", ("v1", "latest", DIGEST)), ("docker", ("other",))):
        root = build(kind).root
        for name in names:
            headers = {"content_type": root.media_type, "docker_content_digest": root.digest}
            script.on(f"{MANIFESTS}/{name}", answer(200, root.raw, **headers))
            script.on(f"{MANIFESTS}/{name}", answer(200, b"", **headers), method="HEAD")
    script.on("/v2/a/b/tags/list", answer(200, json.dumps({"tags": ["v1", "other", "latest", "lost"]}).encode()))
    script.on(f"{MANIFESTS}/{DIGEST}", answer(202), method="DELETE")
    return script


def sent(script: Script) -> list[str]:
    return [f"{request.method} {request.url.path.removeprefix('/v2/a/b/')}" for request in script.requests]


def warnings(script: Script) -> list[str]:
    return [event.message for event in script.events if isinstance(event, Warned)]


# "lost" does not exist: a registry that does not respond to HEAD and one without the manifest look the same.
ASKED = ["GET tags/list", *(f"HEAD manifests/{tag}" for tag in ("other", "latest", "lost")), "GET manifests/lost"]


@pytest.mark.parametrize(
    ("name", "first"), [(f"{NAME}:v1", ["GET manifests/v1"]), (f"{NAME}@{DIGEST}", ["HEAD manifests/v1"])]
)
async def test_all_tags_of_the_image(name: str, first: list[str], stocked: Script, access: Access) -> None:
    done = await delete_from_registry(name, access)
    assert (str(done.digest), done.tags) == (DIGEST, ("v1", "latest"))
    requests = sent(stocked)
    assert requests[-1] == f"DELETE manifests/{DIGEST}"
    assert sorted(requests[:-1]) == sorted([*first, *ASKED])


async def test_a_dry_run_deletes_nothing(stocked: Script, access: Access) -> None:
    for name in (f"{NAME}:v1", f"{NAME}@{DIGEST}"):
        done = await delete_from_registry(name, access, dry_run=True)
        assert (str(done.digest), done.tags) == (DIGEST, ("v1", "latest"))
    await delete_from_registry(f"{NAME}:v1", access, dry_run=True, tag_only=True)
    assert not [line for line in sent(stocked) if line.startswith("DELETE")]
    with pytest.raises(PathNotFound):
        await delete_from_registry(f"{NAME}:nope", access, dry_run=True)


async def test_a_tag_alone(stocked: Script, access: Access) -> None:
    stocked.on(f"{MANIFESTS}/latest", answer(202), method="DELETE")
    done = await delete_from_registry(f"{NAME}:latest", access, tag_only=True)
    assert (done.digest, done.tags) == (None, ("latest",))
    assert sent(stocked) == ["DELETE manifests/latest"]


async def test_too_many_tags_to_ask_for(stocked: Script, access: Access) -> None:
    done = await delete_from_registry(f"{NAME}:v1", access, max_tags=3)
    assert done.tags is None
    assert sent(stocked) == ["GET manifests/v1", "GET tags/list", f"DELETE manifests/{DIGEST}"]


NO_LIST = answer(404, json.dumps({"errors": [{"code": "MANIFEST_UNKNOWN"}]}).encode())


@pytest.mark.parametrize("refusal", [answer(403), NO_LIST], ids=["403", "404"])
async def test_a_registry_that_lists_no_tags(refusal: Answer, stocked: Script, access: Access) -> None:
    stocked.on("/v2/a/b/tags/list", refusal)
    done = await delete_from_registry(f"{NAME}:v1", access)
    assert done.tags is None
    assert sent(stocked)[-1] == f"DELETE manifests/{DIGEST}"
    (warning,) = warnings(stocked)
    assert warning.startswith(f"the tags of {DIGEST} are not known: fetching tags list: ")


UNKNOWN_BY_HEAD = {
    **{str(status): answer(status) for status in (400, 403, 404, 405, 500, 501, 503)},
    "no digest": answer(200),
    "no valid digest": answer(200, docker_content_digest="zzz"),
    "another algorithm": answer(200, docker_content_digest=digest_of(b"", "sha512")),
}


@pytest.mark.parametrize("head", UNKNOWN_BY_HEAD.values(), ids=UNKNOWN_BY_HEAD)
@pytest.mark.parametrize("name", [f"{NAME}:v1", f"{NAME}@{DIGEST}"])
async def test_a_digest_that_head_does_not_state(name: str, head: Answer, stocked: Script, access: Access) -> None:
    for tag in ("v1", "latest", "other"):
        stocked.on(f"{MANIFESTS}/{tag}", head, method="HEAD")
    done = await delete_from_registry(name, access)
    assert (str(done.digest), done.tags) == (DIGEST, ("v1", "latest"))
    assert sent(stocked).count("GET manifests/latest") == 1
    assert warnings(stocked) == []


async def test_a_digest_that_nothing_states(stocked: Script, access: Access) -> None:
    stocked.on(f"{MANIFESTS}/latest", answer(403), method="HEAD")
    stocked.on(f"{MANIFESTS}/latest", answer(403))
    done = await delete_from_registry(f"{NAME}:v1", access, dry_run=True)
    assert done.tags is None
    (warning,) = warnings(stocked)
    assert warning.startswith(f"the tags of {DIGEST} are not known: reading manifest latest in {HOST}/a/b")


@pytest.mark.parametrize("listed", [["latest"], ["latest", "v1"]])
async def test_the_tag_that_was_named_is_one_of_them(listed: list[str], stocked: Script, access: Access) -> None:
    stocked.on("/v2/a/b/tags/list", answer(200, json.dumps({"tags": listed}).encode()))
    done = await delete_from_registry(f"{NAME}:v1", access)
    assert done.tags == ("latest", "v1")


async def test_a_list_of_tags_that_may_go_on(stocked: Script, access: Access) -> None:
    stocked.on("/v2/a/b/tags/list", answer(200, b'{"tags": ["v1"]}', Link="garbage"))
    done = await delete_from_registry(f"{NAME}:v1", access)
    assert (str(done.digest), done.tags) == (DIGEST, None)
    (warning,) = warnings(stocked)
    assert warning == f"the tags of {DIGEST} are not known: the Link header cannot be read (garbage): there may be more pages"


async def test_a_default_tag(stocked: Script, access: Access) -> None:
    done = await delete_from_registry(NAME, access, find_tags=False, default_tag="latest")
    assert (str(done.digest), done.tags) == (DIGEST, None)
    assert sent(stocked) == ["GET manifests/latest", f"DELETE manifests/{DIGEST}"]


async def test_a_name_without_tag_and_digest(stocked: Script, access: Access) -> None:
    with pytest.raises(InvalidName) as caught:
        await delete_from_registry(NAME, access)
    assert str(caught.value) == (
        f"{NAME} has neither a tag nor a digest: to delete the image with the tag latest, write {NAME}:latest"
    )
    with pytest.raises(InvalidName, match="has neither a tag nor a digest"):
        await delete(NAME, access=access)
    with pytest.raises(InvalidName, match="has a digest"):
        await delete_from_registry(f"{NAME}@{DIGEST}", access, tag_only=True)
    with pytest.raises(Unsupported):
        await delete_from_registry("dir:/x", access)
    assert sent(stocked) == []
