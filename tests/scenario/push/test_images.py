"""Pushes to a registry that works: what is asked, in which order, and how little of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import httpx
import pytest

import pyskopeo
from pyskopeo.errors import DestinationRefused, InvalidName, PyskopeoError
from tests.scenario.push.images import IMAGE, LARGE, SMALL, TOTAL
from tests.support import faults as f
from tests.support.access import access_for
from tests.support.exchange import Request, Response
from tests.support.images import ImageSpec, LayerSpec, build, digest_of
from tests.support.processes import wait_until
from tests.support.publishing import Push, kind, order
from tests.support.simulator import Pushing, Simulator

pytestmark = pytest.mark.anyio


# --- what is asked ---


async def test_every_byte_is_sent_once(push: Push, registry: Simulator) -> None:
    await push.run()
    push.check_there()
    assert push.sent == TOTAL
    assert set(push.placements.values()) == {"written"}
    asked = push.asked
    assert asked["HEAD blob"] == asked["POST upload"] == len(IMAGE.blobs)
    assert asked["PUT manifest"] == 1
    assert asked["DELETE upload"] == asked["GET manifest"] == asked["GET blob"] == 0
    assert push.retries == []
    assert push.warnings == []


async def test_the_manifest_comes_last(push: Push, registry: Simulator) -> None:
    await push.run()
    (put,) = order(registry, "PUT", "manifest")
    assert put == len(registry.requests) - 1
    request = registry.requests[put]
    assert request.path == "/v2/test/image/manifests/latest"
    assert request.header("Content-Type") == IMAGE.root.media_type
    assert request.body == IMAGE.root.raw


@pytest.mark.parametrize(
    "pushing",
    [Pushing(absolute=absolute, query=query) for absolute in (False, True) for query in (False, True)],
    ids=lambda pushing: f"{'absolute' if pushing.absolute else 'relative'}-{'query' if pushing.query else 'path'}",
)
async def test_every_kind_of_location(push: Push, registry: Simulator) -> None:
    await push.run()
    push.check_there()
    for request in registry.requests:
        if registry.pushing.query and request.method == "PUT" and kind(request) == "upload":
            assert re.search(r"\?_state=[^&]+&x=a%2Fb&digest=sha256", request.target)  # its query is as it was


@pytest.mark.parametrize("pushing", [Pushing(stale="lost"), Pushing(stale="served")])
async def test_it_is_no_matter_what_becomes_of_old_locations(push: Push) -> None:
    await push.run()
    push.check_there()


@pytest.mark.parametrize("kinds", ["docker", "oci", "oci-zstd", "oci-uncompressed", "artifact", "oci-sha512",
                                   "oci-no-layers", "oci-repeated", "docker-odd-text-go"])  # fmt: skip
async def test_every_kind_of_image(kinds: str, registry: Simulator, tmp_path: Path) -> None:
    push = Push(registry, build(kinds), tmp_path, access_for(tmp_path))
    await push.run()
    push.check_there()


@pytest.mark.parametrize("size", [300_000, 2_000_000], ids=["small", "streamed"])
async def test_by_a_client_of_the_caller(size: int, registry: Simulator, tmp_path: Path) -> None:
    image = build(ImageSpec(layers=(LayerSpec("layer", size=size, compression="none"),)))
    async with httpx.AsyncClient() as client:
        push = Push(registry, image, tmp_path, access_for(tmp_path, client=client))
        await push.run()
    push.check_there()
    assert push.asked["PUT upload"] == len(image.blobs)
    assert push.asked["PATCH upload"] == 0


class UntilOpened:
    """The answer comes when an upload is open at ``registry``, or after a while."""

    def __init__(self, registry: Simulator) -> None:
        self.registry = registry
        self.opened: list[bool] = []

    def apply(self, request: Request, response: Response) -> Response:
        self.opened.append(wait_until(lambda: bool(self.registry.open_uploads), 10))
        return response


@pytest.mark.parametrize("size", [300_000, 3_000_000, 5_000_000], ids=["small", "PUT", "PATCH"])
async def test_the_upload_is_opened_while_the_source_is_asked(size: int, registry: Simulator, tmp_path: Path) -> None:
    image = build(ImageSpec(layers=(LayerSpec("layer", size=size, compression="none"),)))
    push = Push(registry, image, tmp_path, access_for(tmp_path))
    with Simulator(image) as source:
        source.on_blob(image.layer_digests()[0], fault := UntilOpened(registry))
        await push.run(source=source.name(), jobs=1)
    assert fault.opened == [True]
    push.check_there()
    assert push.asked["POST upload"] == len(image.blobs)
    assert push.asked["PATCH upload"] == (size == 5_000_000)


@pytest.mark.parametrize("pushing", [Pushing(whole_posts=True)])
async def test_a_registry_that_takes_a_blob_with_the_post(push: Push, registry: Simulator) -> None:
    """The first small blob shows that. Nothing else is asked then."""
    await push.run(jobs=1)
    push.check_there()
    posts = [r for r in registry.requests if r.method == "POST"]
    assert [r.query.get("digest") for r in posts] == [None, [SMALL], [IMAGE.config_digest()]]
    assert push.asked["PUT upload"] == 1
    assert push.sent == TOTAL
    push.forget()
    await push.run(registry.name("other/repository"), jobs=1)  # other connections: nothing is known of the registry
    assert push.asked["PUT upload"] == 1


async def test_a_registry_that_ignores_the_body_of_a_post_gets_one(push: Push, registry: Simulator) -> None:
    image = build(ImageSpec(layers=tuple(LayerSpec(f"small-{n}", size=900) for n in range(5))))
    push = Push(registry, image, push.home / "other", push.access)
    await push.run()
    push.check_there()
    assert sum(r.length > 0 for r in registry.requests if r.method == "POST") == 1
    assert push.asked["POST upload"] == push.asked["PUT upload"] == len(image.blobs)


@dataclass(frozen=True)
class OnBodies:
    """A fault of a POST with a body."""

    fault: f.Fault

    def apply(self, request: Request, response: Response) -> Response:
        return self.fault.apply(request, response) if request.length else response


POSTS: dict[str, f.Fault] = {
    **{str(status): f.Refuse(status) for status in (307, 400, 403, 404, 405, 413, 429, 500, 503)},
    "it hangs up": f.Drop(),
    "it says it has them": f.Refuse(201),
    "it has the bytes": f.SetHeaders({"Range": "0-99"}),
    "no Location": f.SetHeaders({"Location": None}),
}


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("name", POSTS)
async def test_a_post_with_a_blob_that_is_refused_is_no_failure(name: str, push: Push, registry: Simulator) -> None:
    registry.on_upload("POST", OnBodies(POSTS[name]))
    push.closes = name == "it has the bytes"  # otherwise it has opened one, and does not say where
    await push.run(jobs=1)
    push.check_there()
    assert push.retries == []
    assert sum(r.length > 0 for r in registry.requests if r.method == "POST") == 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_post_whose_bytes_are_kept_in_silence_is_no_failure(registry: Simulator, tmp_path: Path) -> None:
    """What is sent by PUT comes after them then, and is not what it should be."""
    image = build(ImageSpec(layers=(LayerSpec("small", size=900),)))
    push = Push(registry, image, tmp_path, access_for(tmp_path))
    registry.on_upload("PUT", f.Refuse(400), times=1)
    await push.run(jobs=1)
    push.check_there()
    assert push.retries == []
    assert push.asked["DELETE upload"] == 1
    assert push.asked["POST upload"] == len(image.blobs) + 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("status", [307, 405])
async def test_a_streamed_put_that_is_refused(status: int, registry: Simulator, tmp_path: Path) -> None:
    """The bytes are sent by a request of their own then."""
    image = build(ImageSpec(layers=(LayerSpec("layer", size=2_000_000, compression="none"),)))
    push = Push(registry, image, tmp_path, access_for(tmp_path))
    registry.on_upload("PUT", f.Refuse(status), times=1)
    await push.run(jobs=1)
    push.check_there()
    assert push.asked["PATCH upload"] == 1
    assert push.retries == []


async def test_from_registry_to_registry_nothing_is_kept(registry: Simulator, tmp_path: Path) -> None:
    push = Push(registry, IMAGE, tmp_path, access_for(tmp_path))
    before = set(tmp_path.rglob("*"))
    with Simulator(IMAGE) as source:
        await push.run(source=source.name())
        assert [r.method for r in source.requests if r.path.endswith(LARGE)] == ["GET"]
    push.check_there()
    assert push.sent == TOTAL
    assert set(tmp_path.rglob("*")) == before


# --- what is there already ---


async def test_what_is_there_costs_one_question(push: Push, registry: Simulator) -> None:
    await push.run()
    push.forget()
    await push.run()
    assert set(push.asked) == {"HEAD manifest"}
    assert push.asked["HEAD manifest"] <= 2
    assert set(push.placements.values()) <= {"present"}


async def test_all_of_a_list_that_is_there_costs_a_question_each(registry: Simulator, tmp_path: Path) -> None:
    """A list may be there without all of its images."""
    image = build("oci-index-attested")
    push = Push(registry, image, tmp_path, access_for(tmp_path))
    await push.run()
    push.forget()
    await push.run()
    assert set(push.asked) == {"HEAD manifest"}
    assert push.asked["HEAD manifest"] <= len(image.manifests)


async def test_another_tag_is_one_manifest(push: Push, registry: Simulator) -> None:
    await push.run()
    push.forget()
    await push.run(registry.name(tag="other"))
    push.check_there(tag="other")
    assert set(push.asked) == {"HEAD manifest", "PUT manifest"}
    assert push.asked["PUT manifest"] == 1


async def test_a_tag_that_moved_is_put_right(push: Push, registry: Simulator) -> None:
    await push.run()
    registry.add(build("oci"), "test/image", "latest")
    push.forget()
    await push.run()
    push.check_there()
    assert push.sent == 0


async def test_blobs_that_are_there_cost_a_head_each(push: Push, registry: Simulator) -> None:
    registry.store.add_blob("test/image", LARGE, IMAGE.blobs[LARGE])
    await push.run()
    push.check_there()
    assert push.placements[LARGE] == "present"
    assert push.asked["HEAD blob"] == len(IMAGE.blobs)
    assert push.asked["POST upload"] == len(IMAGE.blobs) - 1
    assert push.sent == TOTAL - len(IMAGE.blobs[LARGE])


async def test_a_part_of_a_list_that_is_there_is_not_asked_for_blob_by_blob(
    registry: Simulator, tmp_path: Path
) -> None:
    image = build("oci-index")
    push = Push(registry, image, tmp_path, access_for(tmp_path))
    child = image.child(0)
    blobs = {image.config_digest(child.digest), *image.layer_digests(child.digest)}
    for digest in blobs:
        registry.store.add_blob("test/image", digest, image.blobs[digest])
    registry.store.add_manifest("test/image", child.digest, child)
    await push.run()
    push.check_there()
    own = blobs - {digest for other in range(1, 6) for digest in image.layer_digests(image.child(other).digest)}
    assert own
    assert not [r for r in registry.requests if kind(r) == "blob" and r.path.rpartition("/")[2] in own]


# --- lists ---


@pytest.mark.parametrize("kinds", ["docker-list", "oci-index-attested", "nested-index", "index-with-artifact"])
async def test_children_before_parents(kinds: str, registry: Simulator, tmp_path: Path) -> None:
    image = build(kinds)
    push = Push(registry, image, tmp_path, access_for(tmp_path))
    await push.run()
    push.check_there()
    assert push.sent == sum(map(len, image.blobs.values()))
    # The simulator refuses whoever names what is not there; that none was refused is in the count.
    assert push.asked["PUT manifest"] == len(image.manifests)
    puts = [r for r in registry.requests if r.method == "PUT" and kind(r) == "manifest"]
    assert puts[-1].path.endswith("/latest")
    assert all(":" in r.path.rpartition("/")[2] for r in puts[:-1])


async def test_the_images_of_a_list_are_copied_at_once(registry: Simulator, tmp_path: Path) -> None:
    """Six images, each answer 0.15 s late: one after another would take 6 times (HEAD, POST, PUT, manifest)."""
    image = build("oci-index")
    push = Push(registry, image, tmp_path, access_for(tmp_path))
    registry.on("/v2/*", f.Delay(0.15), methods=("HEAD", "POST", "PUT"))
    with anyio.fail_after(3.5):
        await push.run()
    assert registry.most_at_once >= 6
    push.check_there()


# --- names ---


async def test_by_a_digest_that_is_not_known_before(push: Push, registry: Simulator) -> None:
    await push.run(f"docker://{registry.host}/test/image@@unknown-digest@@")
    push.check_there(tag=None)
    assert push.names() == {}
    assert [r.path for r in registry.requests if r.method == "PUT"][-1].endswith(f"/manifests/{IMAGE.digest}")


async def test_by_the_digest_it_has(push: Push, registry: Simulator) -> None:
    await push.run(f"docker://{registry.host}/test/image@{IMAGE.digest}")
    push.check_there(tag=None)


async def test_by_a_digest_it_has_not(push: Push, registry: Simulator) -> None:
    with pytest.raises((DestinationRefused, PyskopeoError), match=IMAGE.digest):
        await push.run(f"docker://{registry.host}/test/image@{digest_of(b'other')}")
    assert push.sent == 0
    assert push.asked["PUT manifest"] == 0


async def test_more_tags(push: Push, registry: Simulator) -> None:
    push.access = replace(
        push.access, writing=pyskopeo.Writing(additional_tags=("v1", f"{registry.host}/test/image:v2", "v1"))
    )
    await push.run()
    for tag in ("latest", "v1", "v2"):
        push.check_there(tag=tag)
    assert push.asked["PUT manifest"] == 3
    assert push.sent == TOTAL
    push.forget()
    await push.run()
    assert set(push.asked) == {"HEAD manifest"}


async def test_a_tag_of_somewhere_else(push: Push, registry: Simulator) -> None:
    push.access = replace(push.access, writing=pyskopeo.Writing(additional_tags=(f"{registry.host}/other:v2",)))
    with pytest.raises(InvalidName, match="test/image"):
        await push.run()
    assert push.asked["POST upload"] == push.asked["PUT manifest"] == 0


# --- what is asked while the source is read ---


async def test_two_pushes_of_the_same_at_once(registry: Simulator, tmp_path: Path) -> None:
    first, second = (Push(registry, IMAGE, tmp_path / name, access_for(tmp_path)) for name in ("a", "b"))
    first.closes = second.closes = False
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first.run)
        tasks.start_soon(second.run)
    first.closes = True
    first.check()
    first.check_there()


# --- lists that are there in part ---


@pytest.mark.parametrize("pushing", [Pushing(checks_blobs=False)])
@pytest.mark.parametrize("kinds", ["oci-index", "nested-index", "docker-list"])
async def test_a_list_that_is_there_without_its_images(kinds: str, registry: Simulator, tmp_path: Path) -> None:
    """As a copy of one platform leaves it, or of the list alone, where registries allow that."""
    image = build(kinds)
    push = Push(registry, image, tmp_path)
    registry.store.add_manifest("test/image", "latest", image.root)
    registry.store.add_manifest("test/image", image.digest, image.root)
    await push.run()
    push.check_there()
