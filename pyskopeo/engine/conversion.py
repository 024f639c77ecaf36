"""Manifests for a destination: which type each gets, which layers change, children before parents. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import CannotPreserve, Unsupported
from ..model import mediatype
from ..model.change import Change
from .plan import Basis, Form, stays_away

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..interfaces import Accepts
    from ..model.change import Outcome
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest

_IMAGE_TYPES = {"oci": mediatype.OCI_MANIFEST, "v2s2": mediatype.DOCKER_MANIFEST, "v2s1": mediatype.SCHEMA1}
_INDEX_TYPES = {"oci": mediatype.OCI_INDEX, "v2s2": mediatype.DOCKER_LIST}


def image_type(media_type: str, accepts: Accepts, form: Form) -> str:
    """What an image manifest of ``media_type`` is to be written as; raises `Unsupported`."""
    wanted = _wanted(accepts, form)
    if wanted is None:
        return media_type
    if not wanted:
        candidates = [media_type, mediatype.DOCKER_MANIFEST, mediatype.OCI_MANIFEST]
    elif wanted == "v2s1" and media_type == mediatype.SCHEMA1_SIGNED:
        candidates = [media_type]
    else:
        candidates = [_IMAGE_TYPES[wanted]]
    return _first(candidates, accepts, form, _IMAGE_TYPES)


def index_type(media_type: str, accepts: Accepts, form: Form) -> str:
    """What a list of images of ``media_type`` is to be written as; raises `Unsupported`."""
    wanted = _wanted(accepts, form)
    if wanted is None:
        return media_type
    if wanted == "v2s1":
        raise Unsupported("schema 1 has no lists of images: copy one platform, or choose --format v2s2 or oci")
    candidates = [_INDEX_TYPES[wanted]] if wanted else [media_type, mediatype.OCI_INDEX, mediatype.DOCKER_LIST]
    return _first(candidates, accepts, form, _INDEX_TYPES)


def _wanted(accepts: Accepts, form: Form) -> str | None:
    """The format that is asked for, "" for none, None where nothing may change."""
    if form.format:
        return form.format
    if form.preserve_digests:
        return None
    # Only OCI has names for layers compressed with zstd; in archives they are plain anyway.
    compresses = accepts.compresses or (form.compress and not accepts.ordered)
    return "oci" if form.compression == "zstd" and compresses else ""


def _first(candidates: list[str], accepts: Accepts, form: Form, types: Mapping[str, str]) -> str:
    held = _held(accepts, form)
    found = next((candidate for candidate in candidates if candidate in held), None)
    if found is None:
        kinds = " or ".join(dict.fromkeys(candidates))
        raise Unsupported(f"{accepts.called} takes nothing of type {kinds}{_instead(accepts, form, types)}")
    return found


def _held(accepts: Accepts, form: Form) -> frozenset[str]:
    return accepts.media_types | accepts.on_request if form.format else accepts.media_types


def _instead(accepts: Accepts, form: Form, types: Mapping[str, str]) -> str:
    """What to do where ``form`` wants one of ``types`` that a destination does not take."""
    if not form.format:
        return ": leave out --dest-compress-format zstd" if _wanted(accepts, form) else ""
    taken = " or ".join(format for format, media_type in types.items() if media_type in _held(accepts, form))
    return f": leave out --format {form.format}" + (f", or choose {taken}" if taken else "")


class Rewriting:
    """Goes through a graph, converting what the destination does not take or the form does not want."""

    def __init__(self, basis: Basis) -> None:
        self.basis = basis
        self._graph, self._accepts, self._form = basis.graph, basis.accepts, basis.form
        self.done: dict[Digest, Manifest] = {}
        self.sources: list[Manifest] = []
        self.contents: dict[Digest, tuple[Descriptor, bytes]] = {}
        self.changes: dict[Digest, tuple[Descriptor, Change]] = {}
        self.blobs: list[Descriptor] = []

    def manifest(self, manifest: Manifest) -> Manifest:
        """The manifest to be written in the place of ``manifest``."""
        if manifest.digest not in self.done:
            self.sources.append(manifest)
            self.done[manifest.digest] = self._index(manifest) if manifest.is_index else self._image(manifest)
        return self.done[manifest.digest]

    def _image(self, manifest: Manifest) -> Manifest:
        if not manifest.is_image and not manifest.is_schema1:
            self.blobs += manifest.blobs
            return manifest
        self._check_layers(manifest)
        target = image_type(manifest.media_type, self._accepts, self._form)
        self._check(manifest, target)
        if manifest.is_schema1:
            return self._schema1(manifest, target)
        layers, outcomes = self._actual(manifest), self.basis.outcomes
        changes = {
            layer.digest: (layer, change) for layer, said in zip(layers, manifest.layers, strict=True)
            if (change := self._change(layer, said.media_type)) is not None
        }  # fmt: skip
        if self._pending(manifest.layers, changes):
            return manifest
        changed = {
            digest: self._became(layer).descriptor
            for digest, (layer, _) in changes.items() if outcomes[digest].descriptor.digest != digest
        }  # fmt: skip
        if target == manifest.media_type:
            assert manifest.config is not None
            self.blobs.append(manifest.config)
            return _replace_layers(manifest, changed)
        return self._convert(_replace_layers(replace(manifest, layers=layers), changed), target)

    def _pending(self, layers: Iterable[Descriptor], changes: Mapping[Digest, tuple[Descriptor, Change]]) -> bool:
        """Whether some of a manifest's layers have still to become others.

        What they will be decides what the manifest can be: it is written when they are. Those that stay
        as they are move; others may stay in one manifest, an artifact say, and change in the next.
        """
        outcomes = self.basis.outcomes
        pending = {digest: change for digest, change in changes.items() if digest not in outcomes}
        self.changes |= pending
        remade = {
            digest for digest, (_, change) in changes.items() if change.format is not None
            and (digest in pending or outcomes[digest].descriptor.digest != digest)
        }  # fmt: skip
        self.blobs += [layer for layer in layers if layer.digest not in remade]
        return bool(pending)

    def _became(self, layer: Descriptor) -> Outcome:
        """What a layer was made, with the type that goes with its own: other manifests may have others for it."""
        outcome = self.basis.outcomes[layer.digest]
        return replace(outcome, descriptor=_typed_like(outcome.descriptor, layer))

    def _actual(self, manifest: Manifest) -> tuple[Descriptor, ...]:
        """The layers compressed as they really are, should the manifest err."""
        actual = self._graph.actual
        if not actual:
            return manifest.layers
        found = (replace(layer, media_type=actual.get(layer.digest, layer.media_type)) for layer in manifest.layers)
        return tuple(_typed_like(*pair) for pair in zip(found, manifest.layers, strict=True))

    def _change(self, layer: Descriptor, said: str) -> Change | None:
        """What is to be done to a layer; nothing to what we do not know: encrypted ones, other types.

        A plain layer that its manifest calls plain keeps its digest, unless compression is asked
        for; the formats of archives decompress layers, which their manifests do not admit, and an image
        made by its source has no digest that anybody knows. What goes into an archive is decompressed there.
        """
        form, accepts = self._form, self._accepts
        now = mediatype.compression(layer.media_type)
        if now is None or accepts.ordered or form.preserve_digests or accepts.unchangeable:
            return None
        if accepts.foreign and stays_away(layer):
            return None
        if form.decompress:
            return Change("") if now else None
        if not (accepts.compresses or form.compress):
            return None
        if not now:
            wanted = form.compression or form.compress or mediatype.compression(said) or self._graph.made
            return Change(form.compression or "gzip", form.level) if wanted and not form.keep_plain else None
        return Change(form.compression, form.level) if form.compression not in ("", now) else None

    def _convert(self, manifest: Manifest, target: str) -> Manifest:
        """Between OCI and Docker, and to schema 1."""
        # Loaded only where something has to change: most copies convert nothing.
        from ..model import schema1
        from ..model.manifest_conversion import image_to_docker, image_to_oci

        assert manifest.config is not None
        if target == mediatype.OCI_MANIFEST:
            new, descriptor, content = image_to_oci(manifest, self._graph.configs[manifest.config.digest])
            self.contents[descriptor.digest] = (descriptor, content)
            return new
        docker = manifest if manifest.media_type == mediatype.DOCKER_MANIFEST else image_to_docker(manifest)
        assert docker.config is not None
        if target == mediatype.DOCKER_MANIFEST:
            self.blobs.append(docker.config)
            return docker
        new, contents = schema1.from_docker(docker, self._graph.configs[docker.config.digest], *self._accepts.named)
        self.contents |= {descriptor.digest: (descriptor, content) for descriptor, content in contents}
        return new

    def _schema1(self, manifest: Manifest, target: str) -> Manifest:
        """Only when every layer has been read is it known what a new configuration says."""
        from ..model import schema1

        if target == manifest.media_type:
            self.blobs += manifest.layers
            return manifest
        # The manifest's own layers say how large they are, where that is known.
        sized = {layer.digest: layer for layer in manifest.layers}
        filled = [sized[layer.digest] for layer in schema1.non_empty_layers(manifest)]
        changes = {
            layer.digest: (layer, self._change(layer, layer.media_type) or Change(None)) for layer in filled
        }  # fmt: skip
        if self._pending(filled, changes):
            return manifest
        convert = schema1.to_oci if target == mediatype.OCI_MANIFEST else schema1.to_docker
        new, descriptor, content = convert(manifest, [self._became(layer) for layer in filled])
        self.contents[descriptor.digest] = (descriptor, content)
        return new

    def _index(self, index: Manifest) -> Manifest:
        target = index_type(index.media_type, self._accepts, self._form)
        self._check(index, target)
        changed: dict[Digest, Descriptor] = {}
        for entry in index.manifests:
            child = self._graph.children.get(entry.digest)
            if child is not None:
                new = self.manifest(child)
                if new.digest != child.digest:
                    changed[entry.digest] = new.descriptor
        from ..model.manifest_conversion import index_to_docker, index_to_oci, replace_children

        kept = self._graph.kept if index.digest == self._graph.root.digest else None
        if kept is not None:
            index = replace_children(index, {}, kept)
        if target == index.media_type:
            return replace_children(index, changed, None) if changed else index
        write = index_to_oci if target == mediatype.OCI_INDEX else index_to_docker
        return write(index, changed)

    def _check_layers(self, manifest: Manifest) -> None:
        """Raises `Unsupported` for layers that a destination would have to decompress, and nobody can."""
        if not self._accepts.ordered:
            return
        for layer in manifest.layers:
            if mediatype.is_encrypted(layer.media_type):
                kind = ascii(layer.media_type)[:100]
                raise Unsupported(
                    f"{self._accepts.called} holds layers decompressed, and this image has encrypted layers ({kind}): "
                    "copy it to a registry, oci: or dir:, which keep them as they are"
                )

    def _check(self, manifest: Manifest, target: str) -> None:
        """Raises `CannotPreserve` for a manifest that is to have another type, and must not change.

        Its layers do not change then either, nor does what an index names.
        """
        reason = "Instructed to preserve digests" if self._form.preserve_digests else self._accepts.unchangeable
        if reason and target != manifest.media_type:
            kind = "Manifest list" if manifest.is_index else "Manifest"
            raise CannotPreserve(
                f'{kind} must be converted to type "{target}" to be written to destination, '
                f'but we cannot modify it: "{reason}"'
            )


def _typed_like(descriptor: Descriptor, other: Descriptor) -> Descriptor:
    """With a type of the same family as another's, for the compression it has itself."""
    compression = mediatype.compression(descriptor.media_type)
    if compression is None:
        return descriptor
    return replace(descriptor, media_type=mediatype.with_compression(other.media_type, compression) or other.media_type)


def _replace_layers(manifest: Manifest, changed: dict[Digest, Descriptor]) -> Manifest:
    if not changed:
        return manifest
    from ..model.manifest_conversion import replace_layers

    return replace_layers(manifest, changed)
