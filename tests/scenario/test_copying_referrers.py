"""``copy --referrers``: what refers to an image goes with it, from and to registries of all kinds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

import pyskopeo
from pyskopeo import WantedReferrers
from tests.support.access import access_for
from tests.support.cli import Done, fatal, pyskopeo_here, succeed
from tests.support.exchange import Response
from tests.support.faults import Body, Delay, Refuse, Stall
from tests.support.images import (
    ArtifactSpec,
    BuiltImage,
    BuiltManifest,
    ImageSpec,
    IndexSpec,
    LayerSpec,
    PlatformSpec,
    build,
    digest_of,
    edited,
)
from tests.support.pushing import Pushing
from tests.support.referrers_api import ReferrersRegistry
from tests.support.referring import SBOM, SIGNATURE, described, index_of, referring

pytestmark = pytest.mark.usefixtures("no_machine_policy")

IMAGE = build("oci")
BOM = referring(IMAGE, title="packages")
OTHER = referring(IMAGE, SIGNATURE, b"1")
SIGNED = referring(BOM, SIGNATURE)
SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
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
    assert destination.incomplete == []
    # Another list of packages that was there is replaced, and this is said.
    destination.add(signature, "test/image", f"{tag_of(IMAGE.digest)}.sbom")
    done = succeed(copy(source.name(), destination.name(), "--cosign-tags", "--referrers"))
    assert f"{tag_of(IMAGE.digest)}.sbom was {signature.digest}, and is replaced by {sbom.digest}" in done.stderr
    assert destination.listed(IMAGE.digest) == {BOM.digest, OTHER.digest}


def signatures(*payloads: str) -> BuiltImage:
    """The manifest of cosign's signatures, with a layer for each."""
    layers = [build(ArtifactSpec("a/b", content=payload.encode(), layer_type=SIMPLE_SIGNING)) for payload in payloads]
    described_layers = [{**layer.root.json["layers"][0], "annotations": {"s": payload}} for layer, payload in zip(layers, payloads, strict=True)]  # type: ignore[index]  # JSON
    blobs = {digest: blob for layer in layers for digest, blob in layer.blobs.items()}
    config = json.dumps({"rootfs": {"type": "layers", "diff_ids": [one["digest"] for one in described_layers]}}).encode()
    entry = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest_of(config), "size": len(config)}
    made = edited(layers[0], lambda found: (found.pop("artifactType"), found.update(config=entry, layers=described_layers)))
    return BuiltImage(made.root, {made.digest: made.root}, {**blobs, digest_of(config): config}, {})


@pytest.mark.parametrize(
    ("there", "after"),
    [(("b",), ["b", "a", "c"]), (("a",), ["a", "c"]), (("a", "c"), ["a", "c"]), (("c", "b", "a"), ["c", "b", "a"])],
)
def test_signatures_of_others_stay(
    source: ReferrersRegistry, destination: ReferrersRegistry, there: tuple[str, ...], after: list[str]
) -> None:
    tag = f"{tag_of(IMAGE.digest)}.sig"
    ours = signatures("a", "c")
    source.add(ours, "test/image", tag)
    destination.add(signatures(*there), "test/image", tag)
    succeed(copy(source.name(), destination.name(), "--cosign-tags"))
    found = destination.manifest(tag)
    assert found is not None
    layers = found.json["layers"]
    assert [one["annotations"]["s"] for one in layers] == after  # type: ignore[attr-defined]  # JSON
    config = json.loads(destination.blobs()[found.json["config"]["digest"]])  # type: ignore[index]  # JSON
    assert config["rootfs"]["diff_ids"] == [one["digest"] for one in layers]  # type: ignore[attr-defined]  # JSON
    assert destination.incomplete == []
    if set(there) <= {"a", "c"}:
        assert found.digest == ours.digest


def test_a_dry_run_shows_them(source: ReferrersRegistry, destination: ReferrersRegistry) -> None:
    lines = succeed(copy(source.name(), destination.name(), "--referrers", "--dry-run")).stdout.decode().splitlines()
    shown = {tuple(line.split()[1:2] + line.split()[4:]) for line in lines if line.startswith("referrer")}
    assert shown == {
        (BOM.digest, SBOM, "of", IMAGE.digest), (OTHER.digest, SIGNATURE, "of", IMAGE.digest),
        (SIGNED.digest, SIGNATURE, "of", BOM.digest),
    }  # fmt: skip
    found = json.loads(succeed(copy(source.name(), destination.name(), "--referrers", "--dry-run", "--json")).stdout)
    (bom,) = (one for one in found["referrers"] if one["digest"] == BOM.digest)
    assert (bom["subject"], bom["artifactType"], len(bom["blobs"])) == (IMAGE.digest, SBOM, 2)
    assert {one.method for one in destination.requests} == {"GET", "HEAD"}


@pytest.mark.parametrize("words", [("--format=v2s2",), ("--dest-compress-format=zstd", "--dest-force-compress-format")])
def test_a_conversion_that_changes_what_is_referred_to(
    source: ReferrersRegistry, destination: ReferrersRegistry, words: tuple[str, ...]
) -> None:
    message = fatal(copy(source.name(), destination.name(), "--referrers", *words))
    assert message == (
        f"2 referrers cannot be copied: {IMAGE.digest}, which they refer to, changes at the destination and gets another "
        "digest; --preserve-digests says what changes it, and without --referrers and --cosign-tags the image is copied alone"
    )
    assert not [one for one in destination.requests if one.method in ("POST", "PUT")]
    # Where nothing refers to the image, it may be converted.
    with ReferrersRegistry(IMAGE) as bare:
        succeed(copy(bare.name(), destination.name(), "--referrers", *words))


def test_a_registry_that_refuses_the_image_as_it_is(source: ReferrersRegistry) -> None:
    """That it has to be converted is known when its manifest is refused; then it gets no name."""
    refuses = Pushing(refused_types=frozenset({IMAGE.root.media_type}))
    with ReferrersRegistry(pushing=refuses) as destination:
        assert "which they refer to, changes" in fatal(copy(source.name(), destination.name(), "--referrers"))
        assert destination.manifest() is None
        succeed(copy(source.name(), destination.name()))


def test_a_registry_that_refuses_artifacts(source: ReferrersRegistry) -> None:
    """The image, of Docker's type, is not converted for that."""
    image = build("docker")
    bom = referring(image)
    source.add(image, "test/image", "docker")
    source.add(bom, "test/image", None)
    with ReferrersRegistry(pushing=Pushing(refused_types=frozenset({bom.root.media_type}))) as destination:
        message = fatal(copy(source.name(tag="docker"), destination.name(), "--referrers"))
        assert message.startswith(f"writing what refers to the image: writing manifest {bom.digest} to ")
        assert destination.manifest() is None


def test_what_is_required(source: ReferrersRegistry, destination: ReferrersRegistry) -> None:
    for words in ((), ("--referrers",), (f"--referrers={SBOM}",)):
        done = copy(source.name(), destination.name(), "--require-referrer=a/missing", *words)
        assert fatal(done) == f"Source image rejected: no a/missing, which is required, refers to {IMAGE.digest}"
        assert not [one for one in destination.requests if one.method in ("POST", "PUT")]
    succeed(copy(source.name(), destination.name(), "--require-referrer", SBOM))
    assert destination.listed(IMAGE.digest) == set()
    succeed(copy(source.name(), destination.name(), f"--require-referrer={SBOM},{SIGNATURE}", f"--referrers={SIGNATURE}"))
    assert destination.listed(IMAGE.digest) == {OTHER.digest}
    assert destination.manifest(SIGNED.digest) is None


def test_what_is_required_is_read(source: ReferrersRegistry, destination: ReferrersRegistry) -> None:
    """That a registry lists a type, and what it lists is not there, or is of another type, is not enough."""
    other = referring(IMAGE, "a/other", b"o")
    source.add(other, "test/image", None)
    path = f"/v2/test/image/referrers/{IMAGE.digest}"
    gone = referring(IMAGE, "a/gone", b"2")
    for entry in (described(other, artifactType="a/wanted"), described(gone, artifactType="a/wanted")):
        source.routes[path] = Response(200, (("Content-Type", INDEX),), index_of(entry))
        done = copy(source.name(), destination.name(), "--require-referrer=a/wanted")
        assert "no a/wanted, which is required" in fatal(done)


def test_what_is_required_of_each_image_of_an_index(source: ReferrersRegistry, destination: ReferrersRegistry) -> None:
    multi = build("oci-index")
    source.add(multi, "test/image", "multi")
    children = [multi.manifests[str(one["digest"])] for one in multi.root.json["manifests"]]  # type: ignore[attr-defined]  # JSON
    name, words = source.name(tag="multi"), ("--all", "--require-referrer", SBOM)
    for position, child in enumerate(children):
        assert "which is required, refers to " in fatal(copy(name, destination.name(), *words))
        entry = {"mediaType": child.media_type, "digest": child.digest, "size": len(child.raw)}
        source.add(referring(entry, content=str(position).encode()), "test/image", None)
    succeed(copy(name, destination.name(), *words))

    with ReferrersRegistry(multi) as other:
        other.add(referring(multi), "test/image", None)
        succeed(copy(other.name(), destination.name(), *words))
        message = fatal(copy(other.name(), destination.name(), "--require-referrer", SBOM))
        assert message.endswith(f"; of the index {multi.digest} only this image is copied")


def test_html_in_place_of_a_list(source: ReferrersRegistry, destination: ReferrersRegistry) -> None:
    source.routes[f"/v2/test/image/referrers/{IMAGE.digest}"] = Response(200, (("Content-Type", "text/html"),), b"<html>")
    message = fatal(copy(source.name(), destination.name(), "--referrers"))
    assert message.startswith("reading what refers to the image: listing referrers of ")
    assert "the registry sent text/html" in message
    assert destination.manifest() is None


def test_html_in_place_of_the_index_at_the_destination(source: ReferrersRegistry, destination: ReferrersRegistry) -> None:
    destination.api = False
    destination.routes[f"/v2/test/image/manifests/{tag_of(IMAGE.digest)}"] = Response(200, (("Content-Type", "text/html"),), b"<html>")
    message = fatal(copy(source.name(), destination.name(), "--referrers"))
    assert message.startswith("writing what refers to the image: updating the list of referrers ")
    assert destination.manifest() is None


def test_an_error_of_the_list(source: ReferrersRegistry, destination: ReferrersRegistry) -> None:
    source.on("/v2/test/image/referrers/*", Refuse(503))
    assert "503" in fatal(copy(source.name(), destination.name(), "--referrers"))
    assert destination.manifest() is None


def test_what_is_listed_and_is_not_there_is_left_out(source: ReferrersRegistry, destination: ReferrersRegistry) -> None:
    source.on_manifest(BOM.digest, Refuse(404))
    done = succeed(copy(source.name(), destination.name(), "--referrers"))
    assert f"{BOM.digest} is listed as a referrer of {IMAGE.digest}" in done.stderr
    assert destination.listed(IMAGE.digest) == {OTHER.digest}


def test_the_api_is_gone_in_between(source: ReferrersRegistry, destination: ReferrersRegistry) -> None:
    """404 for what refers to a referrer, after 200 for the image, is nothing that refers to it."""
    source.on(f"/v2/test/image/referrers/{BOM.digest}", Refuse(404))
    succeed(copy(source.name(), destination.name(), "--referrers"))
    assert destination.listed(IMAGE.digest) == {BOM.digest, OTHER.digest}
    assert destination.listed(BOM.digest) == set()


@pytest.mark.parametrize("kind", ["other", "none", "cycle"])
def test_what_refers_to_something_else(source: ReferrersRegistry, destination: ReferrersRegistry, kind: str) -> None:
    """Lists of a registry are not trusted: what a manifest itself says counts, and circles come to an end."""
    listed = {"other": SIGNED, "none": build("docker"), "cycle": BOM}[kind]
    at = BOM.digest if kind == "cycle" else IMAGE.digest
    source.add(listed, "test/image", None)
    body = index_of(described(BOM, artifactType=SBOM), described(listed))
    source.routes[f"/v2/test/image/referrers/{at}"] = Response(200, (("Content-Type", INDEX),), body)
    done = succeed(copy(source.name(), destination.name(), "--referrers"))
    assert f"{listed.digest} is listed as a referrer of {at}, but " in done.stderr
    assert listed.digest not in destination.listed(at)
    assert destination.manifest() is not None


def test_content_of_another_digest(source: ReferrersRegistry, destination: ReferrersRegistry) -> None:
    source.on_manifest(BOM.digest, Body(OTHER.root.raw))
    assert "digest" in fatal(copy(source.name(), destination.name(), "--referrers"))
    source.heal()
    blob = BOM.layer_digests()[0]
    source.on_blob(blob, Body(b"[]"))
    assert blob in fatal(copy(source.name(), destination.name(), "--referrers"))
    assert destination.manifest() is None


def test_very_many(source: ReferrersRegistry, destination: ReferrersRegistry) -> None:
    entry = described(BOM, artifactType=SBOM)
    entries = [entry | {"digest": f"sha256:{number:064x}"} for number in range(10_001)]
    source.routes[f"/v2/test/image/referrers/{IMAGE.digest}"] = Response(200, (("Content-Type", INDEX),), index_of(*entries))
    message = fatal(copy(source.name(), destination.name(), "--referrers"))
    assert "more than 10000" in message
    assert destination.manifest() is None


def test_blobs_one_after_another(source: ReferrersRegistry, destination: ReferrersRegistry) -> None:
    succeed(copy(source.name(), destination.name(), "--referrers", "--image-parallel-copies=1"))
    assert destination.listed(IMAGE.digest) == {BOM.digest, OTHER.digest}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--referrers=sbom",), "--referrers: 'sbom' is no artifact type: want one such as application/spdx+json"),
        (("--require-referrer=x",), "--require-referrer: 'x' is no artifact type: want one such as application/spdx+json"),
        (("--referrers", "--referrers=a/b"), "--referrers copies all, --referrers=TYPE,... some: want one of the two"),
    ],
)  # fmt: skip
def test_flags_that_say_nothing(words: tuple[str, ...], says: str) -> None:
    assert says in copy("docker://127.0.0.1:1/a", "docker://127.0.0.1:1/b", *words).stderr


def test_a_list_at_the_destination_that_names_what_was_deleted(
    source: ReferrersRegistry, destination: ReferrersRegistry
) -> None:
    destination.api = False
    succeed(copy(source.name(), destination.name(), "--referrers"))
    destination.store.remove_manifest("test/image", BOM.digest)
    succeed(copy(source.name(), destination.name(), "--referrers"))
    assert destination.manifest(BOM.digest) is not None
    assert destination.incomplete == []


def test_html_in_place_of_the_list_at_the_destination(source: ReferrersRegistry, destination: ReferrersRegistry) -> None:
    """What it answers to each manifest decides."""
    page = Response(200, (("Content-Type", "text/html"),), b"<html>")
    destination.routes[f"/v2/test/image/referrers/{IMAGE.digest}"] = page
    succeed(copy(source.name(), destination.name(), "--referrers"))
    assert destination.listed(IMAGE.digest) == {BOM.digest, OTHER.digest}
    destination.api = False
    succeed(copy(source.name(), destination.name(), "--referrers"))
    assert {one["digest"] for one in destination.tagged(IMAGE.digest)} == {BOM.digest, OTHER.digest}


def test_twenty_from_a_slow_registry_to_another(source: ReferrersRegistry, destination: ReferrersRegistry) -> None:
    """They are read, moved and written at the same time, at least eight of them at once."""
    for number in range(20):
        source.add(referring(IMAGE, SBOM, b"%d" % number), "test/image", None)
    waiting = Delay(0.2)
    kinds = {
        "manifests": (source, "GET", "/v2/*/manifests/*"), "lists": (source, "GET", "/v2/*/referrers/*"),
        "blobs": (source, "GET", "/v2/*/blobs/*"), "uploads": (destination, "PUT", "/v2/*/blobs/uploads/*"),
        "written": (destination, "PUT", "/v2/*/manifests/*"),
    }  # fmt: skip
    for name, (registry, method, pattern) in kinds.items():
        registry.on(pattern, waiting, methods=(method,))
        registry.most_at_once = 0
        succeed(copy(source.name(), f"docker://{destination.host}/{name}/app:1", "--referrers"))
        assert registry.most_at_once >= 8, name
        registry.heal()
    assert len(destination.listed(IMAGE.digest, "written/app")) == 22


def test_a_registry_that_takes_the_tag_for_the_digest(source: ReferrersRegistry, destination: ReferrersRegistry) -> None:
    """GitLab's answers with the image itself to its tag of the tag schema: that lists no referrers."""
    multi = build("oci-index")
    tag = tag_of(multi.digest)
    source.api = destination.api = False
    source.add(multi, "test/image", "multi")
    source.add(multi, "test/image", tag)
    done = succeed(copy(source.name(tag="multi"), destination.name(), "--all", "--referrers"))
    assert "listed as a referrer" not in done.stderr
    assert tag not in destination.store.manifests("test/image")
    assert json.loads(succeed(pyskopeo_here("referrers", "--tls-verify=false", "--json", source.name(tag="multi"))).stdout)["images"][0]["referrers"] == []

    # As a destination: what is written there is a new list, not the image's with more in it.
    source.store.remove_manifest("test/image", tag)
    bom = referring(multi)
    source.add(bom, "test/image", None)
    registry_index(source, multi.digest, described(bom))
    destination.add(multi, "test/image", tag)
    succeed(copy(source.name(tag="multi"), destination.name(), "--all", "--referrers"))
    assert [one["digest"] for one in destination.tagged(multi.digest)] == [bom.digest]


def test_referrers_come_from_the_registry_itself(source: ReferrersRegistry, destination: ReferrersRegistry, tmp_path: Path) -> None:
    """A mirror that has the image need not have them; it is still used for the image."""
    with ReferrersRegistry(IMAGE, "mirror/image") as mirror:
        conf = tmp_path / "registries.conf"
        conf.write_text(
            f'[[registry]]\nlocation = "{source.host}/test"\n'
            f'[[registry.mirror]]\nlocation = "{mirror.host}/mirror"\ninsecure = true\n'
        )
        done = succeed(copy(source.name(), destination.name(), "--referrers", "--registries-conf", str(conf)))
        assert "going on with" not in done.stderr
        assert not [one for one in mirror.requests if "/referrers/" in one.path]
        fetched = {one.path.rpartition("/")[2] for one in source.requests if "/blobs/" in one.path}
    assert destination.listed(IMAGE.digest) == {BOM.digest, OTHER.digest}
    assert not fetched & set(IMAGE.blobs)
    assert fetched >= set(BOM.layer_digests())


@pytest.mark.anyio
async def test_a_copy_that_is_cancelled(
    source: ReferrersRegistry, destination: ReferrersRegistry, tmp_path: Path
) -> None:
    """While the blob of a referrer comes: nothing is named, no upload is left, and the next copy does the rest."""
    layer = BOM.layer_digests()[0]
    source.on_blob(layer, Stall(1))
    access = access_for(tmp_path)

    async def run() -> None:
        await pyskopeo.copy(
            source.name(), destination.name(), source_access=access, destination_access=access,
            referrers=WantedReferrers(copied=True),
        )  # fmt: skip

    with anyio.move_on_after(20) as deadline:
        async with anyio.create_task_group() as tasks:

            async def cancel_when_it_stalls() -> None:
                while not any(one.path.endswith(layer) for one in source.requests):
                    await anyio.sleep(0.02)
                await anyio.sleep(0.3)
                tasks.cancel_scope.cancel()

            tasks.start_soon(cancel_when_it_stalls)
            await run()
    assert not deadline.cancelled_caught
    assert destination.manifest() is None
    assert destination.listed(IMAGE.digest) == set()
    assert destination.open_uploads == ()
    source.heal()
    await run()
    assert destination.listed(IMAGE.digest) == {BOM.digest, OTHER.digest}
