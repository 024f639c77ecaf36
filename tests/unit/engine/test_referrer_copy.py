"""What refers to an image is copied beside it: when what is asked for, moved and written, and what an error ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from pyskopeo.engine.attachments import Attachments
from pyskopeo.engine.referrer_copy import ReferrerCopy
from pyskopeo.engine.run import _carry_out, make_plan
from pyskopeo.engine.selection import Selection
from pyskopeo.engine.transfer import Transfer
from pyskopeo.errors import CannotPreserve, InvalidContent, PolicyRejected, TooLarge, Unsupported
from pyskopeo.interfaces import ImageSource
from pyskopeo.model.digest import Digest
from pyskopeo.model.events import BlobStarted, Event, ManifestWritten, ReferrersPlanned, Warned, ignore
from pyskopeo.model.manifest import Manifest
from pyskopeo.model.referrer import Referrer, WantedReferrers
from tests.support.images import ArtifactSpec, BuiltImage, build
from tests.support.memory import AMD64, OCI, Destination, Source
from tests.support.referring import SBOM, SIGNATURE, referring

pytestmark = pytest.mark.anyio

IMAGE = build("oci")
BOM = referring(IMAGE)
SIGNED = referring(BOM, SIGNATURE)
ALL = WantedReferrers(copied=True)


class ReferredSource(Source):
    """An image with what refers to it; ``listed`` has what is listed besides, by what it refers to."""

    def __init__(self, image: BuiltImage, *referrers: BuiltImage) -> None:
        super().__init__(BuiltImage(
            image.root, {d: m for one in (image, *referrers) for d, m in one.manifests.items()},
            {d: b for one in (image, *referrers) for d, b in one.blobs.items()}, {},
        ))  # fmt: skip
        self.referring = referrers
        self.asked: list[str] = []

    async def referrers(self, digest: Digest, artifact_type: str = "") -> tuple[Referrer, ...]:
        self.asked.append(str(digest))
        found = []
        for one in self.referring:
            manifest = Manifest.parse(one.root.raw)
            if manifest.subject is not None and manifest.subject.digest == digest:
                found.append(Referrer(manifest.descriptor, manifest.artifact_type, "referrers API"))
        return tuple(found)


class ReferredDestination(Destination):
    """Notes referrers and the root, too."""

    def __init__(self) -> None:
        super().__init__(replace(OCI, no_referrers=""))

    async def put_root(self, root: Manifest) -> None:
        self.log.append("root")

    async def put_referrers(self, subject: Digest, referrers: Sequence[Manifest]) -> int:
        self.log += [f"referrer {one.digest} of {subject}" for one in referrers]
        return len(referrers)

    async def confirm_referrers(self) -> None:
        self.log.append("confirmed")


async def copied(
    source: ImageSource, destination: ReferredDestination, wanted: WantedReferrers = ALL, *, jobs: int | None = None,
    events: list[Event] | None = None,
) -> ReferrerCopy:  # fmt: skip
    report = ignore if events is None else events.append
    plan = await make_plan(source, destination, Selection(AMD64))
    referrers = ReferrerCopy(source, destination, wanted, report, jobs)
    async with referrers.beside(plan):
        transfer = Transfer(source, destination, report, jobs)
        await _carry_out(plan, transfer, Attachments({}, referrers=referrers))
    return referrers


async def test_the_order() -> None:
    destination, events = ReferredDestination(), list[Event]()
    referrers = await copied(ReferredSource(IMAGE, BOM, SIGNED), destination, events=events)
    log = destination.log
    assert log[0] == "begin"
    wrote = [f"referrer {SIGNED.digest} of {BOM.digest}", f"referrer {BOM.digest} of {IMAGE.digest}"]
    assert log[-4:-2] == wrote
    assert set(log[-2:]) == {"commit", "confirmed"}
    # The root need not wait for the blobs of what refers to it, only for those of the image.
    assert log[1:-4].count("root") == 1
    assert log.index("root") > len(IMAGE.blobs)
    assert set(log[1:-4]) == {"blob", "root"}
    assert set(destination.blobs) == {digest for one in (IMAGE, BOM, SIGNED) for digest in one.blobs}
    assert (referrers.written, [one.manifest.digest.hex for one in referrers.found]) == (
        2, [one.digest.partition(":")[2] for one in (BOM, SIGNED)],
    )  # fmt: skip
    written = [str(event.digest) for event in events if isinstance(event, ManifestWritten)]
    assert written == [SIGNED.digest, BOM.digest, IMAGE.digest]


async def test_nothing_refers_to_the_image() -> None:
    """Then the root is not written by its digest before."""
    destination = ReferredDestination()
    await copied(ReferredSource(IMAGE), destination)
    assert "root" not in destination.log
    assert destination.log[-1] == "commit"


async def test_blobs_one_at_a_time() -> None:
    destination = ReferredDestination()
    await copied(ReferredSource(IMAGE, BOM, SIGNED), destination, jobs=1)
    assert destination.most_at_once == 1


async def test_each_blob_is_read_once() -> None:
    """The configuration of artifacts, ``{}``, is the same in all of them."""
    others = [referring(IMAGE, SBOM, b"%d" % number) for number in range(10)]
    source = ReferredSource(IMAGE, *others)
    await copied(source, ReferredDestination())
    assert len(source.opened) == len(set(source.opened)) == len(source.image.blobs)
    assert source.most_at_once >= 8


async def test_an_error_ends_the_copy_alone() -> None:
    """One error, not a group of them, and no name for the image."""
    source, destination = ReferredSource(IMAGE, BOM), ReferredDestination()
    source.image.blobs[BOM.layer_digests()[0]] = b"[]"  # type: ignore[index]  # a dict here
    with pytest.raises(InvalidContent):
        await copied(source, destination)
    assert "commit" not in destination.log


async def test_what_is_required_is_found_before_anything_is_moved() -> None:
    destination = ReferredDestination()
    with pytest.raises(PolicyRejected, match="no a/b, which is required"):
        await copied(ReferredSource(IMAGE, BOM), destination, WantedReferrers(required=("a/b",)))
    assert destination.log == []
    source = ReferredSource(IMAGE, BOM, SIGNED)
    await copied(source, destination, WantedReferrers(required=(SBOM,)))
    assert not any(line.startswith("referrer") for line in destination.log)
    assert source.asked == [IMAGE.digest]  # what refers to referrers does not matter then


async def test_manifests_that_are_written_as_others() -> None:
    source, destination = ReferredSource(IMAGE, BOM), ReferredDestination()
    plan = await make_plan(source, destination, Selection(AMD64))
    referrers = ReferrerCopy(source, destination, ALL, ignore)
    other = Manifest.parse(BOM.root.raw)
    with pytest.raises(CannotPreserve, match=f"1 referrers cannot be copied: {IMAGE.digest}"):
        await referrers.prepare(replace(plan, root=other))


async def test_a_destination_without_a_place_for_them() -> None:
    with pytest.raises(Unsupported, match="--cosign-tags needs another destination"):
        ReferrerCopy(Source(IMAGE), Destination(), WantedReferrers(cosign_tags=True), ignore)
    ReferrerCopy(Source(IMAGE), Destination(), WantedReferrers(required=(SBOM,)), ignore)


async def test_manifests_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyskopeo.engine.referrer_reading._TOTAL_LIMIT", len(BOM.root.raw))
    with pytest.raises(TooLarge, match="in total"):
        await copied(ReferredSource(IMAGE, BOM, SIGNED), ReferredDestination())


async def test_a_chain_that_is_too_deep_is_cut() -> None:
    chain = [BOM]
    for number in range(9):
        chain.append(referring(chain[-1], SIGNATURE, b"%d" % number))
    events, destination = list[Event](), ReferredDestination()
    referrers = await copied(ReferredSource(IMAGE, *chain), destination, events=events)
    assert [str(one.manifest.digest) for one in referrers.found] == [one.digest for one in chain[:8]]
    assert [event.message for event in events if isinstance(event, Warned)] == [
        "1 referrers are too deep to be asked for what refers to them: that is not copied"
    ]
    written = [line for line in destination.log if line.startswith("referrer")]
    assert written[0].startswith(f"referrer {chain[7].digest}")


async def test_descriptors_say_less_than_manifests() -> None:
    """With types, a referrer whose descriptor states none is read."""

    class Untyped(ReferredSource):
        async def referrers(self, digest: Digest, artifact_type: str = "") -> tuple[Referrer, ...]:
            return tuple(replace(one, artifact_type="") for one in await super().referrers(digest, artifact_type))

    destination = ReferredDestination()
    await copied(Untyped(IMAGE, BOM, referring(IMAGE, SIGNATURE)), destination, WantedReferrers(True, (SBOM,)))
    assert [line for line in destination.log if line.startswith("referrer")] == [f"referrer {BOM.digest} of {IMAGE.digest}"]


async def test_blobs_of_the_image_are_not_copied_again() -> None:
    """The configuration of an artifact is that of what refers to it, and no two copies of it are under way."""
    artifact = build(ArtifactSpec("a/b", content=b"artifact"))
    bom = referring(artifact, content=b"packages")
    source, destination, events = ReferredSource(artifact, bom), ReferredDestination(), list[Event]()
    await copied(source, destination, events=events)
    started = [event.digest for event in events if isinstance(event, BlobStarted)]
    assert len(started) == len(set(started)) == len(source.image.blobs)
    (planned,) = (event for event in events if isinstance(event, ReferrersPlanned))
    assert [str(blob.digest) for blob in planned.blobs] == list(bom.layer_digests())
    assert (planned.total, list(map(str, planned.digests))) == (8, [bom.digest])
