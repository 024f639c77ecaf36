"""A layout is verified as a whole, and each fault is reported, whoever made it and whatever is wrong."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from pyskopeo.engine.verification import VerifyOptions
from pyskopeo.errors import NotFound, PathNotFound
from pyskopeo.model.verification import FaultKind, VerificationReport
from pyskopeo.storage.layout_verification import verify_archive, verify_layout
from pyskopeo.storage.locks import lock_directory
from pyskopeo.storage.tar import TarIndex
from tests.support.caches import CACHE_CONFIG, build_cache
from tests.support.images import KINDS, ImageSpec, LayerSpec, build, digest_of
from tests.support.nobody import folder_of_nobody
from tests.support.outputs import blob_path, write_layout, write_layout_archive
from tests.support.specs import PlatformSpec

pytestmark = pytest.mark.anyio
IMAGE = build(ImageSpec(layers=(LayerSpec("base", base=True), LayerSpec("one"))))
OTHER = build(ImageSpec(layers=(LayerSpec("base", base=True), LayerSpec("two"))))
LAYER, CONFIG = IMAGE.layer_digests()[1], IMAGE.config_digest()
SHARED = IMAGE.layer_digests()[0]
PLAIN, DEEP = VerifyOptions(external=True), VerifyOptions(deep=True, external=True)


async def verify(layout: Path, name: str = "", options: VerifyOptions = PLAIN, **more: Any) -> VerificationReport:
    return await verify_layout(layout, name, options=options, **more)


def kinds(report: VerificationReport) -> list[tuple[str, str]]:
    """The faults, by kind and the file or digest."""
    return [(fault.kind.value, str(fault.digest or fault.path)) for fault in report.faults]


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """Two images with a layer in common."""
    write_layout(IMAGE, tmp_path / "a", tag="one")
    return write_layout(OTHER, tmp_path / "a", tag="two")


def edit_index(layout: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = layout / "index.json"
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("deep", [False, True])
async def test_every_kind_of_image_is_whole(kind: str, deep: bool, tmp_path: Path) -> None:
    image = build(kind)
    report = await verify(write_layout(image, tmp_path / "a"), options=DEEP if deep else PLAIN)
    assert (report.faults, report.unneeded) == ((), ())
    assert report.ok
    everything = {**image.blobs, **{digest: manifest.raw for digest, manifest in image.manifests.items()}}
    assert (report.manifests, report.blobs) == (len(image.manifests), len(image.blobs))
    assert report.size == sum(map(len, everything.values()))


@pytest.mark.parametrize("config_type", [CACHE_CONFIG, "application/vnd.example.unknown"])
async def test_a_build_cache(config_type: str, tmp_path: Path) -> None:
    """Its index names blobs, and no image."""
    image = build_cache(config_type)
    layout = write_layout(image, tmp_path / "a")
    report = await verify(layout, options=DEEP)
    assert (report.faults, report.unneeded, report.images, report.blobs) == ((), (), 0, len(image.blobs))
    for digest, damage in zip(sorted(image.blobs), (unlinked, flipped, longer), strict=False):
        damage(blob_path(layout, digest))
    report = await verify(layout, options=DEEP)
    assert [fault.kind.value for fault in report.faults] == ["missing", "digest", "size"]
    assert {fault.what for fault in report.faults} == {"blob"}


async def test_progress_ends_with_all_bytes(layout: Path) -> None:
    seen: list[tuple[int, int]] = []
    report = await verify(layout, advance=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (sum(len(b) for b in {**IMAGE.blobs, **OTHER.blobs}.values()),) * 2
    assert report.images == 2


async def test_one_image_of_several(layout: Path) -> None:
    blob_path(layout, LAYER).unlink()
    assert kinds(await verify(layout, "one")) == [("missing", LAYER)]
    assert kinds(await verify(layout, "@0")) == [("missing", LAYER)]
    report = await verify(layout, "two")
    assert report.ok
    assert report.unneeded == ()  # what the other image needs is not its business
    with pytest.raises(NotFound, match='no descriptor found for reference "three"'):
        await verify(layout, "three")


async def test_all_faults_in_one_run(layout: Path, tmp_path: Path) -> None:
    blob_path(layout, LAYER).unlink()
    blob_path(layout, SHARED).write_bytes(b"short")
    config = blob_path(layout, OTHER.config_digest())
    config.write_bytes(config.read_bytes().replace(b"amd64", b"arm64"))
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"2.0.0"}')
    blob_path(layout, OTHER.digest).with_name("stranger").write_bytes(b"x")
    edit_index(layout, lambda index: index["manifests"].append({"mediaType": "a/b", "digest": "sha256:../../etc/x", "size": 1}))
    report = await verify(layout)
    assert sorted(kinds(report)) == sorted([
        ("invalid", "index.json"), ("invalid", "oci-layout"), ("missing", LAYER), ("size", SHARED),
        ("digest", OTHER.config_digest()),
    ])  # fmt: skip
    by_digest = {str(fault.digest): fault for fault in report.faults}
    assert by_digest[LAYER].needed_by == ("one",)
    assert set(by_digest[SHARED].needed_by) == {"one", "two"}
    assert by_digest[LAYER].path == f"blobs/sha256/{LAYER[7:]}"
    assert report.unneeded == ()  # of one entry it is not known what it needs
    assert not report.ok


def test_kinds_of_faults_are_these() -> None:
    """They are part of the JSON report."""
    assert [kind.value for kind in FaultKind] == [
        "missing", "unreadable", "size", "digest", "media-type", "invalid", "unverifiable", "diff-id",
        "profile",
    ]  # fmt: skip


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def replaced_by_a_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def replaced_by_a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replaced_by_a_device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def replaced_by_a_socket(path: Path) -> None:
    path.unlink()
    here = os.getcwd()
    os.chdir(path.parent)  # the name of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    finally:
        os.chdir(here)


def linked_to_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def linked_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def unlinked(path: Path) -> None:
    path.unlink()


def emptied(path: Path) -> None:
    path.write_bytes(b"")


DAMAGE: dict[Callable[[Path], None], str] = {
    unlinked: "missing", emptied: "size", longer: "size", flipped: "digest", replaced_by_a_fifo: "unreadable",
    replaced_by_a_directory: "unreadable", replaced_by_a_device: "unreadable", replaced_by_a_socket: "unreadable",
    linked_to_nothing: "missing", linked_to_itself: "unreadable",
}  # fmt: skip


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("what", ["layer", "config"])
async def test_a_blob_that_is_damaged(damage: Callable[[Path], None], what: str, deep: bool, layout: Path) -> None:
    digest = LAYER if what == "layer" else CONFIG
    damage(blob_path(layout, digest))
    report = await verify(layout, options=DEEP if deep else PLAIN)
    assert kinds(report) == [(DAMAGE[damage], digest)]
    (fault,) = report.faults
    assert (fault.what, fault.needed_by) == (what, ("one",))
    assert "\n" not in fault.message


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
async def test_a_manifest_that_is_damaged(damage: Callable[[Path], None], layout: Path) -> None:
    """One that is longer or empty has another digest, which is found before its size is."""
    damage(blob_path(layout, IMAGE.digest))
    report = await verify(layout)
    expected = "digest" if DAMAGE[damage] == "size" else DAMAGE[damage]
    assert kinds(report) == [(expected, IMAGE.digest)]
    # What it needed is not known any more.
    assert {file.path for file in report.unneeded} >= {f"blobs/sha256/{digest[7:]}" for digest in (LAYER, CONFIG)}


async def test_files_that_must_not_be_read() -> None:
    with folder_of_nobody() as folder:
        layout = write_layout(IMAGE, folder / "a", tag="one")
        for path in (blob_path(layout, LAYER), layout / "oci-layout", layout / "blobs" / "sha512"):
            if path.name == "sha512":
                path.mkdir()
            path.chmod(0)
        report = await verify(layout)
        assert kinds(report) == [("unreadable", "blobs"), ("unreadable", "oci-layout"), ("unreadable", LAYER)]
        (layout / "index.json").chmod(0)
        assert ("unreadable", "index.json") in kinds(await verify(layout))


async def test_links_to_the_right_content_are_as_good_as_files(layout: Path, tmp_path: Path) -> None:
    """As in the trees of links that Bazel makes."""
    store = tmp_path / "store"
    (layout / "blobs").rename(store)
    (layout / "blobs" / "sha256").mkdir(parents=True)
    for path in (store / "sha256").iterdir():
        (layout / "blobs" / "sha256" / path.name).symlink_to(path)
    (layout / "index.json").rename(tmp_path / "index")
    (layout / "index.json").symlink_to(tmp_path / "index")
    assert (await verify(layout, options=DEEP)).ok


async def test_an_oci_layout_file_is_required(layout: Path) -> None:
    (layout / "oci-layout").unlink()
    assert kinds(await verify(layout)) == [("missing", "oci-layout")]
    (layout / "oci-layout").write_text("{")
    assert kinds(await verify(layout)) == [("invalid", "oci-layout")]


async def test_without_a_layout_there_is_nothing_to_report(tmp_path: Path) -> None:
    for path, message in ((tmp_path / "none", "no such file or directory"), (tmp_path, r"there is no index\.json")):
        with pytest.raises(PathNotFound, match=message):
            await verify(path)


async def test_without_an_index_no_file_is_called_unneeded(layout: Path) -> None:
    (layout / "index.json").unlink()
    report = await verify(layout)
    assert kinds(report) == [("missing", "index.json")]
    assert report.unneeded == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is empty"),
        ("[]", "not a JSON object"),
        ('{"schemaVersion":2,"manifests":[],"manifests":[]}', "duplicate"),
        ('{"schemaVersion":2,"Manifests":[]}', "differs from 'manifests' by case only"),
        ('{"schemaVersion":1,"manifests":[]}', "schemaVersion is 1, want 2"),
        ('{"schemaVersion":2,"manifests":{}}', "manifests is not a list"),
        ('{"schemaVersion":2,"mediaType":"text/plain","manifests":[]}', "mediaType is 'text/plain'"),
        ('{"schemaVersion":2,"manifests":[7]}', r"manifests\[0\] is not a descriptor"),
        ('{"schemaVersion":2,"manifests":[{"mediaType":"a/b","size":-1,"digest":"sha256:0"}]}', "size"),
        ("[" * 100_000, "nested too deeply"),
        ('{"schemaVersion":2,"manifests":[' + "{}," * 1_000_001 + "{}]}", "more than 1000000 values"),
    ],
    ids=range(11),
)
async def test_an_index_that_is_wrong(text: str, message: str, layout: Path) -> None:
    (layout / "index.json").write_text(text)
    report = await verify(layout)
    (fault,) = report.faults
    assert (fault.kind, fault.path) == (FaultKind.INVALID, "index.json")
    pytest.raises(ValueError, _raise, fault.message).match(message)
    assert report.unneeded == ()


def _raise(text: str) -> None:
    raise ValueError(text)


async def test_each_wrong_entry_is_a_fault_and_the_others_are_verified(layout: Path) -> None:
    wrong: list[object] = [
        None, 7, {}, {"mediaType": "a/b", "digest": "sha256:" + "A" * 64, "size": 1},
        {"mediaType": "a/b", "digest": "sha256:" + "a" * 64, "size": "1"},
        {"mediaType": "a/b", "digest": "../../../etc/passwd", "size": 1},
        {"mediaType": 3, "digest": "sha256:" + "a" * 64, "size": 1},
    ]  # fmt: skip
    blob_path(layout, LAYER).unlink()
    edit_index(layout, lambda index: index["manifests"].extend(wrong))
    report = await verify(layout)
    assert kinds(report) == [("invalid", "index.json")] * len(wrong) + [("missing", LAYER)]
    assert all(f"manifests[{n}]" in " ".join(f.message for f in report.faults) for n in range(2, 2 + len(wrong)))


def add_manifest(layout: Path, document: object, media_type: str, **more: object) -> str:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    digest = digest_of(raw)
    blob_path(layout, digest).write_bytes(raw)
    entry = {"mediaType": media_type, "digest": digest, "size": len(raw)} | more
    edit_index(layout, lambda index: index["manifests"].append(entry))
    return digest


OCI_MANIFEST, OCI_INDEX = (f"application/vnd.oci.image.{kind}.v1+json" for kind in ("manifest", "index"))


@pytest.mark.parametrize(
    ("document", "media_type", "kind"),
    [
        (b"not JSON", OCI_MANIFEST, "invalid"),
        (b'{"schemaVersion":2,"config":{},"config":{}}', OCI_MANIFEST, "invalid"),
        ({"schemaVersion": 2, "manifests": []}, OCI_MANIFEST, "invalid"),
        ({"schemaVersion": 2, "layers": [], "manifests": []}, OCI_INDEX, "invalid"),
        ({"schemaVersion": 2, "mediaType": "text/plain", "layers": []}, OCI_MANIFEST, "invalid"),
        ({"schemaVersion": 2, "config": {"mediaType": "a/b", "digest": "x", "size": 1}, "layers": []}, OCI_MANIFEST, "invalid"),
        ({"schemaVersion": 2, "mediaType": OCI_INDEX.replace("oci.image.index.v1", "docker.distribution.manifest.list.v2"),
          "manifests": []}, OCI_INDEX, "media-type"),
    ],
    ids=range(7),
)  # fmt: skip
async def test_a_manifest_that_is_none(document: object, media_type: str, kind: str, layout: Path) -> None:
    digest = add_manifest(layout, document, media_type)
    assert kinds(await verify(layout)) == [(kind, digest)]


async def test_a_size_that_lies(layout: Path) -> None:
    digest = add_manifest(layout, IMAGE.root.raw + b"\n", OCI_MANIFEST, size=len(IMAGE.root.raw) - 1)
    report = await verify(layout)
    assert kinds(report) == [("size", digest)]
    document = OTHER.root.json
    layers: Any = document["layers"]
    layers[0]["size"] += 1
    add_manifest(layout, document, OCI_MANIFEST)
    assert ("size", layers[0]["digest"]) in kinds(await verify(layout))


async def test_a_layer_that_is_not_compressed_as_its_type_says(layout: Path) -> None:
    document = IMAGE.root.json
    layers: Any = document["layers"]
    layers[1]["mediaType"] = "application/vnd.oci.image.layer.v1.tar+zstd"
    shutil.rmtree(layout)
    write_layout(IMAGE, layout)
    edit_index(layout, lambda index: index.update(manifests=[]))
    add_manifest(layout, document, OCI_MANIFEST)
    report = await verify(layout)
    assert kinds(report) == [("media-type", LAYER)]
    assert report.faults[0].message == "is gzip, its media type says zstd"


async def test_digests_that_cannot_be_computed(layout: Path) -> None:
    document = IMAGE.root.json
    layers: Any = document["layers"]
    layers[1]["digest"] = "blake3:" + "a" * 64
    (layout / "blobs" / "blake3").mkdir()
    (layout / "blobs" / "blake3" / ("a" * 64)).write_bytes(b"x")
    add_manifest(layout, document, OCI_MANIFEST)
    assert kinds(await verify(layout)) == [("unverifiable", "blake3:" + "a" * 64)]


async def test_indexes_nested_too_deeply_and_in_a_circle(layout: Path) -> None:
    """A copy refuses them; each level is a fault of its own only where a copy would stop."""
    raw = json.dumps({"schemaVersion": 2, "manifests": []}).encode()
    for _ in range(12):
        digest = digest_of(raw)
        blob_path(layout, digest).write_bytes(raw)
        entry = {"mediaType": OCI_INDEX, "digest": digest, "size": len(raw)}
        raw = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
    add_manifest(layout, json.loads(raw), OCI_INDEX)
    report = await verify(layout)
    assert [fault.message for fault in report.faults] == ["image indexes are nested more than 8 deep"]
    assert report.faults[0].kind is FaultKind.INVALID


async def test_an_image_of_a_list_that_was_not_copied(tmp_path: Path) -> None:
    image = build("oci-index")
    layout = write_layout(image, tmp_path / "a")
    child = image.child(0).digest
    only = {child, *image.layer_digests(child), image.config_digest(child)}
    for other in (image.child(n).digest for n in range(1, 6)):
        for digest in {other, image.config_digest(other), *image.layer_digests(other)} - only:
            blob_path(layout, digest).unlink(missing_ok=True)
    assert [kind for kind, _ in kinds(await verify(layout))] == ["missing"] * 5
    report = await verify(layout, options=replace(PLAIN, sparse=True))
    assert report.ok
    assert len(report.absent) == 5
    blob_path(layout, image.config_digest(child)).unlink()
    assert kinds(await verify(layout, options=replace(PLAIN, sparse=True))) == [("missing", image.config_digest(child))]
    blob_path(layout, image.digest).unlink()
    assert kinds(await verify(layout, options=replace(PLAIN, sparse=True))) == [("missing", image.digest)]


async def test_a_subject_need_not_be_there(layout: Path) -> None:
    subject = {"mediaType": OCI_MANIFEST, "digest": digest_of(b"elsewhere"), "size": 9}
    document = build("artifact").root.json | {"subject": subject}
    for digest, content in build("artifact").blobs.items():
        blob_path(layout, digest).write_bytes(content)
    add_manifest(layout, document, OCI_MANIFEST)
    assert (await verify(layout)).ok


async def test_a_layer_that_is_stored_elsewhere(layout: Path) -> None:
    document = IMAGE.root.json
    layers: Any = document["layers"]
    layers[1] |= {
        "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "urls": ["https://example.com/layer"],
        "digest": digest_of(b"elsewhere"), "size": 9,
    }  # fmt: skip
    add_manifest(layout, document, OCI_MANIFEST)
    report = await verify(layout)
    assert report.ok
    assert list(map(str, report.external)) == [digest_of(b"elsewhere")]


def with_diff_ids(layout: Path, change: Callable[[list[str]], object]) -> None:
    """Put an image into the layout whose configuration states other diff IDs."""
    config = json.loads(IMAGE.config())
    change(config["rootfs"]["diff_ids"])
    raw = json.dumps(config).encode()
    blob_path(layout, digest_of(raw)).write_bytes(raw)
    document = IMAGE.root.json
    stated: Any = document["config"]
    stated |= {"digest": digest_of(raw), "size": len(raw)}
    add_manifest(layout, document, OCI_MANIFEST)


async def test_a_layer_with_another_diff_id_is_found_by_deep(layout: Path) -> None:
    with_diff_ids(layout, lambda ids: ids.__setitem__(1, digest_of(b"other")))
    assert (await verify(layout)).ok
    report = await verify(layout, options=DEEP)
    assert kinds(report) == [("diff-id", LAYER)]
    assert f"the image configuration says {digest_of(b'other')}" in report.faults[0].message


async def test_another_number_of_diff_ids_than_layers(layout: Path) -> None:
    with_diff_ids(layout, lambda ids: ids.pop())
    report = await verify(layout)
    assert [fault.kind for fault in report.faults] == [FaultKind.DIFF_ID]
    assert report.faults[0].message == "has 2 layers, its configuration names 1"


@pytest.mark.parametrize("diff_id", ["x", "sha256:../x", "crc32:00000000"])
async def test_a_diff_id_that_is_none(diff_id: str, layout: Path) -> None:
    with_diff_ids(layout, lambda ids: ids.__setitem__(1, diff_id))
    report = await verify(layout, options=DEEP)
    assert {fault.kind for fault in report.faults} <= {FaultKind.INVALID, FaultKind.UNVERIFIABLE}
    assert len(report.faults) == 1


async def test_a_layer_that_cannot_be_decompressed(layout: Path) -> None:
    content = IMAGE.blobs[LAYER][:-9]
    digest = digest_of(content)
    blob_path(layout, digest).write_bytes(content)
    document = IMAGE.root.json
    layers: Any = document["layers"]
    layers[1] |= {"digest": digest, "size": len(content)}
    add_manifest(layout, document, OCI_MANIFEST)
    assert (await verify(layout)).ok
    report = await verify(layout, options=DEEP)
    assert kinds(report) == [("invalid", digest)]
    assert "the gzip data is cut short" in report.faults[0].message


async def test_what_is_decompressed_is_limited_in_total(layout: Path) -> None:
    report = await verify(layout, options=replace(DEEP, max_inflated=1000))
    assert report.faults
    assert {fault.kind for fault in report.faults} == {FaultKind.INVALID}
    assert all("more than 1000 bytes in total" in fault.message for fault in report.faults)


async def test_leftovers_and_strangers_are_listed_and_are_no_faults(layout: Path) -> None:
    (layout / ".index.json.0123456789ab.partial").write_bytes(b"12")
    (layout / "blobs" / "sha256" / ".abc.0123456789ab.partial").write_bytes(b"123")
    (layout / "blobs" / "README").write_bytes(b"1")
    (layout / "blobs" / "sha256" / ("0" * 64)).mkdir()
    orphan = digest_of(b"orphan")
    blob_path(layout, orphan).write_bytes(b"orphan")
    (layout / "blobs" / "sha256" / ("1" * 64)).symlink_to("nowhere")
    report = await verify(layout)
    assert report.ok
    assert {file.path: file.is_leftover for file in report.unneeded} == {
        ".index.json.0123456789ab.partial": True, "blobs/sha256/.abc.0123456789ab.partial": True, "blobs/README": False,
        f"blobs/sha256/{'0' * 64}": False, f"blobs/sha256/{orphan[7:]}": False, f"blobs/sha256/{'1' * 64}": False,
    }  # fmt: skip
    assert next(file.size for file in report.unneeded if orphan[7:] in file.path) == 6


async def test_blobs_that_layouts_share(layout: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    (layout / "blobs").rename(shared)
    report = await verify(layout, shared=shared)
    assert (report.faults, report.unneeded) == ((), ())
    (shared / "sha256" / LAYER[7:]).write_bytes(b"")
    report = await verify(layout, shared=shared)
    assert kinds(report) == [("size", LAYER)]
    assert report.faults[0].path == f"{shared}/sha256/{LAYER[7:]}"


async def test_a_flat_layout(tmp_path: Path) -> None:
    """The entries of index.json are the platforms of one image."""
    images = [build(ImageSpec(platform=PlatformSpec(name))) for name in ("amd64", "arm64")]
    for image in images:
        write_layout(image, tmp_path / "a", tag=None)
    entries = [
        {"mediaType": i.root.media_type, "digest": i.digest, "size": len(i.root.raw),
         "platform": {"os": "linux", "architecture": name}} for i, name in zip(images, ("amd64", "arm64"), strict=True)
    ]  # fmt: skip
    edit_index(tmp_path / "a", lambda index: index.update(manifests=entries))
    assert (await verify(tmp_path / "a")).images == 2
    blob_path(tmp_path / "a", images[1].config_digest()).unlink()
    report = await verify(tmp_path / "a")
    assert kinds(report) == [("missing", images[1].config_digest())]
    assert report.faults[0].needed_by == ("@1",)


async def test_nothing_is_deleted_while_it_reads(layout: Path) -> None:
    """`delete` and `layout gc` wait until it is done, and it waits for them."""
    deleting = await lock_directory(layout / "blobs")
    with anyio.move_on_after(0.1) as scope:
        await verify(layout)
    assert scope.cancelled_caught
    os.close(deleting)
    copying = await lock_directory(layout / "blobs", shared=True)
    assert (await verify(layout)).ok
    os.close(copying)


async def test_a_large_sparse_blob_can_be_interrupted(layout: Path) -> None:
    size = 10 * 1024**3
    digest = "sha256:" + "5" * 64
    with blob_path(layout, digest).open("wb") as file:
        file.truncate(size)
    document = IMAGE.root.json
    layers: Any = document["layers"]
    layers[1] |= {"digest": digest, "size": size}
    add_manifest(layout, document, OCI_MANIFEST)
    before = os.times()
    with anyio.move_on_after(0.2) as scope:
        await verify(layout)
    assert scope.cancelled_caught
    assert os.times().user - before.user < 5
    # One byte is enough to tell that it is too long.
    layers[1]["size"] = 100
    edit_index(layout, lambda index: index["manifests"].pop())
    add_manifest(layout, document, OCI_MANIFEST)
    assert kinds(await verify(layout)) == [("size", digest)]


async def test_documents_of_any_size(layout: Path) -> None:
    """Sparse files, of which only the beginning is read."""
    for path in (layout / "oci-layout", blob_path(layout, IMAGE.digest), blob_path(layout, CONFIG)):
        os.truncate(path, 10 * 1024**3)
    report = await verify(layout)
    assert kinds(report) == [("invalid", "oci-layout"), ("size", IMAGE.digest)]
    os.truncate(layout / "index.json", 10 * 1024**3)
    assert ("invalid", "index.json") in kinds(await verify(layout))


async def test_documents_that_are_no_files(layout: Path) -> None:
    for name in ("oci-layout", "index.json"):
        replaced_by_a_fifo(layout / name)
    assert kinds(await verify(layout)) == [("unreadable", "index.json"), ("unreadable", "oci-layout")]


async def test_files_that_come_and_go_meanwhile(layout: Path) -> None:
    stop = anyio.Event()

    async def disturb() -> None:
        number = 0
        while not stop.is_set():
            path = blob_path(layout, digest_of(str(number).encode()))
            path.write_bytes(b"x")
            await anyio.sleep(0)
            path.unlink()
            number += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(disturb)
        for _ in range(10):
            assert (await verify(layout, options=DEEP)).faults == ()
        stop.set()


async def test_an_archive(tmp_path: Path) -> None:
    archive = write_layout_archive(IMAGE, tmp_path / "a.tar")

    async def verified(path: Path, name: str = "") -> VerificationReport:
        return await verify_archive(TarIndex.read(path), name, options=DEEP, title=str(path))

    report = await verified(archive)
    assert report.ok
    assert report.unneeded == ()
    layout = tmp_path / "a.tar.layout"
    flipped(blob_path(layout, LAYER))
    blob_path(layout, CONFIG).unlink()
    blob_path(layout, digest_of(b"orphan")).write_bytes(b"orphan")
    (layout / "oci-layout").unlink()
    with tarfile.open(archive, "w") as tar:
        tar.add(layout, ".")
    report = await verified(archive)
    assert sorted(kinds(report)) == sorted([("missing", "oci-layout"), ("digest", LAYER), ("missing", CONFIG)])
    assert [(file.path, file.size) for file in report.unneeded] == [(f"blobs/sha256/{digest_of(b'orphan')[7:]}", 6)]
    with pytest.raises(NotFound, match='no descriptor found for reference "other"'):
        await verified(archive, "other")


async def test_an_archive_with_two_indexes(tmp_path: Path) -> None:
    layout = write_layout(IMAGE, tmp_path / "a")
    other = write_layout(OTHER, tmp_path / "b")
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(layout, ".")
        tar.add(other / "index.json", "index.json")
    report = await verify_archive(TarIndex.read(tmp_path / "a.tar"), options=PLAIN, title="x")
    assert kinds(report) == [("invalid", "index.json")]
    assert "more than once, with different content" in report.faults[0].message


async def test_the_report_is_json(layout: Path) -> None:
    blob_path(layout, LAYER).unlink()
    found = (await verify(layout, options=DEEP)).to_json()
    assert json.loads(json.dumps(found)) == found
    assert (found["name"], found["ok"], found["deep"], found["images"]) == (f"oci:{layout}", False, True, 2)
    assert found["faults"] == [{
        "kind": "missing", "what": "layer", "digest": LAYER, "size": len(IMAGE.blobs[LAYER]),
        "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "path": f"blobs/sha256/{LAYER[7:]}",
        "neededBy": ["one"], "message": f"open {blob_path(layout, LAYER)}: no such file or directory",
    }]  # fmt: skip
