"""Registries that lie about uploads: what they have of them, where they go on, how large pieces are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from pyskopeo.errors import PyskopeoError, RegistryError
from tests.scenario.push.images import LARGE_IMAGE
from tests.support import faults as f
from tests.support import upload_faults as u
from tests.support.layers import layer_of
from tests.support.publishing import Push
from tests.support.simulator import Simulator

pytestmark = pytest.mark.anyio
ONE_LOOP = pytest.mark.parametrize("anyio_backend", ["asyncio"])


@pytest.mark.parametrize("claimed", [1_500_000, 2_999_999, None], ids=["more", "nearly-all", "all"])
async def test_a_status_that_claims_more_than_was_sent(
    claimed: int | None, registry: Simulator, tmp_path: Path
) -> None:
    """It cannot have it, so what it has cannot be known: the upload starts anew."""
    push = Push(registry, LARGE_IMAGE, tmp_path)
    size = len(LARGE_IMAGE.blobs[layer_of(LARGE_IMAGE)])
    registry.on_upload("PATCH", u.CutUpload(500_000), times=1)
    registry.on_upload("GET", f.SetHeaders({"Range": f"0-{(claimed or size) - 1}"}))
    await push.run()
    push.check_there()


@pytest.mark.parametrize("claimed", [10, 100_000])
async def test_an_answer_that_goes_backwards(claimed: int, registry: Simulator, tmp_path: Path) -> None:
    """Once: what was lost is sent again. The status says what is so."""
    push = Push(registry, LARGE_IMAGE, tmp_path)
    registry.on_upload("PATCH", f.SetHeaders({"Range": f"0-{claimed}"}), times=1)
    await push.run()
    push.check_there()


@pytest.fixture
def registry() -> Iterator[Simulator]:
    """It holds nothing yet."""
    with Simulator() as running:
        yield running


LEAST = ["-1", "0", "1e9", "999999999999999999999999", str(10**12), str(10**11), " 5", "0x10", "", "\u0663", "5, 7"]


@ONE_LOOP
@pytest.mark.parametrize("least", LEAST)
async def test_the_least_size_of_a_piece_is_absurd(least: str, registry: Simulator, tmp_path: Path) -> None:
    """With pieces, which is where it counts: bodies over a megabyte are refused."""
    push = Push(registry, LARGE_IMAGE, tmp_path)
    registry.on_upload("POST", f.SetHeaders({"OCI-Chunk-Min-Length": least.encode().decode("latin-1")}))
    registry.on_upload("PATCH", u.Early(413, over=1_100_000))
    if least != str(10**11):
        await push.run()
        push.check_there()
        return
    with pytest.raises(RegistryError, match="413"):  # it wants all at once, and takes no such thing
        await push.run()
    assert push.asked["PATCH upload"] < 5


@ONE_LOOP
@pytest.mark.parametrize(
    "location",
    [
        "/v2/test/image/blobs/uploads/" + "x" * 60_000,
        "/v2/test/image/blobs/uploads/" + "x" * 70_000,
        "/v2/\u00e9\u00ff/blobs",
        "//\u00e9xample.invalid/x",
        "//xn--/x",
        "//[::1/x",
        "//a..b/x",
        "//" + "a" * 300 + "/x",
        "/\x9b31mred",
        "//\x9b31mred/x",
        "//127.0.0.1:0/x",
        "//%31%32%37.0.0.1/x",
        "/x#y",
        "?",
        "..",
        "\\\\host\\x",
    ],
    ids=range(16),
)
async def test_locations_nobody_should_give(location: str, registry: Simulator, tmp_path: Path) -> None:
    """One clear line, in bounded time, and fit for a terminal."""
    push = Push(registry, LARGE_IMAGE, tmp_path)
    push.closes = False
    registry.on_upload("POST", f.SetHeaders({"Location": location}))
    with anyio.fail_after(10), pytest.raises(PyskopeoError) as caught:
        await push.run()
    assert len(str(caught.value)) < 600
    assert str(caught.value).isprintable(), str(caught.value)
    assert push.names() == {}


@ONE_LOOP
async def test_an_upload_opened_after_a_redirect(registry: Simulator, tmp_path: Path) -> None:
    """What its Location is relative to is where it was opened, not where that was asked for."""
    with Simulator() as other:
        other.store, other.uploads = registry.store, registry.uploads
        registry.on_upload("POST", f.Redirect(f"{other.url}/v2/test/image/blobs/uploads/"))
        push = Push(registry, LARGE_IMAGE, tmp_path)
        await push.run()
        push.check_there()
        assert {r.method for r in other.requests} >= {"POST", "PATCH", "PUT"}


@ONE_LOOP
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_bodies_are_sent_round_and_round(method: str, registry: Simulator, tmp_path: Path) -> None:
    push = Push(registry, LARGE_IMAGE, tmp_path)
    registry.on_upload(method, f.Redirect("/v2/test/image/blobs/uploads/round?{name}"))
    with pytest.raises(PyskopeoError) as caught:
        await push.run()
    assert len(str(caught.value)) < 600
    assert push.asked[f"{method} upload"] < 25


@ONE_LOOP
@pytest.mark.parametrize("where", ["POST", "PATCH", "PUT", "manifest", "HEAD"])
async def test_an_error_that_never_ends(where: str, registry: Simulator, tmp_path: Path) -> None:
    push = Push(registry, LARGE_IMAGE, tmp_path)
    faults = (f.Refuse(400, body=b"no " * 100_000), f.Endless())
    if where == "manifest":
        registry.on("/v2/*/manifests/*", *faults, methods=("PUT",))
    else:
        registry.on("/v2/*/blobs/*", *faults, methods=(where,))
        push.closes = where != "HEAD"
    with anyio.fail_after(10):
        if where == "HEAD":
            await push.run()  # a HEAD has no body
        else:
            with pytest.raises(RegistryError, match="no no") as caught:
                await push.run()
            assert len(str(caught.value)) < 600
