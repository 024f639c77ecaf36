"""Receipts: what was asked for, what was got, and where each blob came from. No I/O.

The JSON has neither times nor anything else that differs between two runs that do the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ..fast_dataclass import dataclass
from .descriptor import Descriptor
from .digest import Digest
from .events import Placement

RECEIPT_VERSION = 1


@dataclass(frozen=True, slots=True)
class ReceivedBlob:
    """A blob that is at the destination, and how it came there.

    ``source`` is where its bytes came from: ``HOST/REPOSITORY``, ``store`` for the content store, or the image name of
    a local source; "" if nothing was read, or if it was made by the copy itself.
    """

    descriptor: Descriptor
    placement: Placement
    source: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object: the descriptor, ``placement`` and ``source``."""
        return self.descriptor.brief_json() | {"placement": self.placement.value, "source": self.source}


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one image needed: ``digest`` is that of its root manifest at the destination, which is the first one."""

    requested: str
    digest: Digest
    manifests: tuple[Descriptor, ...]
    blobs: tuple[ReceivedBlob, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of a receipt for this image alone."""
        return {
            "receiptVersion": RECEIPT_VERSION,
            "requested": self.requested,
            "digest": str(self.digest),
            "manifests": [manifest.brief_json() for manifest in self.manifests],
            "blobs": [blob.to_json() for blob in self.blobs],
        }


_STRENGTH = (Placement.PRESENT, Placement.LINKED, Placement.MOUNTED, Placement.WRITTEN)


def stronger(one: Placement, other: Placement) -> Placement:
    """Return which of two placements of one blob did more: of images that share it, the first one wrote it."""
    return max(one, other, key=_STRENGTH.index)


def joint_receipt(requested: str, receipts: Iterable[Receipt]) -> dict[str, Any]:
    """Return the JSON object of a receipt for several images, whose blobs are listed once.

    Of images that share a blob, whichever was first has written it: here it is written. Images and blobs are sorted.
    """
    images, blobs = [], dict[Digest, ReceivedBlob]()
    for receipt in sorted(receipts, key=lambda one: one.requested):
        images.append({
            "requested": receipt.requested,
            "digest": str(receipt.digest),
            "manifests": [manifest.brief_json() for manifest in receipt.manifests],
            "blobs": [str(blob.descriptor.digest) for blob in receipt.blobs],
        })  # fmt: skip
        for blob in receipt.blobs:
            known = blobs.setdefault(blob.descriptor.digest, blob)
            if stronger(known.placement, blob.placement) is not known.placement:
                blobs[blob.descriptor.digest] = blob
    listed = [blobs[digest].to_json() for digest in sorted(blobs)]
    return {"receiptVersion": RECEIPT_VERSION, "requested": requested, "images": images, "blobs": listed}


def receipt_bytes(document: dict[str, Any]) -> bytes:
    """Return the content of a receipt's file."""
    return json.dumps(document, indent=2).encode() + b"\n"
