"""Pushing to a registry that means well: what is asked, in which order, and how little of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import pytest

import pyskopeo
from pyskopeo.credentials.authfile import Credentials
from pyskopeo.errors import ContentMismatch, DestinationRefused, InvalidName, PyskopeoError, RegistryError
from tests.support import faults as f
from tests.support.access import access_for
from tests.support.exchange import Request, Response
from tests.support.images import BuiltImage, ImageSpec, LayerSpec, build, digest_of
from tests.support.outputs import blob_path
from tests.support.processes import wait_until
from tests.support.publishing import Push, kind
from tests.support.simulator import BasicGate, BearerGate, Pushing, Simulator
from tests.support.token_server import TokenRules, TokenServer

pytestmark = pytest.mark.anyio

IMAGE = build(
    ImageSpec(
        layers=(
            LayerSpec("large", size=300_000, compression="none"),
            LayerSpec("small", size=700, compression="gzip"),
        )
    )
)
LARGE, SMALL = IMAGE.layer_digests()
TOTAL = sum(map(len, IMAGE.blobs.values()))
PASSWORD = Credentials("user", "pass")


@pytest.fixture
def pushing() -> Pushing:
    return Pushing()


@pytest.fixture
def registry(pushing: Pushing) -> Iterator[Simulator]:
    with Simulator(pushing=pushing) as running:
        yield running


@pytest.fixture
def push(registry: Simulator, tmp_path: Path) -> Push:
    return Push(registry, IMAGE, tmp_path, access_for(tmp_path))


def order(registry: Simulator, method: str, what: str) -> list[int]:
    """The places in the log of these requests."""
    return [n for n, r in enumerate(registry.requests) if r.method == method and kind(r) == what]


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


async def test_the_upload_is_opened_when_the_first_bytes_are_there(registry: Simulator, tmp_path: Path) -> None:
    """A slow source cannot time it out."""
    push = Push(registry, IMAGE, tmp_path, access_for(tmp_path))
    with Simulator(IMAGE) as source:
        source.on_blob(LARGE, f.Delay(0.5))
        await push.run(source=source.name())
        asked = next(r for r in source.requests if r.path.endswith(LARGE)).received
    put = next(r for r in registry.requests if r.query.get("digest") == [LARGE])
    opened = max(r.received for r in registry.requests if r.method == "POST" and r.received < put.received)
    assert opened - asked >= 0.45
    push.check_there()


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


# --- mounts ---


async def test_to_another_repository_of_the_registry_no_byte_moves(registry: Simulator, tmp_path: Path) -> None:
    registry.add(IMAGE, "from/here", "v1")
    push = Push(registry, IMAGE, tmp_path, access_for(tmp_path))
    await push.run(source=registry.name("from/here", "v1"))
    push.check_there()
    assert push.sent == 0
    assert set(push.placements.values()) == {"mounted"}
    assert push.asked["GET blob"] == push.asked["PUT upload"] == 0
    mounts = [r.query for r in registry.requests if r.method == "POST"]
    assert len(mounts) == len(IMAGE.blobs)
    assert {(q["mount"][0], q["from"][0]) for q in mounts} == {(digest, "from/here") for digest in IMAGE.blobs}


@pytest.mark.parametrize("kinds", ["docker-list", "nested-index"])
async def test_a_whole_list_is_promoted(kinds: str, registry: Simulator, tmp_path: Path) -> None:
    image = build(kinds)
    registry.add(image, "from/here", "v1")
    push = Push(registry, image, tmp_path, access_for(tmp_path))
    await push.run(source=registry.name("from/here", "v1"))
    push.check_there()
    assert push.sent == 0


@pytest.mark.parametrize("pushing", [Pushing(mounts=False)])
async def test_a_registry_that_does_not_mount(registry: Simulator, tmp_path: Path) -> None:
    """What it opens instead is used: no other POST, and nothing left open where the blob was there."""
    registry.add(IMAGE, "from/here", "v1")
    registry.store.add_blob("test/image", SMALL, IMAGE.blobs[SMALL])
    push = Push(registry, IMAGE, tmp_path, access_for(tmp_path))
    await push.run(source=registry.name("from/here", "v1"), jobs=1)
    push.check_there()
    assert push.sent == TOTAL - len(IMAGE.blobs[SMALL])
    assert push.placements[SMALL] == "present"
    written = [digest for digest, placement in push.placements.items() if placement == "written"]
    opened = push.asked["POST upload"] - push.asked["DELETE upload"]
    assert opened == len(written)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405])
async def test_a_mount_that_is_refused(status: int, registry: Simulator, tmp_path: Path) -> None:
    registry.add(IMAGE, "from/here", "v1")
    push = Push(registry, IMAGE, tmp_path, access_for(tmp_path))
    registry.on_upload("POST", f.Refuse(status), times=1)
    await push.run(source=registry.name("from/here", "v1"), jobs=1)
    push.check_there()


@pytest.mark.parametrize("quiet", [False, True])
async def test_a_mount_needs_both_repositories_in_the_token(
    quiet: bool, token_server: TokenServer, tmp_path: Path
) -> None:
    """Some registries ask for what is missing; others just do not mount."""
    gate = BearerGate(token_server.realm, token_server.accepts)
    before = len(token_server.requests)
    with Simulator(gate=gate, pushing=Pushing(quiet=quiet)) as registry:
        registry.add(IMAGE, "private/from", "v1")
        push = Push(registry, IMAGE, tmp_path, access_for(tmp_path, credentials=PASSWORD))
        await push.run(source=registry.name("private/from", "v1"))
        push.check_there()
        assert push.sent == 0
    scopes = [" ".join(sorted(" ".join(r.query["scope"]).split())) for r in token_server.requests[before:]]
    assert "repository:private/from:pull repository:test/image:pull,push" in scopes
    assert len(scopes) <= 4


async def test_without_the_right_to_pull_there_is_no_mount(tmp_path: Path) -> None:
    """Who may read the source as another user only: the blobs are sent."""
    def grant(user: str, name: str, actions: tuple[str, ...]) -> tuple[str, ...]:
        mine = {"reader": "private/from", "writer": "test/image"}.get(user)
        return actions if name == mine else ()

    rules = TokenRules(users={"reader": "reads", "writer": "writes"}, grant=grant)
    with TokenServer(tmp_path / "tokens", rules) as tokens:
        with Simulator(gate=BearerGate(tokens.realm, tokens.accepts)) as registry:
            registry.add(IMAGE, "private/from", "v1")
            push = Push(registry, IMAGE, tmp_path, access_for(tmp_path, credentials=Credentials("writer", "writes")))
            reader = access_for(tmp_path, credentials=Credentials("reader", "reads"))
            await push.run(source=registry.name("private/from", "v1"), source_access=reader)
            push.check_there()
            assert push.sent == TOTAL


async def test_nothing_is_mounted_from_another_registry(registry: Simulator, tmp_path: Path) -> None:
    push = Push(registry, IMAGE, tmp_path, access_for(tmp_path))
    with Simulator(IMAGE, "from/here") as source:
        await push.run(source=source.name("from/here"))
    assert not [r for r in registry.requests if "mount" in r.query]


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


# --- who is asked to say who it is ---


async def test_with_a_password(tmp_path: Path) -> None:
    with Simulator(gate=BasicGate({"user": "pass"})) as registry:
        push = Push(registry, IMAGE, tmp_path, access_for(tmp_path, credentials=PASSWORD))
        await push.run()
        push.check_there()
        assert push.sent == TOTAL


async def test_one_token_serves_the_whole_push(token_server: TokenServer, tmp_path: Path) -> None:
    before = len(token_server.requests)
    with Simulator(gate=BearerGate(token_server.realm, token_server.accepts)) as registry:
        push = Push(registry, IMAGE, tmp_path, access_for(tmp_path, credentials=PASSWORD))
        await push.run()
        push.check_there()
        assert push.sent == TOTAL
        assert push.retries == []
    (asked,) = token_server.requests[before:]
    assert asked.query["scope"] == ["repository:test/image:pull,push"]


async def test_each_side_is_its_own_client(token_server: TokenServer, tmp_path: Path) -> None:
    with Simulator(IMAGE, gate=BasicGate({"other": "secret"})) as source:
        with Simulator(gate=BearerGate(token_server.realm, token_server.accepts)) as registry:
            push = Push(registry, IMAGE, tmp_path, access_for(tmp_path, credentials=PASSWORD))
            reader = access_for(tmp_path, credentials=Credentials("other", "secret"))
            await push.run(source=source.name(), source_access=reader)
            push.check_there()
            assert all(value.startswith("Basic b3RoZXI6") for value in source.secrets_seen)
            assert all(value.startswith("Bearer ") for value in registry.secrets_seen)


# --- sources that fail ---


@pytest.mark.parametrize("digest", [LARGE, SMALL])
@pytest.mark.parametrize("at", [0, -1])
async def test_a_blob_that_is_not_what_it_is_called(digest: str, at: int, registry: Simulator, tmp_path: Path) -> None:
    """The registry never has all of it, so that not even a careless one can store it."""
    push = Push(registry, IMAGE, tmp_path, access_for(tmp_path))
    with Simulator(IMAGE) as source:
        source.on_blob(digest, f.Flip(at))
        with pytest.raises(ContentMismatch):
            await push.run(source=source.name())
    assert digest not in registry.blobs()
    assert push.asked["PUT manifest"] == 0
    whole = [r for r in registry.requests if kind(r) == "upload" and r.length >= len(IMAGE.blobs[digest])]
    assert not [r for r in whole if r.query.get("digest") == [digest]]


@pytest.mark.parametrize("fault", [f.Cut(100_000), f.Refuse(404), f.Short(5), f.Long(5)])
async def test_a_source_that_cannot_give_it(fault: f.Fault, registry: Simulator, tmp_path: Path) -> None:
    push = Push(registry, IMAGE, tmp_path, access_for(tmp_path, retry=pyskopeo.Retry(times=1, delay=0.01)))
    with Simulator(IMAGE) as source:
        source.on_blob(LARGE, fault)
        source.on_blob(LARGE, f.Ranges("refused-400"))
        with pytest.raises(PyskopeoError) as caught:
            await push.run(source=source.name())
        assert "\n" not in str(caught.value)
        assert LARGE not in registry.blobs()
        source.heal()
        await push.run(source=source.name())
    push.check_there()


async def test_a_source_that_breaks_off_is_read_on_while_the_upload_waits(registry: Simulator, tmp_path: Path) -> None:
    push = Push(registry, IMAGE, tmp_path, access_for(tmp_path))
    with Simulator(IMAGE) as source:
        source.on_blob(LARGE, f.Cut(100_000), times=1)
        await push.run(source=source.name())
        assert [r.header("Range") for r in source.requests if r.path.endswith(LARGE)] == [None, "bytes=100000-"]
    push.check_there()
    assert push.sent == TOTAL


async def test_a_layout_that_has_lost_a_blob(push: Push, registry: Simulator, tmp_path: Path) -> None:
    blob_path(tmp_path / "source", LARGE).unlink()
    with pytest.raises(PyskopeoError):
        await push.run()
    assert LARGE not in registry.blobs()


@pytest.mark.parametrize("pushing", [Pushing(stale="lost")])
@pytest.mark.parametrize("why", ["tampered", "cut", "cancelled"])
async def test_an_upload_that_only_its_latest_location_ends(why: str, registry: Simulator, tmp_path: Path) -> None:
    """docker-registry 2.8 cancels no upload of which more came than its Location says: a body that is not to be
    finished has to be ended, not broken off, and its answer be heard."""
    image = build(ImageSpec("oci", layers=(LayerSpec("large", size=3_000_000, compression="none"),)))
    (digest,) = image.layer_digests()
    push = Push(registry, image, tmp_path, access_for(tmp_path, retry=pyskopeo.Retry(times=0)))
    with Simulator(image) as source:
        faults: dict[str, f.Fault] = {
            "tampered": f.Flip(-1), "cut": f.Cut(2_000_000), "cancelled": f.Drip(100_000, 0.1)
        }  # fmt: skip
        source.on_blob(digest, faults[why])
        source.on_blob(digest, f.Ranges("refused-400"))
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                if why == "cancelled":

                    async def cancel() -> None:
                        while not registry.open_uploads:
                            await anyio.sleep(0.02)
                        await anyio.sleep(0.3)
                        scope.cancel()

                    tasks.start_soon(cancel)
                with suppress(PyskopeoError):
                    await push.run(source=source.name())
    push.check()


# --- cancelled ---


# --- what is asked while the source is read ---


@dataclass(frozen=True)
class _Once:
    """Answer when ``asked`` says so; refuse, should it never."""

    asked: Callable[[], bool]

    def apply(self, request: Request, response: Response) -> Response:
        return response if wait_until(self.asked, 5) else f.Refuse(404).apply(request, response)


async def test_the_registry_is_asked_while_the_source_is_read(push: Push, registry: Simulator) -> None:
    with Simulator(IMAGE) as source:
        source.on_manifest("latest", _Once(lambda: order(registry, "HEAD", "manifest") != []))
        await push.run(source=source.name())
    push.check_there()
    assert push.asked["HEAD manifest"] == 2  # by its tag, and by its digest


async def test_of_two_failures_the_sources_is_told(push: Push, registry: Simulator) -> None:
    registry.on("/v2/*", f.Refuse(400), methods=("HEAD",))
    with Simulator(IMAGE) as source:
        source.on_manifest("no-such-tag", _Once(lambda: order(registry, "HEAD", "manifest") != []))
        with pytest.raises(PyskopeoError, match="initializing source .*no-such-tag"):
            await push.run(source=source.name(tag="no-such-tag"))
        with pytest.raises(RegistryError, match=re.escape(f"looking for manifest latest in {registry.host}")):
            await push.run(source=source.name())


@pytest.mark.parametrize("slow", ["source", "registry", "silent registry"])
async def test_cancelled_in_the_middle(slow: str, registry: Simulator, tmp_path: Path) -> None:
    from tests.support.upload_faults import DripUpload, StallUpload

    image: BuiltImage = build(ImageSpec("oci", layers=(LayerSpec("large", size=3_000_000, compression="none"),)))
    (digest,) = image.layer_digests()
    push = Push(registry, image, tmp_path, access_for(tmp_path))
    with Simulator(image) as source:
        if slow == "source":
            source.on_blob(digest, f.Drip(50_000, 0.1))
        else:
            fault = DripUpload(50_000, 0.1) if slow == "registry" else StallUpload(100_000)
            registry.on("/v2/*/uploads/*", fault, methods=("PUT", "PATCH"))

        def under_way(request: Request) -> bool:
            return request.method == "PATCH"  # only the large one is streamed

        with anyio.fail_after(8), anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:

                async def cancel() -> None:
                    while not any(map(under_way, registry.requests)):
                        await anyio.sleep(0.02)
                    await anyio.sleep(0.1)
                    scope.cancel()

                tasks.start_soon(cancel)
                await push.run(source=source.name())
        assert scope.cancelled_caught
        push.check()
        assert push.names() == {}
        source.heal()
        push.forget()
        await push.run(source=source.name())
    push.check_there()


async def test_cancelled_before_anything_was_sent(registry: Simulator, tmp_path: Path) -> None:
    push = Push(registry, IMAGE, tmp_path, access_for(tmp_path))
    registry.on("/v2/*", f.Delay(0.4), methods=("HEAD", "POST"))
    with anyio.move_on_after(0.2) as scope:
        await push.run()
    assert scope.cancelled_caught
    push.forget()
    await push.run()
    push.check_there()


async def test_two_pushes_of_the_same_at_once(registry: Simulator, tmp_path: Path) -> None:
    first, second = (Push(registry, IMAGE, tmp_path / name, access_for(tmp_path)) for name in ("a", "b"))
    first.closes = second.closes = False
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first.run)
        tasks.start_soon(second.run)
    first.closes = True
    first.check()
    first.check_there()


