"""``copy --referrers``: what refers to an image goes with it, from and to registries of all kinds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.cli import Done, pyskopeo_here, succeed
from tests.support.faults import Refuse
from tests.support.images import BuiltManifest, ImageSpec, IndexSpec, LayerSpec, PlatformSpec, build, digest_of, edited
from tests.support.referrers_api import ReferrersRegistry
from tests.support.referring import SBOM, SIGNATURE, described, index_of, referring

pytestmark = pytest.mark.usefixtures("no_machine_policy")

IMAGE = build("oci")
BOM = referring(IMAGE, title="packages")
OTHER = referring(IMAGE, SIGNATURE, b"1")
SIGNED = referring(BOM, SIGNATURE)
INDEX = "application/vnd.oci.image.index.v1+json"


def tag_of(digest: str) -> str:
    return digest.replace(":", "-")


@pytest.fixture
def source() -> Iterator[ReferrersRegistry]:
    with ReferrersRegistry(IMAGE) as running:
        for one in (BOM, OTHER, SIGNED):
            running.add(one, "test/image", None)
        yield running


@pytest.fixture
def destination() -> Iterator[ReferrersRegistry]:
    with ReferrersRegistry() as running:
        yield running


def copy(source: str, destination: str, *words: str) -> Done:
    return pyskopeo_here(
        "copy", "--src-tls-verify=false", "--dest-tls-verify=false", "--retry-times=0", *words, source, destination
    )


def test_to_the_referrers_api(source: ReferrersRegistry, destination: ReferrersRegistry) -> None:
    succeed(copy(source.name(), destination.name(), "--referrers"))
    assert destination.listed(IMAGE.digest) == {BOM.digest, OTHER.digest}
    assert destination.listed(BOM.digest) == {SIGNED.digest}
    assert destination.incomplete == []
    assert destination.tagged(IMAGE.digest) == []
    # The image gets its name last.
    first, *between, last = puts(destination)
    assert (first, last) == (IMAGE.digest, "latest")
    assert set(between) == {BOM.digest, OTHER.digest, SIGNED.digest}
    assert between[0] == SIGNED.digest


def test_without_the_flag_nothing_is_asked(source: ReferrersRegistry, destination: ReferrersRegistry) -> None:
    succeed(copy(source.name(), destination.name()))
    assert destination.listed(IMAGE.digest) == set()
    assert not [one for one in source.requests if "/referrers/" in one.path]


def test_a_second_copy_moves_nothing(source: ReferrersRegistry, destination: ReferrersRegistry) -> None:
    succeed(copy(source.name(), destination.name(), "--referrers"))
    before, read = len(destination.requests), len(source.requests)
    succeed(copy(source.name(), destination.name(), "--referrers"))
    assert {one.method for one in destination.requests[before:]} == {"HEAD", "GET"}
    assert not [one for one in source.requests[read:] if "/blobs/" in one.path]


def test_what_the_api_has_not_noted_is_written_again(source: ReferrersRegistry, destination: ReferrersRegistry) -> None:
    """A registry may have got the API after the referrers, or the last copy was ended before the index was written."""
    destination.api = False
    succeed(copy(source.name(), destination.name(), "--referrers"))
    destination.store.remove_manifest("test/image", tag_of(IMAGE.digest))
    succeed(copy(source.name(), destination.name(), "--referrers"))
    assert {one["digest"] for one in destination.tagged(IMAGE.digest)} == {BOM.digest, OTHER.digest}


@pytest.mark.parametrize("status", [400, 404, 405, 501])
def test_from_and_to_the_tag_schema(source: ReferrersRegistry, destination: ReferrersRegistry, status: int) -> None:
    destination.api = source.api = False
    for registry in (source, destination):
        registry.on("/v2/test/image/referrers/*", Refuse(status))
    registry_index(source, IMAGE.digest, described(BOM, artifactType=SBOM), described(OTHER))
    registry_index(source, BOM.digest, described(SIGNED))
    succeed(copy(source.name(), destination.name(), "--referrers"))
    bom, other = sorted(destination.tagged(IMAGE.digest), key=lambda one: one["digest"] != BOM.digest)
    assert bom == described(BOM, annotations={"title": "packages"}, artifactType=SBOM)
    assert other == described(OTHER, artifactType=SIGNATURE)
    assert destination.tagged(BOM.digest) == [described(SIGNED, artifactType=SIGNATURE)]
    assert destination.incomplete == []
    # One update for each subject, whatever their number.
    assert puts(destination).count(tag_of(IMAGE.digest)) == 1
    assert puts(destination)[-1] == "latest"


def registry_index(registry: ReferrersRegistry, digest: str, *entries: dict[str, object]) -> None:
    raw = index_of(*entries)
    registry.store.add_manifest("test/image", tag_of(digest), BuiltManifest(digest_of(raw), INDEX, raw))


def puts(registry: ReferrersRegistry) -> list[str]:
    return [one.path.rpartition("/")[2] for one in registry.requests if one.method == "PUT" and "/manifests/" in one.path]


@pytest.mark.parametrize("manner", ["unconditional", "etags", "conditions"])
def test_the_entries_of_another_writer_stay(
    source: ReferrersRegistry, destination: ReferrersRegistry, manner: str
) -> None:
    """Another program adds an entry while ours is written, in each way that a registry can have it."""
    destination.api = False
    destination.etags, destination.conditions = manner != "unconditional", manner == "conditions"
    mine, theirs = described(referring(IMAGE, SBOM, b"0"), x="y"), described(referring(IMAGE, SBOM, b"2"))
    for entry in (mine, theirs):
        made = referring(IMAGE, SBOM, b"0" if entry is mine else b"2")
        destination.add(IMAGE, "test/image", None)
        destination.add(made, "test/image", None)
    registry_index(destination, IMAGE.digest, mine)
    written: list[str] = []

    def put(_: str, last: str) -> None:
        written.append(last)
        if last == tag_of(IMAGE.digest) and written.count(last) == 1:
            registry_index(destination, IMAGE.digest, mine, theirs)  # while ours is on its way

    destination.before_put = put
    succeed(copy(source.name(), destination.name(), "--referrers"))
    found = {one["digest"]: one for one in destination.tagged(IMAGE.digest)}
    assert {BOM.digest, OTHER.digest, mine["digest"]} <= set(found)
    assert found[str(mine["digest"])]["x"] == "y"
    if manner == "conditions":
        assert theirs["digest"] in found


def test_what_another_writer_overwrites_is_added_again(source: ReferrersRegistry, destination: ReferrersRegistry) -> None:
    destination.api = False
    theirs = referring(IMAGE, SBOM, b"2")
    destination.add(IMAGE, "test/image", None)
    destination.add(theirs, "test/image", None)
    done: list[str] = []

    def overwrite(_: str, last: str) -> None:
        """After the first PUT of the index another program writes its own, made of what was there before."""
        if last == tag_of(IMAGE.digest) and not done:
            done.append(last)
            registry_index(destination, IMAGE.digest, described(theirs))

    destination.after_put = overwrite
    succeed(copy(source.name(), destination.name(), "--referrers"))
    assert {one["digest"] for one in destination.tagged(IMAGE.digest)} == {BOM.digest, OTHER.digest, theirs.digest}
    assert puts(destination).count(tag_of(IMAGE.digest)) == 2


def test_some_types_and_what_refers_to_these(source: ReferrersRegistry, destination: ReferrersRegistry) -> None:
    for filters in (False, True):
        source.filters = filters
        succeed(copy(source.name(), destination.name(tag=str(filters)), f"--referrers={SBOM}"))
        assert destination.listed(IMAGE.digest) == {BOM.digest}
        assert destination.listed(BOM.digest) == {SIGNED.digest}
    succeed(copy(source.name(), destination.name(), f"--referrers={SBOM},{SIGNATURE}"))
    assert destination.listed(IMAGE.digest) == {BOM.digest, OTHER.digest}


def test_to_the_images_of_an_index(source: ReferrersRegistry, destination: ReferrersRegistry) -> None:
    multi = build(IndexSpec(
        (ImageSpec(), ImageSpec(layers=(LayerSpec("arm"),), platform=PlatformSpec("arm64", variant="v8"))), attestations=True
    ))  # fmt: skip
    source.add(multi, "test/image", "multi")
    child = multi.child(1)
    of_child = referring({"mediaType": child.media_type, "digest": child.digest, "size": len(child.raw)})
    of_index = referring(multi, SIGNATURE)
    for one in (of_child, of_index):
        source.add(one, "test/image", None)
    succeed(copy(source.name(tag="multi"), destination.name(), "--all", "--referrers"))
    assert destination.listed(child.digest) == {of_child.digest}
    assert destination.listed(multi.digest) == {of_index.digest}
    asked = {one.path.rpartition("/")[2] for one in source.requests if "/referrers/" in one.path}
    assert multi.child(2).digest not in asked  # an attestation

    with ReferrersRegistry() as other:
        succeed(copy(source.name(tag="multi"), other.name(), "--override-arch=arm64", "--referrers"))
        assert other.listed(child.digest) == {of_child.digest}
        assert other.manifest(of_index.digest) is None


def test_a_referrer_that_is_an_index(source: ReferrersRegistry, destination: ReferrersRegistry) -> None:
    listing = edited(build("oci-index"), lambda made: made.update(subject=described(IMAGE), artifactType="a/list"))
    source.add(listing, "test/image", None)
    succeed(copy(source.name(), destination.name(), "--referrers=a/list"))
    assert destination.listed(IMAGE.digest) == {listing.digest}
    assert destination.incomplete == []
    assert set(listing.manifests) <= set(destination.store.manifests("test/image"))
    before = len(destination.requests)
    succeed(copy(source.name(), destination.name(), "--referrers=a/list"))
    assert {one.method for one in destination.requests[before:]} == {"HEAD", "GET"}


def test_cosigns_tags(source: ReferrersRegistry, destination: ReferrersRegistry) -> None:
    signature = edited(IMAGE, lambda made: made["layers"][0].update(mediaType="application/vnd.dev.cosign.simplesigning.v1+json"))
    sbom = edited(IMAGE, lambda made: made["layers"][0].update(mediaType="text/spdx+json"))
    for one, tag in (
        (signature, f"{tag_of(IMAGE.digest)}.sig"), (sbom, f"{tag_of(IMAGE.digest)}.sbom"), (signature, f"{tag_of(sbom.digest)}.sig"),
    ):  # fmt: skip
        source.add(one, "test/image", tag)
    succeed(copy(source.name(), destination.name(), "--cosign-tags"))
    assert sorted(puts(destination)) == sorted(
        [IMAGE.digest, "latest", *(f"{tag_of(IMAGE.digest)}.{end}" for end in ("sig", "sbom")), f"{tag_of(sbom.digest)}.sig"]
    )
    assert puts(destination)[-1] == "latest"
    assert destination.listed(IMAGE.digest) == set()
    # Another signature that was there is replaced, and this is said.
    destination.add(sbom, "test/image", f"{tag_of(IMAGE.digest)}.sig")
    done = succeed(copy(source.name(), destination.name(), "--cosign-tags", "--referrers"))
    assert f"{tag_of(IMAGE.digest)}.sig was {sbom.digest}, and is replaced by {signature.digest}" in done.stderr
    assert destination.listed(IMAGE.digest) == {BOM.digest, OTHER.digest}
