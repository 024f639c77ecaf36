"""Where a blob came from, by the requests that were sent."""

from __future__ import annotations

import pytest

from pyskopeo.engine.plan import Plan
from pyskopeo.engine.receipts import BlobRecord
from pyskopeo.engine.run import CopyResult
from pyskopeo.model.events import BlobFinished, Placement, Requested
from pyskopeo.model.manifest import Manifest
from tests.support.images import ImageSpec, LayerSpec, build

IMAGE = build(ImageSpec(layers=(LayerSpec("one"),)))
ROOT = Manifest.parse(IMAGE.root.raw)
(LAYER,) = ROOT.layers
RESULT = CopyResult(Plan(ROOT.digest, ROOT, (), ROOT.blobs), ROOT.digest, ROOT.digest)


def source(*events: object, placement: Placement = Placement.WRITTEN) -> str:
    record = BlobRecord()
    for event in events:
        record(event)  # type: ignore[arg-type]
    record(BlobFinished(LAYER.digest, LAYER.size, placement))
    (blob,) = record.receipt("docker://h/a", RESULT, local="store").blobs
    assert (blob.descriptor, blob.placement) == (LAYER, placement)
    return blob.source


def get(host: str, status: int = 200, method: str = "GET", *, scheme: str = "https") -> Requested:
    return Requested(method, f"{scheme}://{host}/v2/a/b/blobs/{LAYER.digest}", status, 0.1)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], "store"),
        ([get("h.example:5000", scheme="http")], "h.example:5000/a/b"),
        ([get("registry-1.docker.io")], "docker.io/a/b"),
        ([get("m.example", 404), get("h.example")], "h.example/a/b"),
        ([get("m.example"), get("h.example", 206)], "h.example/a/b"),
        ([get("h.example", 307), Requested("GET", "https://cdn.example/x?sig=hidden", 200, 0.1)], "h.example/a/b"),
        ([get("h.example", method="HEAD")], "store"),
        ([get("h.example", 0)], "store"),
    ],
)
def test_who_has_sent_a_blob(events: list[Requested], expected: str) -> None:
    assert source(*events) == expected


def test_what_was_there_has_no_source() -> None:
    assert source(get("h.example"), placement=Placement.PRESENT) == ""


def test_what_was_left_out_is_not_in_it() -> None:
    assert BlobRecord().receipt("x", RESULT, local="x").blobs == ()
