"""Convert manifests to the types and layer compressions that a destination accepts; no I/O.

The types are those of the OCI image specification ("Image Manifest", "Image Index"), of Docker's image manifest
version 2 schema 2, and of schema 1. Children are converted before the indexes that name them, because an index
contains their new digests.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ..errors import CannotPreserve, Unsupported, prefix_errors
from ..fast_dataclass import replace
from ..model import mediatype
from ..model.change import Change
from .layer_changes import is_compression_chosen, layer_change, layers_to_encrypt, typed_like
from .plan import PlanInputs, unchangeable_text, why_unchangeable
from .target_types import IMAGE_TYPES, image_type, index_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..model.change import Outcome
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest


class ManifestConversion:
    """Converts the manifests of a graph where the destination does not accept them, or the form requires it.

    Raises what `layers_to_encrypt` raises.

    Results accumulate with each call of `convert`. ``converted`` are the manifests to write, by their digests at the
    source. ``blobs`` are to be copied unchanged, and may repeat. ``changes`` are the layers to change or to read
    before their manifests can be converted, by digest; until then `convert` returns such a manifest unchanged.
    ``contents`` are the blobs generated here, by digest. ``images`` is the number of manifests that are no indexes.
    """

    def __init__(self, inputs: PlanInputs) -> None:
        self.inputs = inputs
        self._graph, self._accepts, self._form = inputs.graph, inputs.accepts, inputs.form
        self.converted: dict[Digest, Manifest] = {}
        self.contents: dict[Digest, tuple[Descriptor, bytes]] = {}
        self.changes: dict[Digest, tuple[Descriptor, Change]] = {}
        self.blobs: list[Descriptor] = []
        self.images = 0
        self._pending: set[Digest] = set()  # manifests that will change, in a way that is not known yet
        self._to_encrypt = layers_to_encrypt(inputs.graph, inputs.form)

    def convert(self, manifest: Manifest) -> Manifest:
        """Return the manifest to write in the place of ``manifest``, after those of its children.

        Raises `Unsupported` where the destination cannot store it, and `CannotPreserve` where it must not change.
        """
        if manifest.digest not in self.converted:
            self.images += not manifest.is_index
            new = self._convert_index(manifest) if manifest.is_index else self._convert_image(manifest)
            self.converted[manifest.digest] = new
        return self.converted[manifest.digest]

    def _convert_image(self, manifest: Manifest) -> Manifest:
        if not manifest.is_image and not manifest.is_schema1:
            self._refuse_conversion_of_artifact(manifest)
            self.blobs += manifest.blobs
            return manifest
        self._refuse_encrypted_layers(manifest)
        target = image_type(manifest.media_type, self._accepts, self._form)
        self._check_type_may_change(manifest, target)
        if manifest.is_schema1:
            return self._convert_schema1(manifest, target)
        if self._accepts.ordered and target == mediatype.DOCKER_MANIFEST:
            target = manifest.media_type  # it writes a manifest of its own, of layers that it has decompressed
        layers, outcomes = self._actual_layers(manifest, target), self.inputs.outcomes
        changes = {
            layer.digest: (layer, change) for layer, stated in zip(layers, manifest.layers, strict=True)
            if (change := self._layer_change(manifest, layer, stated.media_type)) is not None
        }  # fmt: skip
        if self._add_layers(manifest.layers, changes):
            self._pending.add(manifest.digest)
            return manifest
        changed = {
            digest: self._outcome(layer).descriptor
            for digest, (layer, _) in changes.items() if outcomes[digest].descriptor.digest != digest
        }  # fmt: skip
        if target == manifest.media_type:
            assert manifest.config is not None
            self.blobs.append(manifest.config)
            return _replace_layers(manifest, changed)
        encrypted = {digest: new for digest, new in changed.items() if mediatype.is_encrypted(new.media_type)}
        others = {digest: new for digest, new in changed.items() if digest not in encrypted}
        # No Docker manifest names encrypted layers, so they are replaced in the one that was converted from it.
        new = self._change_type(_replace_layers(replace(manifest, layers=layers), others), target)
        return _replace_layers(new, encrypted)

    def _add_layers(self, layers: Iterable[Descriptor], changes: Mapping[Digest, tuple[Descriptor, Change]]) -> bool:
        """Add the layers of one manifest to ``blobs`` and ``changes``; return whether any change is still to be made.

        The manifest can be converted only when the outcomes of all its changes are known. A layer can be copied
        unchanged for one manifest, such as an artifact's, and be changed for another.
        """
        outcomes = self.inputs.outcomes
        pending = {digest: change for digest, change in changes.items() if digest not in outcomes}
        self.changes |= pending
        replaced = {
            digest for digest, (_, change) in changes.items() if change.rewrites
            and (digest in pending or outcomes[digest].descriptor.digest != digest)
        }  # fmt: skip
        self.blobs += [layer for layer in layers if layer.digest not in replaced]
        return bool(pending)

    def _layer_change(self, manifest: Manifest, layer: Descriptor, stated_type: str) -> Change | None:
        reason = why_unchangeable(manifest, self._graph, self._accepts, self._form)
        decide = partial(
            layer_change, layer, stated_type, form=self._form, synthesized=self._graph.synthesized,
            encrypt=layer.digest in self._to_encrypt,
        )  # fmt: skip
        change = decide(accepts=replace(self._accepts, unchangeable=reason))
        is_signed = bool(self._graph.signatures.get(manifest.digest))
        # Where nobody has asked for another compression, the layers of a signed image stay as they are.
        if (
            change is None and is_signed and is_compression_chosen(self._form)
            and decide(accepts=replace(self._accepts, unchangeable="")) is not None
        ):  # fmt: skip
            raise CannotPreserve(
                f"Manifest must be changed for layer {layer.digest} in another compression, "
                f"{unchangeable_text(manifest, reason)}"
            )
        return change

    def _outcome(self, layer: Descriptor) -> Outcome:
        """Return what a layer was changed to, with a media type of the family that this manifest uses.

        Another manifest may name the same layer with a type of the other family (OCI, Docker).
        """
        outcome = self.inputs.outcomes[layer.digest]
        plain = replace(layer, media_type=mediatype.decrypted(layer.media_type))
        return replace(outcome, descriptor=typed_like(outcome.descriptor, plain))

    def _actual_layers(self, manifest: Manifest, target: str) -> tuple[Descriptor, ...]:
        """Return the layers with media types for their actual compression, even where the manifest states another.

        If the manifest is converted to OCI they are OCI's, since Docker has no type for foreign layers with zstd.
        """
        actual, layers = self._graph.actual_types, manifest.layers
        if actual:
            found = (replace(layer, media_type=actual.get(layer.digest, layer.media_type)) for layer in layers)
            layers = tuple(typed_like(*pair) for pair in zip(found, layers, strict=True))
        if target != mediatype.OCI_MANIFEST or target == manifest.media_type:
            return layers
        return tuple(
            replace(layer, media_type=mediatype.layer_to_oci(layer.media_type) or layer.media_type) for layer in layers
        )

    def _change_type(self, manifest: Manifest, target: str) -> Manifest:
        """Convert an image manifest between OCI and Docker, or to schema 1."""
        # Loaded only where something has to change: most copies convert nothing.
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
        from ..model import schema1

        new, contents = schema1.from_docker(docker, self._graph.configs[docker.config.digest], *self._accepts.named)
        self.contents |= {descriptor.digest: (descriptor, content) for descriptor, content in contents}
        return new

    def _convert_schema1(self, manifest: Manifest, target: str) -> Manifest:
        """Convert a schema 1 manifest; every layer is read first, since the new configuration needs its diff ID."""
        from ..model import schema1

        if target == manifest.media_type:
            self.blobs += manifest.layers
            return manifest
        # The manifest's own layers have sizes, where the source could tell them.
        sized = {layer.digest: layer for layer in manifest.layers}
        filled = [sized[layer.digest] for layer in schema1.non_empty_layers(manifest)]
        changes = {
            layer.digest: (layer, self._layer_change(manifest, layer, layer.media_type) or Change(None))
            for layer in filled
        }  # fmt: skip
        if self._add_layers(filled, changes):
            self._pending.add(manifest.digest)
            return manifest
        convert = schema1.to_oci if target == mediatype.OCI_MANIFEST else schema1.to_docker
        new, descriptor, content = convert(manifest, [self._outcome(layer) for layer in filled])
        self.contents[descriptor.digest] = (descriptor, content)
        return new

    def _convert_index(self, index: Manifest) -> Manifest:
        target = index_type(index.media_type, self._accepts, self._form)
        self._check_type_may_change(index, target)
        changed: dict[Digest, Descriptor] = {}
        for entry in index.manifests:
            child = self._graph.children.get(entry.digest)
            if child is not None:
                kind = ascii(entry.media_type)[:100]
                with prefix_errors(f"entry {entry.digest} of the index, of type {kind}", unless=CannotPreserve):
                    new = self.convert(child)
                if new.digest != child.digest:
                    changed[entry.digest] = new.descriptor
            elif entry.digest in self._graph.entry_blobs:
                self.blobs.append(self._graph.entry_blobs[entry.digest])
        from ..model.manifest_conversion import index_to_docker, index_to_oci, replace_children

        kept = self._graph.kept if index.digest == self._graph.root.digest else None
        if any(entry.digest in self._pending for entry in index.manifests):
            self._pending.add(index.digest)
        if kept is not None or changed or index.digest in self._pending:
            self._check_may_be_edited(index)
        if kept is not None:
            index = replace_children(index, {}, kept)
        if target == index.media_type:
            return replace_children(index, changed, None) if changed else index
        self._refuse_blobs_in_list(index, target)
        write = index_to_oci if target == mediatype.OCI_INDEX else index_to_docker
        return write(index, changed)

    def _refuse_encrypted_layers(self, manifest: Manifest) -> None:
        """Raise `Unsupported` for encrypted layers where the destination stores layers uncompressed."""
        if not self._accepts.ordered:
            return
        if self._form.encryption is not None:
            raise Unsupported(
                f"{self._accepts.called} holds layers decompressed, so it cannot hold encrypted ones: copy to a "
                "registry, oci: or dir: to encrypt"
            )
        for layer in manifest.layers:
            if mediatype.is_encrypted(layer.media_type):
                kind = ascii(layer.media_type)[:100]
                advice = "copy it to a registry, oci: or dir:, which keep them as they are"
                if self._form.decryption is not None:
                    advice = "decrypt it into a registry, oci: or dir: first"
                raise Unsupported(
                    f"{self._accepts.called} holds layers decompressed, and this image has encrypted layers ({kind}): "
                    f"{advice}"
                )

    def _refuse_conversion_of_artifact(self, manifest: Manifest) -> None:
        """Raise `Unsupported` if another format is asked for: what is no image has no equivalent in it.

        Raises `CannotPreserve` where the manifest must not change anyway.
        """
        wanted = IMAGE_TYPES.get(self._form.format, manifest.media_type)
        self._check_type_may_change(manifest, wanted)
        if wanted != manifest.media_type:
            kind = ascii(manifest.artifact_type)[1:-1][:100]
            raise Unsupported(
                f'unsupported image-specific operation on artifact with type "{kind}": it cannot be converted to '
                f"{wanted}: leave out --format {self._form.format}"
            )

    def _refuse_blobs_in_list(self, index: Manifest, target: str) -> None:
        """Raise `Unsupported` for an entry that is a blob, as in a build cache, which only an OCI index may have."""
        for entry in index.manifests:
            if target == mediatype.DOCKER_LIST and (entry.is_blob or entry.digest in self._graph.entry_blobs):
                raise Unsupported(
                    f"entry {entry.digest} of the index is no image but of type {ascii(entry.media_type)[:100]}: a "
                    f"Docker manifest list cannot name it{': leave out --format v2s2' if self._form.format else ''}"
                )

    def _check_type_may_change(self, manifest: Manifest, target: str) -> None:
        """Raise `CannotPreserve` where ``target`` is another type than the manifest's and it must not change.

        Its layers do not change then either, see `_layer_change`, nor do the entries of an index.
        """
        reason = why_unchangeable(manifest, self._graph, self._accepts, self._form)
        if reason and target != manifest.media_type:
            kind = "Manifest list" if manifest.is_index else "Manifest"
            raise CannotPreserve(
                f'{kind} must be converted to type "{target}" to be written to destination, '
                f"{unchangeable_text(manifest, reason)}"
            )


    def _check_may_be_edited(self, index: Manifest) -> None:
        """Raise `CannotPreserve` for an index whose entries change if it must not; other reasons are found before."""
        if self._graph.signatures.get(index.digest):
            reason = why_unchangeable(index, self._graph, self._accepts, self._form)
            raise CannotPreserve(f"Manifest list was edited, {unchangeable_text(index, reason)}")


def _replace_layers(manifest: Manifest, changed: dict[Digest, Descriptor]) -> Manifest:
    if not changed:
        return manifest
    from ..model.manifest_conversion import replace_layers

    return replace_layers(manifest, changed)
