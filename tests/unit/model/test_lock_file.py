"""Lock files: what is written, and what is refused when it is read."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from pyskopeo.errors import InvalidContent, InvalidName, TooLarge, Unsupported
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.lock_file import LOCK_LIMIT, LockFile, check_lockable
from pyskopeo.model.locked_image import LockedImage, check_image_name, parse_source
from pyskopeo.model.manifest import Manifest
from pyskopeo.model.platform import Platform
from pyskopeo.model.reference import Reference
from tests.support.images import BuiltImage, ImageSpec, IndexSpec, LayerSpec, PlatformSpec, build

BASE = LayerSpec("base", size=500)
ONE = build(ImageSpec(layers=(BASE, LayerSpec("one", size=300))))
TWO = build(
    IndexSpec(
        (
            ImageSpec(layers=(BASE, LayerSpec("amd64", size=300))),
            ImageSpec(layers=(LayerSpec("arm64", size=300),), platform=PlatformSpec("arm64", variant="v8")),
        )
    )
)


def manifests_of(image: BuiltImage) -> dict[Digest, Manifest]:
    found = (Manifest.parse(one.raw, content_type=one.media_type) for one in image.manifests.values())
    return {manifest.digest: manifest for manifest in found}


def locked(name: str, image: BuiltImage, *, keep: int = 9, sources: tuple[str, ...] = ("h.example/app",)) -> LockedImage:
    root = Manifest.parse(image.root.raw, content_type=image.root.media_type)
    entries = root.manifests if root.is_index else (root.descriptor,)
    reference = Reference("h.example", "app", "1.0", root.digest)
    return LockedImage(name, reference, sources, entries=tuple(Descriptor(e.media_type, e.digest, e.size, e.platform) for e in entries[:keep]))


LOCK = LockFile(
    {"b": locked("b", ONE), "a": locked("a", TWO, sources=("m.example/app", "h.example/app"))},
    manifests_of(ONE) | manifests_of(TWO),
)


def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(LOCK.to_bytes())
    return found


def refused(changed: dict[str, Any]) -> str:
    with pytest.raises(InvalidContent) as caught:
        LockFile.parse(json.dumps(changed).encode(), "images.lock")
    message = str(caught.value)
    assert message.startswith("images.lock: ")
    assert "\n" not in message
    assert len(message) < 700
    return message


def test_what_is_written() -> None:
    lines = LOCK.to_bytes().decode("ascii").splitlines()
    found = document()
    assert lines[:3] == ["{", '"lockVersion": 1,', '"images": {']
    assert list(found) == ["lockVersion", "images", "manifests", "blobs"]
    # An entry a line: what json reads from each line alone is what it reads from the file.
    for table in ("images", "manifests", "blobs"):
        assert list(found[table]) == sorted(found[table])
        for key, value in found[table].items():
            (line,) = [line for line in lines if line.startswith(json.dumps(key) + ": ")]
            assert json.loads("{" + line.rstrip(",") + "}") == {key: value}
    a, b = found["images"]["a"], found["images"]["b"]
    assert a["reference"] == f"h.example/app:1.0@{TWO.digest}"
    assert (a["digest"], a["size"]) == (TWO.digest, len(TWO.root.raw))
    assert [one["platform"] for one in a["manifests"]] == [
        {"architecture": "amd64", "os": "linux"}, {"architecture": "arm64", "os": "linux", "variant": "v8"},
    ]  # fmt: skip
    assert [one["digest"] for one in b["manifests"]] == [ONE.digest]
    assert set(found["manifests"]) == {*ONE.manifests, *TWO.manifests}
    one = found["manifests"][ONE.digest]
    assert base64.b64decode(one["data"]) == ONE.root.raw
    assert [layer["digest"] for layer in one["layers"]] == list(ONE.layer_digests())
    assert one["config"]["digest"] == ONE.config_digest()
    assert {digest: blob["size"] for digest, blob in found["blobs"].items()} == {
        digest: len(content) for digest, content in (*ONE.blobs.items(), *TWO.blobs.items())
    }
    assert found["blobs"][ONE.layer_digests()[0]]["sources"] == ["m.example/app", "h.example/app"]
    assert found["blobs"][ONE.config_digest()]["sources"] == ["h.example/app"]


def test_it_is_read_as_it_was_written() -> None:
    found = LockFile.parse(LOCK.to_bytes(), "x")
    assert found == LOCK
    assert found.to_bytes() == LOCK.to_bytes()
    swapped = LockFile(dict(reversed(list(LOCK.images.items()))), dict(reversed(list(LOCK.manifests.items()))))
    assert swapped.to_bytes() == LOCK.to_bytes()
    empty = LockFile({}, {})
    assert LockFile.parse(empty.to_bytes(), "x") == empty


def test_some_platforms() -> None:
    """The index is whole, what it names is not all there; manifests that nothing needs are not written."""
    image = replace(locked("a", TWO, keep=1), platforms=(Platform("linux", "amd64"),))
    lock = LockFile({"a": image}, manifests_of(TWO))
    found = json.loads(lock.to_bytes())
    assert found["images"]["a"]["platforms"] == ["linux/amd64"]
    assert set(found["manifests"]) == {TWO.digest, TWO.child(0).digest}
    assert LockFile.parse(lock.to_bytes(), "x").images == lock.images


@pytest.mark.parametrize("version", [0, 2, "1", 1.0, True, None])
def test_other_versions(version: object) -> None:
    assert "lockVersion is" in refused(document() | {"lockVersion": version})


def test_what_is_no_lock() -> None:
    for raw in (b"", b"[]", b"\xff", b'{"lockVersion": 1}', b'{"images": {}, "images": {}}', b"{" * 100_000):
        with pytest.raises(InvalidContent, match="x"):
            LockFile.parse(raw, "x")
    with pytest.raises(TooLarge):
        LockFile.parse(b" " * (LOCK_LIMIT + 1), "x")
    repeated = LOCK.to_bytes().replace(b'"blobs": {', b'"blobs": {}, "blobs": {')
    with pytest.raises(InvalidContent, match="duplicate name 'blobs'"):
        LockFile.parse(repeated, "x")
    assert "unknown key 'more'" in refused(document() | {"more": {}})
    for table in ("images", "manifests", "blobs"):
        refused(document() | {table: []})
        refused(document() | {table: {"a": []}})


def test_bytes_that_are_not_those_of_the_digest() -> None:
    changed = document()
    changed["manifests"][ONE.digest]["data"] = base64.b64encode(ONE.root.raw + b" ").decode()
    assert f"manifests: {ONE.digest}: manifest digest mismatch" in refused(changed)
    for data in ("not base64!", "", None, changed["manifests"][TWO.digest]["data"]):
        changed["manifests"][ONE.digest]["data"] = data
        refused(changed)


@pytest.mark.parametrize(
    ("table", "key", "field", "value"),
    [
        ("images", "b", "size", 1),
        ("images", "b", "digest", TWO.digest),
        ("images", "b", "mediaType", "application/vnd.oci.image.index.v1+json"),
        ("images", "b", "more", 1),
        ("images", "b", "manifests", []),
        ("images", "a", "manifests", [{"mediaType": "a/b", "digest": ONE.digest, "size": 1}]),
        ("manifests", ONE.digest, "size", 1),
        ("manifests", ONE.digest, "size", float(len(ONE.root.raw))),
        ("manifests", ONE.digest, "layers", []),
        ("manifests", ONE.digest, "config", None),
        ("manifests", TWO.digest, "layers", []),
        ("blobs", ONE.config_digest(), "size", 10**15),
        ("blobs", ONE.config_digest(), "size", True),
        ("blobs", ONE.config_digest(), "mediaType", "x/y"),
        ("blobs", ONE.config_digest(), "sources", ["evil.example/app"]),
    ],
)
def test_what_the_manifests_contradict(table: str, key: str, field: str, value: object) -> None:
    changed = document()
    changed[table][key][field] = value
    assert f"{table}: {key}" in refused(changed) or f"manifest {ONE.digest} of" in refused(changed)


def test_what_is_missing_or_needed_by_nothing() -> None:
    for table, digest in (("manifests", ONE.digest), ("manifests", TWO.child(1).digest), ("blobs", ONE.config_digest())):
        changed = document()
        del changed[table][digest]
        assert digest in refused(changed)
    changed = document()
    del changed["images"]["b"]
    assert "no image needs" in refused(changed)
    changed = document()
    changed["blobs"]["sha256:" + "0" * 64] = {"mediaType": "a/b", "size": 1, "sources": ["h.example/x"]}
    assert "blobs: no image needs sha256:000" in refused(changed)


def test_a_child_that_is_not_in_the_index() -> None:
    changed = document()
    stranger = {"mediaType": ONE.root.media_type, "digest": ONE.digest, "size": len(ONE.root.raw)}
    changed["images"]["a"]["manifests"].append(stranger)
    assert "images: a: manifests is" in refused(changed)


@pytest.mark.parametrize("name", ["", "../x", "/etc/passwd", "a/../b", "a b", "a\nb", "x" * 500, "a\\b", "..", "@1"])
def test_names_like_paths(name: str) -> None:
    changed = document()
    changed["images"][name] = changed["images"].pop("a")
    refused(changed)
    with pytest.raises(InvalidName):
        check_image_name(name)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reference", "h.example/app:1.0"),
        ("reference", f"app@{ONE.digest}"),
        ("reference", 1),
        ("reference", f"h.example/app@{TWO.digest}"),
        ("sources", []),
        ("sources", "h.example/app"),
        ("sources", ["h.example/app:1.0"]),
        ("sources", ["alpine"]),
        ("sources", ["http://h.example/app"]),
        ("sources", ["../app"]),
        ("sources", [1]),
        ("platforms", ["linux"]),
        ("platforms", [1]),
        ("platforms", None),
        ("manifests", [1]),
        ("referrers", [1]),
    ],
)
def test_fields_of_images(field: str, value: object) -> None:
    changed = document()
    changed["images"]["b"][field] = value
    refused(changed)


def test_sizes_that_differ() -> None:
    """Two manifests that state other sizes for one blob."""
    raw = json.loads(ONE.root.raw)
    raw["layers"][0]["size"] += 1
    other = Manifest.parse(json.dumps(raw).encode())
    image = replace(locked("c", ONE), reference=Reference("h.example", "app", digest=other.digest), entries=(other.descriptor,))
    with pytest.raises(InvalidContent, match="is said to have"):
        LockFile({"b": locked("b", ONE), "c": image}, manifests_of(ONE) | {other.digest: other}).to_bytes()


def test_too_many_layers() -> None:
    layer = {"mediaType": "a/b", "digest": "sha256:" + "0" * 64, "size": 1}
    changed = document()
    for number in range(11):
        raw = json.dumps({"schemaVersion": 2, "mediaType": ONE.root.media_type, "config": layer, "layers": [layer] * 10_000, "annotations": {"n": str(number)}}).encode()
        changed["manifests"][str(Digest.of(raw))] = {"mediaType": ONE.root.media_type, "size": len(raw), "data": base64.b64encode(raw).decode()}
    assert "more than 100000" in refused(changed)


def test_images_that_share_a_huge_index() -> None:
    """What has to be gone through for each image is limited, not only what is in the file."""
    layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": "sha256:" + "0" * 64, "size": 1}
    media_type = "application/vnd.oci.image.index.v1+json"
    raw = json.dumps({"schemaVersion": 2, "mediaType": media_type, "manifests": [layer] * 20_000}).encode()
    digest = str(Digest.of(raw))
    image = {
        "reference": f"h.example/app@{digest}", "digest": digest, "mediaType": media_type, "size": len(raw),
        "platforms": [], "manifests": [layer] * 20_000, "sources": ["h.example/app"],
    }  # fmt: skip
    manifests = {digest: {"mediaType": media_type, "size": len(raw), "data": base64.b64encode(raw).decode()}}
    blobs = {layer["digest"]: {"mediaType": layer["mediaType"], "size": 1, "sources": ["h.example/app"]}}
    lock = {"lockVersion": 1, "images": {"one": image}, "manifests": manifests, "blobs": blobs}
    assert LockFile.parse(json.dumps(lock).encode(), "x").images["one"].entries
    few = image | {"manifests": [layer]}
    assert "more than 2000000" in refused(lock | {"images": {f"n{number}": few for number in range(150)}})


def test_an_index_of_which_nothing_is_locked() -> None:
    changed = document()
    changed["images"]["a"]["manifests"] = []
    for child in (0, 1):
        del changed["manifests"][TWO.child(child).digest]
    assert "nothing of its index is locked" in refused(changed)


def test_schema1() -> None:
    raw = b'{"schemaVersion": 1, "name": "a/b", "tag": "t", "architecture": "amd64", "fsLayers": [], "history": []}'
    manifest = Manifest(raw, "application/vnd.docker.distribution.manifest.v1+json", Digest.of(raw))
    with pytest.raises(Unsupported, match="schema 1"):
        check_lockable(manifest)


def test_a_source() -> None:
    assert parse_source("h.example:5000/a/b") == Reference("h.example:5000", "a/b")
    assert LOCK.image("a").name == "a"
    with pytest.raises(InvalidName, match="there are: a, b"):
        LOCK.image("c")
