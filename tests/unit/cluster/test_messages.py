"""Events and results as JSON, and back."""

from __future__ import annotations

import json

import pytest

from pyskopeo.cluster.messages import decode_event, decode_result, encode_event, encode_result
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.events import (
    BlobFinished,
    BlobProgress,
    BlobStarted,
    Converted,
    CopyPlanned,
    Event,
    Explained,
    ManifestWritten,
    Placement,
    ReferrersPlanned,
    Requested,
    Retrying,
    SignaturesWritten,
    Warned,
)
from pyskopeo.syncing.record import Entry
from pyskopeo.syncing.sync_request import (
    ImageEvent,
    ImageResult,
    ImagesListed,
    ImageStarted,
    ImageWaiting,
    Listing,
    LogMessage,
    SyncEvent,
    SyncImage,
)

DIGEST, OTHER = (Digest.parse(f"sha256:{letter * 64}") for letter in "ab")
IMAGES = [SyncImage("docker://a/b:1", "docker://c/d:1"), SyncImage("docker://a/b:2", "docker://c/d:2")]
POSITIONS = {image: position for position, image in enumerate(IMAGES)}
BLOB = Descriptor("application/vnd.oci.image.layer.v1.tar+gzip", DIGEST, 7)

COPY_EVENTS: list[Event] = [
    CopyPlanned(DIGEST, (BLOB,), 7, 1),
    ReferrersPlanned((DIGEST,), (BLOB,), 7),
    BlobStarted(DIGEST, 7, "layer"),
    BlobProgress(DIGEST, 3, 7, 1),
    BlobFinished(DIGEST, 7, Placement.MOUNTED, 2),
    Converted(DIGEST, OTHER),
    ManifestWritten(DIGEST, 5, root=True),
    SignaturesWritten(DIGEST, 2, ("made",), root=False),
    Retrying("GET", "503", 1.5),
    Warned("careful"),
]


@pytest.mark.parametrize(
    "event",
    [
        ImageStarted(IMAGES[1], 1, 1),
        ImageWaiting(IMAGES[1], 3),
        LogMessage("warning", "text", (("a", "b"),)),
        LogMessage("error", "text"),
        ImageEvent(None, Warned("of a registry")),
        *(ImageEvent(IMAGES[1], event) for event in COPY_EVENTS),
    ],
    ids=lambda event: type(getattr(event, "event", event)).__name__,
)
def test_events(event: SyncEvent) -> None:
    encoded = encode_event(event, POSITIONS)
    assert encoded is not None
    assert decode_event(json.loads(json.dumps(encoded)), IMAGES) == event


@pytest.mark.parametrize(
    "event",
    [
        LogMessage("info", "Synced 3 images"),
        ImagesListed(Listing(())),
        ImageEvent(None, Requested("GET", "https://a/", 200, 0.1)),
        ImageEvent(IMAGES[0], Explained("why")),
    ],
)
def test_events_that_stay_on_the_worker(event: SyncEvent) -> None:
    assert encode_event(event, POSITIONS) is None


def test_an_event_that_is_not_known_is_left_out() -> None:
    assert decode_event({"kind": "copy", "image": 0, "event": {"event": "New"}}, IMAGES) is None
    assert decode_event({"kind": "new", "image": 0}, IMAGES) is None
    assert decode_event({"kind": "started", "image": None}, IMAGES) is None


@pytest.mark.parametrize("entry", [None, Entry("docker://a/b:2", DIGEST, OTHER, "all")])
@pytest.mark.parametrize(
    "result",
    [ImageResult(IMAGES[1], "copied", DIGEST, 7, 0.5, "", OTHER), ImageResult(IMAGES[1], "failed", error="it broke")],
)
def test_results(result: ImageResult, entry: Entry | None) -> None:
    encoded = json.loads(json.dumps(encode_result(result, 1, entry)))
    assert decode_result(encoded, IMAGES) == (result, entry)
