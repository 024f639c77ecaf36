"""Pushes from another repository of the registry: no byte moves."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyskopeo.credentials.authfile import Credentials
from pyskopeo.http.retry import Retry
from tests.scenario.push.images import IMAGE, LARGE_IMAGE, PASSWORD, SMALL, TOTAL
from tests.support import faults as f
from tests.support.access import access_for
from tests.support.exchange import Request, Response
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.publishing import Push
from tests.support.simulator import BearerGate, Pushing, Simulator
from tests.support.token_server import TokenRules, TokenServer

pytestmark = pytest.mark.anyio


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


class OnMounts:
    """A fault of the POST that asks for a mount, not of the one that opens an upload."""

    def __init__(self, fault: f.Fault) -> None:
        self.fault = fault

    def apply(self, request: Request, response: Response) -> Response:
        return self.fault.apply(request, response) if "mount" in request.query else response


@pytest.mark.parametrize("status", [200, 204, 301, 400, 401, 403, 404, 405, 500, 501, 503])
async def test_a_mount_is_a_question(status: int, registry: Simulator, tmp_path: Path) -> None:
    """Whatever the answer is, a blob that is not mounted is sent."""
    registry.add(IMAGE, "from/here", "v1")
    push = Push(registry, IMAGE, tmp_path, access_for(tmp_path, retry=Retry(times=1, delay=0.001)))
    push.closes = False  # the simulator has mounted it, and then says that it has not
    registry.on_upload("POST", OnMounts(f.Refuse(status)))
    await push.run(source=registry.name("from/here", "v1"), jobs=1)
    push.check_there()
    assert len(push.retries) <= (len(IMAGE.blobs) if status == 503 else 0)


@pytest.mark.parametrize("pushing", [Pushing(mounts=False)])
async def test_a_mount_that_opens_an_upload_nowhere(registry: Simulator, tmp_path: Path) -> None:
    """202 without a Location: another POST opens one."""
    registry.add(IMAGE, "from/here", "v1")
    push = Push(registry, IMAGE, tmp_path, access_for(tmp_path))
    push.closes = False
    registry.on_upload("POST", OnMounts(f.SetHeaders({"Location": None})))
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


@pytest.mark.parametrize("pushing", [Pushing(mounts=False)])
async def test_a_registry_that_fails_at_mounts(registry: Simulator, tmp_path: Path) -> None:
    """500 each time; a plain upload works."""
    registry.add(LARGE_IMAGE, "from/here", "v1")
    registry.on_upload("POST", OnMounts(f.Refuse(500)))
    push = Push(registry, LARGE_IMAGE, tmp_path)
    push.closes = False  # the simulator opens an upload, and then says that it did not
    await push.run(source=registry.name("from/here", "v1"))
    push.check_there()
    assert set(push.placements.values()) == {"written"}
    assert push.retries == []


# --- from the repository itself ---

MANY = build(ImageSpec(layers=tuple(LayerSpec(f"layer-{n}", size=200) for n in range(30))))


@pytest.fixture
def many(registry: Simulator, tmp_path: Path) -> Push:
    return Push(registry, MANY, tmp_path, access_for(tmp_path))


async def test_after_many_absent_blobs_one_request_asks_and_opens_the_upload(many: Push, registry: Simulator) -> None:
    await many.run(jobs=1)
    many.check_there()
    assert many.asked["HEAD blob"] == 16
    # One more, which mounts a blob that is known to be there: so the registry does that.
    assert many.asked["POST upload"] == len(MANY.blobs) + 1
    assert many.asked["DELETE upload"] == 0
    assert set(many.placements.values()) == {"written"}


async def test_a_blob_that_is_there_after_many_absent_ones(many: Push, registry: Simulator) -> None:
    """It is asked for by HEAD again then."""
    *_, present = sorted(MANY.layer_digests(), key=lambda digest: -len(MANY.blobs[digest]))
    registry.store.add_blob("test/image", present, MANY.blobs[present])
    await many.run(jobs=1)
    many.check_there()
    assert many.placements[present] == "present"
    assert many.sent == sum(map(len, MANY.blobs.values())) - len(MANY.blobs[present])


class Mounted:
    """A registry that says of each blob that it has mounted it."""

    def apply(self, request: Request, response: Response) -> Response:
        return Response(201, (("Location", "/v2/test/image/blobs/any"),)) if "mount" in request.query else response


async def test_a_registry_that_claims_to_have_mounted_each_blob_is_sent_all(many: Push, registry: Simulator) -> None:
    many.closes = False  # the simulator has opened an upload, which its answer does not say
    registry.on_upload("POST", Mounted())
    await many.run(jobs=1)
    many.check_there()
    assert set(many.placements.values()) == {"written"}


@pytest.mark.parametrize("fault", [None, f.Refuse(400), f.Refuse(404), f.Refuse(500)], ids=["202", "400", "404", "500"])
async def test_a_registry_that_mounts_nothing_is_asked_by_head(fault: f.Fault | None, tmp_path: Path) -> None:
    with Simulator(pushing=Pushing(mounts=False)) as registry:
        push = Push(registry, MANY, tmp_path, access_for(tmp_path))
        if fault is not None:
            push.closes = False  # the simulator has opened an upload, and then says that it has not
            registry.on_upload("POST", OnMounts(fault))
        await push.run(jobs=1)
        push.check_there()
        assert push.asked["HEAD blob"] == len(MANY.blobs)
        assert sum("mount" in request.query for request in registry.requests) == 1
        assert push.asked["POST upload"] == len(MANY.blobs) + (fault is not None)


async def test_no_other_token_is_requested_for_the_own_repository(token_server: TokenServer, tmp_path: Path) -> None:
    before = len(token_server.requests)
    with Simulator(gate=BearerGate(token_server.realm, token_server.accepts)) as registry:
        push = Push(registry, MANY, tmp_path, access_for(tmp_path, credentials=PASSWORD))
        await push.run(jobs=1)
        push.check_there()
        assert push.asked["HEAD blob"] < len(MANY.blobs)
    assert len(token_server.requests) == before + 1
