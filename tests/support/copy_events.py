"""One event of each kind, as a copy reports them."""

from __future__ import annotations

from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.events import (
    BlobFinished,
    BlobProgress,
    BlobStarted,
    Converted,
    CopyFinished,
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

A, B, C = (Digest.of(letter) for letter in (b"a", b"b", b"c"))
GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"
MIB = 1024 * 1024
EVENTS: tuple[Event, ...] = (
    CopyPlanned(C, (Descriptor(GZIP, A, 40 * MIB), Descriptor(CONFIG, B, 512)), 40 * MIB + 512, 1),
    Converted(A, C),
    BlobStarted(A, 40 * MIB, "layer"),
    BlobStarted(B, 512, "config"),
    BlobProgress(A, 10 * MIB, 40 * MIB),
    Retrying("reading blob", "cut", 1.25),
    Warned("something odd"),
    Requested("GET", "https://r.example/v2/", 401, 0.0126),
    Explained("the policy is in /p.json"),
    BlobFinished(B, 512, Placement.PRESENT),
    BlobFinished(A, 40 * MIB, Placement.WRITTEN),
    ReferrersPlanned((B,), (Descriptor(GZIP, C, 300),), 300),
    ManifestWritten(A, 300, False),
    SignaturesWritten(C, 2, ("Signing image using a sigstore signature",), True),
    ManifestWritten(C, 300, True),
    CopyFinished(C, 40 * MIB, 12.34),
)
