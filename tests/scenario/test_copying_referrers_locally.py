"""``copy --referrers`` into layouts, archives and the store, and out of them again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import Done, fatal, pyskopeo_here, succeed
from tests.support.images import build
from tests.support.outputs import blob_path, write_layout
from tests.support.referrers_api import ReferrersRegistry
from tests.support.referring import SBOM, SIGNATURE, referring

pytestmark = pytest.mark.usefixtures("no_machine_policy")

IMAGE = build("oci")
BOM = referring(IMAGE, title="packages")
OTHER = referring(IMAGE, SIGNATURE, b"1")
SIGNED = referring(BOM, SIGNATURE)


@pytest.fixture
def source() -> Iterator[ReferrersRegistry]:
    with ReferrersRegistry(IMAGE) as running:
        for one in (BOM, OTHER, SIGNED):
            running.add(one, "test/image", None)
        running.add(OTHER, "test/image", IMAGE.digest.replace(":", "-") + ".sig")
        yield running


def copy(source: object, destination: object, *words: object) -> Done:
    return pyskopeo_here(
        "copy", "--src-tls-verify=false", "--dest-tls-verify=false", "--retry-times=0", *words, source, destination
    )


def listed(name: str) -> dict[str, list[str]]:
    """The digests that refer to the image, and what refers to these."""
    (image,) = json.loads(succeed(pyskopeo_here("referrers", "--json", name)).stdout)["images"]
    assert image["digest"] == IMAGE.digest
    return {one["digest"]: sorted(two["digest"] for two in one["referrers"]) for one in image["referrers"]}


ALL = {BOM.digest: [SIGNED.digest], OTHER.digest: []}


@pytest.mark.parametrize("place", ["oci:{}/layout:app", "oci-archive:{}/archive.tar:app", "oci-archive:{}/archive.tar", "oci:{}/layout"])
def test_there_and_back(source: ReferrersRegistry, tmp_path: Path, place: str) -> None:
    name = place.format(tmp_path)
    succeed(copy(source.name(), name, "--referrers", "--cosign-tags"))
    assert listed(name) == ALL
    with ReferrersRegistry() as destination:
        succeed(copy(name, destination.name(), "--referrers", "--cosign-tags"))
        assert destination.listed(IMAGE.digest) == {BOM.digest, OTHER.digest}
        assert destination.listed(BOM.digest) == {SIGNED.digest}
        assert destination.manifest(IMAGE.digest.replace(":", "-") + ".sig") is not None
        assert destination.incomplete == []


def entries(layout: Path) -> dict[str, str]:
    found = json.loads((layout / "index.json").read_text())["manifests"]
    return {one["annotations"]["org.opencontainers.image.ref.name"]: one["digest"] for one in found}


def test_the_layout_has_one_entry_for_each_subject(source: ReferrersRegistry, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    succeed(copy(source.name(), f"oci:{layout}:app", "--referrers"))
    tag, of_bom = IMAGE.digest.replace(":", "-"), BOM.digest.replace(":", "-")
    assert set(entries(layout)) == {"app", tag, of_bom}
    index = json.loads(blob_path(layout, entries(layout)[tag]).read_text())
    assert [one["digest"] for one in index["manifests"]] == sorted([BOM.digest, OTHER.digest])
    assert {one["artifactType"] for one in index["manifests"]} == {SBOM, SIGNATURE}
    before = {path: path.stat().st_mtime_ns for path in layout.rglob("*")}
    succeed(copy(source.name(), f"oci:{layout}:app", "--referrers"))
    assert {path: path.stat().st_mtime_ns for path in layout.rglob("*")} == before
    # Nothing of it is garbage, and all is verified.
    succeed(pyskopeo_here("layout", "verify", f"oci:{layout}"))
    succeed(pyskopeo_here("layout", "gc", f"oci:{layout}"))
    assert listed(f"oci:{layout}:app") == ALL
    # The image is the one that is meant without a name.
    assert listed(f"oci:{layout}") == ALL


def test_entries_that_are_in_the_layout_stay(source: ReferrersRegistry, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    succeed(copy(source.name(), f"oci:{layout}:app", f"--referrers={SBOM}"))
    assert listed(f"oci:{layout}:app") == {BOM.digest: [SIGNED.digest]}
    succeed(copy(source.name(), f"oci:{layout}:app", f"--referrers={SIGNATURE}"))
    assert listed(f"oci:{layout}:app") == ALL


def test_the_same_archive_each_time(source: ReferrersRegistry, tmp_path: Path) -> None:
    for name in ("one.tar", "two.tar"):
        succeed(copy(source.name(), f"oci-archive:{tmp_path / name}:app", "--referrers"))
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_subjects_in_a_layout_of_another_program(tmp_path: Path) -> None:
    """Manifests that name the subject are found without an index of the tag schema, as oras writes them."""
    for one, tag in ((IMAGE, "app"), (BOM, None), (SIGNED, None)):
        write_layout(one, tmp_path / "from", tag=tag)
    succeed(copy(f"oci:{tmp_path / 'from'}:app", f"oci:{tmp_path / 'to'}:app", "--referrers"))
    assert listed(f"oci:{tmp_path / 'to'}:app") == {BOM.digest: [SIGNED.digest]}


def test_a_damaged_index_of_referrers(source: ReferrersRegistry, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    succeed(copy(source.name(), f"oci:{layout}:app", f"--referrers={SBOM}"))
    tag = IMAGE.digest.replace(":", "-")
    for content in (b"<html>", IMAGE.root.raw):
        blob_path(layout, entries(layout)[tag]).write_bytes(content)
        message = fatal(copy(source.name(), f"oci:{layout}:other", "--referrers"))
        assert message.startswith(f"writing what refers to the image: {tag} of this layout: ")
        assert "other" not in entries(layout)
    blob_path(layout, entries(layout)[tag]).unlink()
    assert "layout verify" in fatal(copy(source.name(), f"oci:{layout}:other", "--referrers"))


@pytest.mark.parametrize("place", ["dir:{}/d", "docker-archive:{}/a.tar:x:y", "containers-storage:x"])
@pytest.mark.parametrize("flag", ["--referrers", "--cosign-tags"])
def test_places_without_referrers(source: ReferrersRegistry, tmp_path: Path, place: str, flag: str) -> None:
    message = fatal(copy(source.name(), place.format(tmp_path), flag))
    if "containers" not in place:
        assert message == (
            f"{place.format(tmp_path)}: {flag} needs another destination: what refers to an image is stored in "
            "registries, OCI layouts and their archives"
        )
    assert list(tmp_path.iterdir()) == []


def test_sources_without_referrers(tmp_path: Path) -> None:
    write_layout(IMAGE, tmp_path / "layout", tag="app")
    succeed(copy(f"oci:{tmp_path / 'layout'}:app", f"dir:{tmp_path / 'dir'}"))
    message = fatal(copy(f"dir:{tmp_path / 'dir'}", f"oci:{tmp_path / 'other'}:app", "--referrers"))
    assert "found in registries, layouts and their archives: docker:, oci:, oci-archive:" in message
    assert not (tmp_path / "other").exists()


def pull_offline(source: ReferrersRegistry, store: Path, destination: Path, *words: str) -> Done:
    return copy(source.name(), f"oci:{destination}:app", "--store", store, "--offline", *words)


def test_through_the_store(source: ReferrersRegistry, tmp_path: Path) -> None:
    store = tmp_path / "store"
    succeed(copy(source.name(), f"oci:{tmp_path / 'one'}:app", "--store", store, "--referrers", "--cosign-tags"))
    before = len(source.requests)
    succeed(pull_offline(source, store, tmp_path / "two", "--referrers", "--cosign-tags"))
    assert listed(f"oci:{tmp_path / 'two'}:app") == ALL
    assert IMAGE.digest.replace(":", "-") + ".sig" in entries(tmp_path / "two")
    assert len(source.requests) == before
    succeed(pyskopeo_here("store", "verify", "--store", store))


def test_the_store_knows_that_nothing_refers(tmp_path: Path) -> None:
    with ReferrersRegistry(IMAGE) as source:
        succeed(copy(source.name(), f"oci:{tmp_path / 'one'}:app", "--store", tmp_path / "store", "--referrers"))
        succeed(pull_offline(source, tmp_path / "store", tmp_path / "two", "--referrers"))
        assert listed(f"oci:{tmp_path / 'two'}:app") == {}


def test_the_store_does_not_know(source: ReferrersRegistry, tmp_path: Path) -> None:
    succeed(copy(source.name(), f"oci:{tmp_path / 'one'}:app", "--store", tmp_path / "store"))
    done = pull_offline(source, tmp_path / "store", tmp_path / "two", "--referrers")
    assert done.code == 3
    assert f"what refers to {IMAGE.digest} is not in the store" in done.stderr
    assert not (tmp_path / "two" / "index.json").exists()


def test_a_receipt_has_them(source: ReferrersRegistry, tmp_path: Path) -> None:
    receipt = tmp_path / "receipt.json"
    succeed(copy(source.name(), f"oci:{tmp_path / 'layout'}:app", "--referrers", "--receipt", receipt))
    found = json.loads(receipt.read_text())
    assert found["manifests"][0]["digest"] == IMAGE.digest
    assert {one["digest"] for one in found["manifests"]} == {IMAGE.digest, BOM.digest, OTHER.digest, SIGNED.digest}
    wanted = {digest for image in (IMAGE, BOM, OTHER, SIGNED) for digest in image.blobs}
    assert {one["digest"] for one in found["blobs"]} == wanted
    assert {one["source"] for one in found["blobs"]} == {f"{source.host}/test/image"}


def test_a_layout_for_a_program_that_wants_nothing_beside_the_image(source: ReferrersRegistry, tmp_path: Path) -> None:
    words = ("--referrers", "--dest-layout-profile=docker-library")
    message = fatal(copy(source.name(), f"oci:{tmp_path / 'layout'}", *words))
    assert message.endswith("--referrers needs another destination: docker-library reads layouts of exactly one image, and nothing beside it")
    succeed(copy(source.name(), f"oci:{tmp_path / 'umoci'}:app", "--referrers", "--dest-layout-profile=umoci"))


def test_which_image_is_meant_without_a_name(source: ReferrersRegistry, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    succeed(copy(source.name(), f"oci:{layout}:app", "--referrers", "--cosign-tags"))
    found = json.loads(succeed(pyskopeo_here("inspect", f"oci:{layout}")).stdout)
    assert found["Digest"] == IMAGE.digest
    # Something that belongs to an image can be named, and is meant if there is nothing else.
    tag = IMAGE.digest.replace(":", "-")
    succeed(copy(f"oci:{layout}:{tag}", f"oci:{tmp_path / 'alone'}:{tag}", "--all"))
    assert json.loads(succeed(pyskopeo_here("inspect", "--raw", f"oci:{tmp_path / 'alone'}")).stdout)["manifests"]
    # Two images are still two.
    succeed(copy(source.name(), f"oci:{layout}:other"))
    write_layout(BOM, layout, tag="third")
    assert "choose an image" in fatal(pyskopeo_here("inspect", f"oci:{layout}"))


def test_an_image_is_deleted_with_what_refers_to_it(source: ReferrersRegistry, tmp_path: Path) -> None:
    layout, rest = tmp_path / "layout", build("docker")
    succeed(copy(source.name(), f"oci:{layout}:app", "--referrers", "--cosign-tags"))
    succeed(copy(source.name(), f"oci:{layout}:again"))
    with ReferrersRegistry(rest) as other:
        other.add(referring(rest), "test/image", None)
        succeed(copy(other.name(), f"oci:{layout}:other", "--format=oci"))
    there = entries(layout)
    succeed(pyskopeo_here("delete", f"oci:{layout}:app"))
    assert there.keys() - entries(layout).keys() == {"app"}  # it has another name
    assert listed(f"oci:{layout}:again") == ALL
    done = succeed(pyskopeo_here("delete", "--dry-run", f"oci:{layout}:again"))
    assert IMAGE.digest in done.stdout.decode() + done.stderr
    succeed(pyskopeo_here("delete", f"oci:{layout}:again"))
    assert entries(layout).keys() == {"other"}
    for image in (IMAGE, BOM, SIGNED):
        assert not blob_path(layout, image.digest).exists()
        assert not any(blob_path(layout, digest).exists() for digest in image.layer_digests() if digest not in rest.blobs)
    succeed(pyskopeo_here("layout", "verify", f"oci:{layout}"))
