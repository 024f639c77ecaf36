"""Images of every form, and what a copy of one is once written, told in a way that two copies can be compared by."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import chain
from pathlib import Path
from typing import Any

from pyskopeo.model import mediatype
from pyskopeo.streams.inflaters import load_zstd
from tests.interop.conversions import unsigned
from tests.support.cli import Done
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
)
from tests.support.outputs import blob_path
from tests.support.peers import Registry
from tests.support.specs import Flavor
from tests.support.trees import tree

Json = dict[str, Any]
Fetch = Callable[[str], bytes | None]
"""A blob or a manifest by its digest; None where it is not there."""

_ARM = PlatformSpec("arm64", variant="v8")
CIPHERTEXT = hashlib.shake_256(b"secret").digest(1000)
CHUNKED = "io.github.containers.zstd-chunked.manifest-"


def rewritten(image: BuiltImage, change: Callable[[Json], None], **blobs: bytes) -> BuiltImage:
    """``image`` with another root manifest, and with more blobs."""
    root = image.root.json
    change(root)
    raw = json.dumps(root).encode()
    new = BuiltManifest(digest_of(raw), image.root.media_type, raw)
    others = {digest: manifest for digest, manifest in image.manifests.items() if digest != image.digest}
    more = {digest_of(content): content for content in blobs.values()}
    return BuiltImage(new, {**others, new.digest: new}, {**image.blobs, **more}, image.tars)


def mixed(flavor: Flavor) -> ImageSpec:
    """Layers of every compression that the flavor has a name for, and steps without one."""
    layers = [LayerSpec("a", base=True), LayerSpec("b", compression="none")]
    if flavor == "oci":
        layers.append(LayerSpec("c", compression="zstd"))
    return ImageSpec(flavor, layers=tuple(layers), empty_history=1, annotations={"t": "<x>"} if flavor == "oci" else {})


def foreign(flavor: Flavor) -> BuiltImage:
    """With a layer that is elsewhere, too."""
    kind = mediatype.OCI_NONDISTRIBUTABLE + "+gzip" if flavor == "oci" else mediatype.DOCKER_FOREIGN_GZIP

    def change(root: Json) -> None:
        root["layers"][0] |= {"mediaType": kind, "urls": ["https://127.0.0.1:1/?a&b"]}

    return rewritten(build(ImageSpec(flavor, layers=(LayerSpec("a"), LayerSpec("b", compression="none")))), change)


def annotated(flavor: Flavor) -> BuiltImage:
    """With fields that nobody knows, and annotations of layers."""

    def change(root: Json) -> None:
        root["unknown"] = {"a": "<"}
        root["config"]["unknown"] = 1
        root["layers"][0] |= {"unknown": [1], "annotations": {"n": "<&>"}}
        root["layers"][1] |= {"annotations": {"n": "2"}}

    return rewritten(build(mixed(flavor)), change)


def typed(media_type: str, content: bytes | None = None) -> BuiltImage:
    """With a last layer of another type, and of other bytes."""

    def change(root: Json) -> None:
        root["layers"][-1] |= {"mediaType": media_type, "annotations": {"org.opencontainers.image.enc.keys.jwe": "x"}}
        if content is not None:
            root["layers"][-1] |= {"digest": digest_of(content), "size": len(content)}

    return rewritten(build("oci"), change, **({} if content is None else {"layer": content}))


def chunked() -> BuiltImage:
    def change(root: Json) -> None:
        notes = {f"{CHUNKED}checksum": f"sha256:{'1' * 64}", f"{CHUNKED}position": "1:2:3:1", "kept": "me"}
        root["layers"][0]["annotations"] = notes

    return rewritten(build("oci-zstd"), change)


def platforms(flavor: Flavor, other: Flavor) -> IndexSpec:
    """An index of its own flavor, and an image of another."""
    plain = (LayerSpec("a", base=True), LayerSpec("b", compression="none"))
    return IndexSpec((ImageSpec(flavor, layers=plain), ImageSpec(other, platform=_ARM)), flavor)


IMAGES: Mapping[str, Callable[[], BuiltImage]] = {
    "docker": lambda: build(mixed("docker")),
    "docker-gzip": lambda: build("docker-repeated"),
    "docker-foreign": lambda: foreign("docker"),
    "docker-unknown": lambda: annotated("docker"),
    "docker-list": lambda: build(platforms("docker", "docker")),
    "oci": lambda: build(mixed("oci")),
    "oci-gzip": lambda: build("oci"),
    "oci-plain": lambda: build("oci-uncompressed"),
    "oci-zstd": lambda: build("oci-zstd"),
    "oci-chunked": chunked,
    "oci-foreign": lambda: foreign("oci"),
    "oci-unknown": lambda: annotated("oci"),
    "oci-encrypted": lambda: typed(f"{mediatype.OCI_LAYER_GZIP}+encrypted", CIPHERTEXT),
    "oci-odd": lambda: typed("application/x"),
    "oci-no-layers": lambda: build("oci-no-layers"),
    "oci-index": lambda: build(platforms("oci", "docker")),
    "oci-attested": lambda: build(IndexSpec((ImageSpec(),), attestations=True)),
    "artifact": lambda: build(ArtifactSpec()),
}


# --- what is written ---


@dataclass(frozen=True, slots=True)
class Written:
    """How a copy ended: what it said when it failed, else its manifests, by their place in the index.

    Digests of layers that were compressed anew are told as what is inside; their sizes are left out.
    """

    code: int
    message: str = ""
    manifests: tuple[tuple[str, str], ...] = ()

    def without(self, *fields: str) -> Written:
        """As if nothing of ``fields`` stood in what a manifest names; "unknown" is looked for beside them, too."""

        def pruned(document: Json) -> Json:
            entries = [*document.get("layers", ()), *document.get("manifests", ()), document.get("config", {})]
            for part in (*entries, document):
                for name in fields if part is not document else ("unknown",):
                    if name in fields:
                        part.pop(name, None)
            return document

        texts = ((place, json.dumps(pruned(json.loads(text)), sort_keys=True)) for place, text in self.manifests)
        return Written(self.code, self.message, tuple(texts))


def failed(done: Done) -> Written:
    """The last words of a copy, as one line without quotes."""
    said = done.lines[-1].partition("msg=")[2] or done.stderr
    return Written(done.code, re.sub(r"[\"'\\]", "", said))


def read_dir(image: BuiltImage, folder: Path) -> Written:
    files = tree(folder)

    def fetch(digest: str) -> bytes | None:
        return files.get(f"{digest[7:]}.manifest.json", files.get(digest[7:]))

    return written(image, files["manifest.json"], fetch)


def read_layout(image: BuiltImage, folder: Path) -> Written:
    (entry,) = json.loads((folder / "index.json").read_bytes())["manifests"]

    def fetch(digest: str) -> bytes | None:
        path = blob_path(folder, digest)
        return path.read_bytes() if path.exists() else None

    root = fetch(entry["digest"])
    assert root is not None
    assert (entry["size"], entry["mediaType"]) == (len(root), json.loads(root).get("mediaType", entry["mediaType"]))
    return written(image, root, fetch)


def read_registry(image: BuiltImage, registry: Registry, repository: str) -> Written:
    accept = ", ".join(mediatype.ACCEPT)

    def get(path: str) -> bytes | None:
        with closing(HTTPConnection("127.0.0.1", registry.port, timeout=10)) as connection:
            connection.request("GET", f"/v2/{repository}/{path}", headers={"Accept": accept})
            answer = connection.getresponse()
            content = answer.read()
            return content if answer.status == 200 else None

    root = get("manifests/v1")
    assert root is not None
    return written(image, root, lambda digest: get(f"blobs/{digest}") or get(f"manifests/{digest}"))


def read_archive(image: BuiltImage, path: Path) -> Written:
    """All of its bytes at once; its layers must be what the configuration says."""
    with tarfile.open(path) as tar:
        members = {member.name: tar.extractfile(member) for member in tar if member.isreg()}
        contents = {name: member.read() for name, member in members.items() if member is not None}
    (item,) = json.loads(contents["manifest.json"])
    found = [inflated(contents[name])[1] for name in item["Layers"]]
    config = json.loads(contents[item["Config"]])
    assert [digest_of(content) for content in found] == (config["rootfs"]["diff_ids"] or [])
    return Written(0, manifests=(("archive", json.dumps({"archive": digest_of(path.read_bytes())})),))


def inflated(content: bytes) -> tuple[str, bytes]:
    """What a layer is compressed with, and the tar inside."""
    if content.startswith(b"\x1f\x8b"):
        return "gzip", gzip.decompress(content)
    if content.startswith(b"\x28\xb5\x2f\xfd"):
        return "zstd", bytes(load_zstd().decompress(content))
    return "", content


def written(image: BuiltImage, root: bytes, fetch: Fetch) -> Written:
    return Written(0, manifests=tuple(_normal("root", image, root, fetch)))


def _normal(place: str, image: BuiltImage, raw: bytes, fetch: Fetch) -> Iterator[tuple[str, str]]:
    document, text = json.loads(raw), unsigned(raw).decode()
    children: list[tuple[str, str]] = []
    changed = False
    for number, entry in enumerate(document.get("manifests", ())):
        child = fetch(entry["digest"])
        if child is None:  # as with --multi-arch index-only; should only ours lack it, the other has its manifest
            continue
        # The digest of a signed manifest is that of what is signed.
        assert b'"signatures"' in child or (len(child), digest_of(child)) == (entry["size"], entry["digest"])
        children += _normal(f"{place}/{number}", image, child, fetch)
        if entry["digest"] not in image.manifests:
            changed, text = True, text.replace(entry["digest"], f"child {number}")
    if (config := document.get("config")) is not None:
        content = fetch(config["digest"])
        assert content is not None
        assert (len(content), digest_of(content)) == (config["size"], config["digest"])
    for described, inside in _remade(image, document, fetch):
        changed, text = True, text.replace(described, inside)
    if changed:
        text = re.sub(r'"size":\s*\d+', '"size":0', text)
        # Identifiers in schema 1 are digests of layers among other things.
        for entry in document.get("history", ()):
            text = text.replace(json.loads(entry["v1Compatibility"])["id"], "id")
        if document.get("mediaType") in {manifest.media_type for manifest in image.manifests.values()}:
            # skopeo writes all of it anew, in its order; ours is the source's, but for what had to change.
            text = json.dumps(json.loads(text), sort_keys=True)
    yield from chain([(place, text)], children)


def _remade(image: BuiltImage, document: Json, fetch: Fetch) -> Iterator[tuple[str, str]]:
    """The layers whose bytes are new, with what they hold, and those that are not there; all must be what they are said to be."""
    tars = {digest_of(tar) for tar in image.tars.values()}
    for layer in document.get("layers", [{"digest": entry["blobSum"]} for entry in document.get("fsLayers", ())]):
        digest = layer["digest"]
        content = fetch(digest)
        if content is None:
            yield digest, f"{'left' if layer.get('urls') else 'lost'} {digest}"
            continue
        assert (len(content), digest_of(content)) == (layer.get("size", len(content)), digest)
        compression, tar = inflated(content)
        if digest not in image.blobs and digest_of(tar) in tars:
            assert CHUNKED not in json.dumps(layer)
            assert "mediaType" not in layer or mediatype.compression(layer["mediaType"]) == compression
            yield digest, f"{compression} {digest_of(tar)}"
