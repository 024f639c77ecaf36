"""Receipts: the JSON of one image, and of several that share blobs."""

from __future__ import annotations

import json

from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.events import Placement
from pyskopeo.model.platform import Platform
from pyskopeo.model.receipt import Receipt, ReceivedBlob, joint_receipt, receipt_bytes, stronger


def described(letter: str) -> Descriptor:
    return Descriptor("a/b", Digest("sha256", letter * 64), 3, Platform("linux", "amd64") if letter == "a" else None)


ROOT, SHARED, OWN = map(described, "abc")


def receipt(name: str, *blobs: ReceivedBlob) -> Receipt:
    return Receipt(name, ROOT.digest, (ROOT,), blobs)


def test_one_image() -> None:
    found = receipt("docker://h/a", ReceivedBlob(SHARED, Placement.WRITTEN, "h/a"), ReceivedBlob(OWN, Placement.PRESENT)).to_json()
    assert json.loads(receipt_bytes(found)) == {
        "receiptVersion": 1,
        "requested": "docker://h/a",
        "digest": str(ROOT.digest),
        "manifests": [{"mediaType": "a/b", "digest": str(ROOT.digest), "size": 3, "platform": {"architecture": "amd64", "os": "linux"}}],
        "blobs": [
            {"mediaType": "a/b", "digest": str(SHARED.digest), "size": 3, "placement": "written", "source": "h/a"},
            {"mediaType": "a/b", "digest": str(OWN.digest), "size": 3, "placement": "present", "source": ""},
        ],
    }


def test_whichever_image_was_first() -> None:
    """Of images that share a blob, only one has fetched it, and not always the same one."""
    written, present = ReceivedBlob(SHARED, Placement.WRITTEN, "h/a"), ReceivedBlob(SHARED, Placement.PRESENT)
    own = ReceivedBlob(OWN, Placement.LINKED, "store")
    one = joint_receipt("x.lock", [receipt("b", written, own), receipt("a", present)])
    other = joint_receipt("x.lock", [receipt("a", written), receipt("b", present, own)])
    assert one == other
    assert [image["requested"] for image in one["images"]] == ["a", "b"]
    assert [(blob["placement"], blob["source"]) for blob in one["blobs"]] == [("written", "h/a"), ("linked", "store")]


def test_which_placement_did_more() -> None:
    assert stronger(Placement.WRITTEN, Placement.PRESENT) is Placement.WRITTEN
    assert stronger(Placement.PRESENT, Placement.LINKED) is Placement.LINKED
