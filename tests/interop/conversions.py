"""One conversion by skopeo and by our functions, compared; and images to do it with."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pyskopeo.errors import PyskopeoError
from pyskopeo.model import mediatype
from pyskopeo.model.change import Outcome
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.manifest import Manifest
from pyskopeo.model.manifest_conversion import image_to_docker, image_to_oci, index_to_docker, index_to_oci
from pyskopeo.model.platform import Platform
from pyskopeo.model.schema1 import from_docker, non_empty_layers, to_docker, to_oci
from tests.support.cli import succeed
from tests.support.commands import skopeo
from tests.support.images import BuiltImage, digest_of
from tests.support.outputs import write_dir
from tests.support.peers import Registry
from tests.support.trees import tree

FORMATS = ("oci", "v2s2", "v2s1")
WANTED = {"oci": mediatype.OCI_MANIFEST, "v2s2": mediatype.DOCKER_MANIFEST, "v2s1": mediatype.SCHEMA1}
HERE = Platform("linux", Platform.host().architecture)


@dataclass
class Ours:
    """What our functions make of a root manifest: by the names that files in a ``dir:`` have."""

    files: Mapping[str, bytes]
    format: str

    def __post_init__(self) -> None:
        self.written: dict[str, bytes] = {}

    def root(self, raw: bytes) -> Manifest:
        manifest = Manifest.parse(raw)
        return self.index(manifest) if manifest.is_index else self.image(manifest)

    def index(self, index: Manifest) -> Manifest:
        children = {}
        for entry in index.manifests:
            child = Manifest.parse(self.files[f"{entry.digest.hex}.manifest.json"], content_type=entry.media_type)
            new = self.image(child)
            children[entry.digest] = new.descriptor
            self.written[f"{new.digest.hex}.manifest.json"] = new.raw
        if self.format == "oci":
            return index if index.media_type == mediatype.OCI_INDEX else index_to_oci(index, children)
        return index if index.media_type == mediatype.DOCKER_LIST else index_to_docker(index, children, HERE)

    def image(self, manifest: Manifest) -> Manifest:
        if manifest.media_type == WANTED[self.format] or (manifest.is_schema1 and self.format == "v2s1"):
            return manifest
        if manifest.is_schema1:
            function = to_docker if self.format == "v2s2" else to_oci
            return self.with_config(*function(manifest, [self.outcome(layer) for layer in non_empty_layers(manifest)]))
        assert manifest.config is not None
        config = self.files[manifest.config.digest.hex]
        if self.format == "oci":
            return self.with_config(*image_to_oci(manifest, config))
        docker = image_to_docker(manifest) if manifest.media_type == mediatype.OCI_MANIFEST else manifest
        if self.format == "v2s2":
            return docker
        new, extra = from_docker(docker, config, "", "")
        for descriptor, content in extra:
            self.written[descriptor.digest.hex] = content
        return new

    def with_config(self, manifest: Manifest, descriptor: Descriptor, content: bytes) -> Manifest:
        self.written[descriptor.digest.hex] = content
        return manifest

    def outcome(self, layer: Descriptor) -> Outcome:
        data = self.files[layer.digest.hex]
        tar = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
        return Outcome(replace(layer, size=len(data)), Digest.of(tar))


def compare(source: Path, format: str, out: Path) -> None:
    """The manifest, its children and whatever is new; signatures aside, which are other ones each time."""
    done = skopeo("copy", "--all", "--format", format, f"dir:{source}", f"dir:{out}")
    files = tree(source)
    ours = Ours(files, format)
    if done.code:
        with pytest.raises(PyskopeoError) as caught:
            ours.root(files["manifest.json"])
        assert meaning(str(caught.value)) == meaning(done.stderr)
        return
    root = ours.root(files["manifest.json"])
    theirs = tree(out)
    assert unsigned(root.raw) == unsigned(theirs["manifest.json"])
    for name, content in ours.written.items():
        assert theirs[name] == content
    told = succeed(skopeo("manifest-digest", out / "manifest.json")).stdout.decode().strip()
    assert str(Manifest.parse(theirs["manifest.json"]).digest) == told == str(root.digest)


def meaning(message: str) -> str:
    """What a refusal is about; skopeo 1.9.3 knows no type of encrypted layers, later ones say that they are."""
    topics = {
        "zstd compression": "zstd", "encrypted": "type", "support encryption": "type", "nknown media type": "type", "artifact": "artifact",
        "0 history entries": "history", "config.Cmd is not a list": "Cmd", "field ImageConfig.config.Cmd": "Cmd",
    }  # fmt: skip
    return next((topic for phrase, topic in topics.items() if phrase in message), message)


def unsigned(raw: bytes) -> bytes:
    """A compact schema 1 manifest without its signatures; any other as it is."""
    content, signed, _ = raw.partition(b',"signatures":[')
    return content + b"}" if signed else raw


def rewritten(image: BuiltImage, folder: Path, *, config: bytes, **more: Any) -> Path:
    """``image`` as a ``dir:`` with another configuration and other members in its manifest."""
    source = write_dir(image, folder)
    (source / digest_of(config)[7:]).write_bytes(config)
    root: Any = image.root.json
    root["config"] |= {"digest": digest_of(config), "size": len(config)}
    (source / "manifest.json").write_text(json.dumps(root | more))
    return source


class OldRegistry(Registry):
    """A registry that still takes schema 1."""

    def _config(self) -> dict[str, object]:
        return super()._config() | {"compatibility": {"schema1": {"enabled": True}}}
