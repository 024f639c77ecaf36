"""What a deletion takes with it, asked of a registry that is a script."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from pyskopeo.access import Access
from pyskopeo.api.deletion import delete_with_tags
from pyskopeo.errors import InvalidName, PathNotFound, Unsupported
from pyskopeo.http.tls import Trust
from pyskopeo.model.events import Warned
from tests.support.access import access_for
from tests.support.images import build
from tests.support.scripted import HOST, Script, answer

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


ASKED = ["GET tags/list", *sorted(f"HEAD manifests/{tag}" for tag in ("v1", "other", "latest", "lost"))]


@pytest.mark.parametrize(("name", "first"), [(f"{NAME}:v1", ["GET manifests/v1"]), (f"{NAME}@{DIGEST}", [])])
async def test_all_tags_of_the_image(name: str, first: list[str], stocked: Script, access: Access) -> None:
    done = await delete_with_tags(name, access=access)
    assert (str(done.digest), done.tags) == (DIGEST, ("v1", "latest"))
    requests = sent(stocked)
    assert requests[-1] == f"DELETE manifests/{DIGEST}"
    assert sorted(requests[:-1]) == sorted([*first, *ASKED])


async def test_a_dry_run_deletes_nothing(stocked: Script, access: Access) -> None:
    for name in (f"{NAME}:v1", f"{NAME}@{DIGEST}"):
        done = await delete_with_tags(name, dry_run=True, access=access)
        assert (str(done.digest), done.tags) == (DIGEST, ("v1", "latest"))
    await delete_with_tags(f"{NAME}:v1", dry_run=True, tag_only=True, access=access)
    assert not [line for line in sent(stocked) if line.startswith("DELETE")]
    with pytest.raises(PathNotFound):
        await delete_with_tags(f"{NAME}:nope", dry_run=True, access=access)


async def test_a_tag_alone(stocked: Script, access: Access) -> None:
    stocked.on(f"{MANIFESTS}/latest", answer(202), method="DELETE")
    done = await delete_with_tags(f"{NAME}:latest", tag_only=True, access=access)
    assert (done.digest, done.tags) == (None, ("latest",))
    assert sent(stocked) == ["DELETE manifests/latest"]


async def test_too_many_tags_to_ask_for(stocked: Script, access: Access) -> None:
    done = await delete_with_tags(f"{NAME}:v1", max_tags=3, access=access)
    assert done.tags is None
    assert sent(stocked) == ["GET manifests/v1", "GET tags/list", f"DELETE manifests/{DIGEST}"]


async def test_a_registry_that_lists_no_tags(stocked: Script, access: Access) -> None:
    stocked.on("/v2/a/b/tags/list", answer(403))
    done = await delete_with_tags(f"{NAME}:v1", access=access)
    assert done.tags is None
    assert sent(stocked)[-1] == f"DELETE manifests/{DIGEST}"
    (warning,) = [event.message for event in stocked.events if isinstance(event, Warned)]
    assert warning.startswith(f"the tags of {DIGEST} are not known: listing tags of {HOST}/a/b")


async def test_a_name_without_tag_and_digest(stocked: Script, access: Access) -> None:
    with pytest.raises(InvalidName) as caught:
        await delete_with_tags(NAME, access=access)
    assert str(caught.value) == (
        f"{NAME} has neither a tag nor a digest: to delete the image with the tag latest, write {NAME}:latest"
    )
    with pytest.raises(InvalidName, match="has a digest"):
        await delete_with_tags(f"{NAME}@{DIGEST}", tag_only=True, access=access)
    with pytest.raises(Unsupported):
        await delete_with_tags("dir:/x", access=access)
    assert sent(stocked) == []
