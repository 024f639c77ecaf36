"""Signatures of sigstore as attachments: the layers of a manifest with the tag ``sha256-HEX.sig`` (cosign's format).

They are read and written only where ``use-sigstore-attachments`` is set (containers-registries.d(5)).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import InvalidContent, NotFound, PyskopeoError, RegistryError
from ..model import mediatype
from ..model.descriptor import Descriptor
from ..model.digest import Digest
from ..model.manifest import Manifest
from ..model.signature import SIGNATURE_LIMIT, Signature
from ..model.strict_json import CONFIG_LIMIT, parse_object
from ..streams.concurrency import each
from ..streams.memory_blob import in_memory
from ..streams.progress import uncounted
from ..streams.pump import Blob
from .blob_download import BlobDownload
from .tagged_update import TaggedUpdate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..access import Ranges
    from ..http.retry import Call
    from .blob_upload import BlobUploads
    from .mirrors import Endpoints
    from .repository_reader import Repository
    from .repository_writer import RepositoryWriter

_AT_ONCE = 8


def attachments_tag(digest: Digest) -> str:
    """Return the tag of the signatures of a manifest."""
    return f"{digest.algorithm}-{digest.hex}.sig"


async def read_attachments(endpoints: Endpoints, digest: Digest, ranges: Ranges) -> tuple[Signature, ...]:
    """Return the signatures that are attached to a manifest, none if there is no such tag.

    All layers are returned; what their media types mean is for those who verify them. Raises `NetworkError`,
    `InvalidContent` if the tag is not that of an OCI image, and `TooLarge` for a layer over `SIGNATURE_LIMIT` bytes,
    and as `Signature.check_total`.
    """
    manifest = await _read_manifest(endpoints, attachments_tag(digest))
    if manifest is None:
        return ()
    where = f"{endpoints.current.name}:{attachments_tag(digest)}"
    _check(manifest, where)
    found: dict[int, Signature] = {}

    async def read(numbered: tuple[int, Descriptor]) -> None:
        number, layer = numbered
        payload = await _blob(endpoints, layer, ranges).read(SIGNATURE_LIMIT)
        found[number] = Signature("sigstore", payload, layer.media_type, layer.annotations, f"{where} layer {number}")

    await each(enumerate(manifest.layers, 1), read, at_once=_AT_ONCE)
    return tuple(found[number] for number in sorted(found))


class AttachmentWriter:
    """Attaches signatures to manifests of one repository; ``endpoints`` is the repository itself, for reading."""

    def __init__(
        self, writer: RepositoryWriter, uploads: BlobUploads, endpoints: Endpoints, ranges: Ranges
    ) -> None:
        self._writer, self._uploads = writer, uploads
        self._endpoints, self._ranges = endpoints, ranges

    async def add(self, digest: Digest, signatures: Sequence[Signature]) -> None:
        """Add signatures of sigstore to those of a manifest, which stay; those that are there are not added again.

        Raises `NetworkError`, `InvalidContent` if the tag is that of something else, and `TooLarge` as
        `Signature.check_total`.
        """
        tag = attachments_tag(digest)
        where = f"{self._writer.reference.name}:{tag}"

        async def update(raw: bytes | None) -> Manifest | None:
            manifest = None if raw is None else Manifest.parse(raw)
            if manifest is not None:
                _check(manifest, where)
            there = () if manifest is None else manifest.layers
            new = [layer for layer in map(_layer, signatures) if not any(_is_same(layer, one) for one in there)]
            if not new:
                return None
            Signature.check_total(len(there) + len(new), sum(layer.size for layer in (*there, *new)), where)
            contents = {_layer(one).digest: one.content for one in signatures}
            await each(
                {layer.digest: layer for layer in new}.values(),
                lambda layer: self._upload(layer, contents[layer.digest]), at_once=_AT_ONCE,
            )  # fmt: skip
            return await self._extended(manifest, new)

        await TaggedUpdate(self._writer, tag, update, f"attaching signatures to {where}").run()

    async def merge(self, manifest: Manifest, tag: str) -> bool:
        """Have all layers of ``manifest`` under ``tag``, with those that others have there; return whether any is new.

        Its blobs are in the repository. If it has all layers that are there, it takes their place unchanged. Raises
        what `add` raises.
        """
        where = f"{self._writer.reference.name}:{tag}"
        changed = False

        async def update(raw: bytes | None) -> Manifest | None:
            nonlocal changed
            there = None if raw is None else Manifest.parse(raw)
            if there is not None:
                _check(there, where)
            known = () if there is None else there.layers
            new = [layer for layer in manifest.layers if not any(_is_same(layer, one) for one in known)]
            if there is not None and not new:
                return None
            changed = True
            others = [layer for layer in known if not any(_is_same(layer, one) for one in manifest.layers)]
            every = (*others, *manifest.layers)
            Signature.check_total(len(every), sum(layer.size for layer in every), where)
            return await self._extended(there, new) if others else manifest

        await TaggedUpdate(self._writer, tag, update, f"adding to {where}").run()
        return changed

    async def _extended(self, manifest: Manifest | None, new: Sequence[Descriptor]) -> Manifest:
        """Return the manifest with further layers, after its new configuration has been uploaded."""
        if manifest is None:
            document: dict[str, Any] = {"schemaVersion": 2, "mediaType": mediatype.OCI_MANIFEST, "layers": []}
            config: dict[str, Any] = {"architecture": "", "os": "", "config": {}}
        else:
            assert manifest.config is not None
            document = dict(manifest.document)
            raw = await _blob(self._endpoints, manifest.config, self._ranges).read(CONFIG_LIMIT)
            config = parse_object(raw, f"configuration {manifest.config.digest}", CONFIG_LIMIT)
        stated = config.get("rootfs")
        diff_ids = stated.get("diff_ids") if isinstance(stated, Mapping) else None
        known = diff_ids if isinstance(diff_ids, list) else []
        config["rootfs"] = {"type": "layers", "diff_ids": [*known, *(str(layer.digest) for layer in new)]}
        content = _encoded(config)
        described = Descriptor(mediatype.OCI_CONFIG, Digest.of(content), len(content))
        await self._upload(described, content)
        head: dict[str, Any] = {name: document.pop(name) for name in ("schemaVersion", "mediaType") if name in document}
        layers = [*(document.pop("layers", None) or ()), *(layer.to_json() for layer in new)]
        document.pop("config", None)
        return Manifest.parse(_encoded({**head, "config": described.to_json(), "layers": layers, **document}))

    async def _upload(self, descriptor: Descriptor, content: bytes) -> None:
        await self._uploads.put(in_memory(descriptor, content), uncounted, ())


async def _read_manifest(endpoints: Endpoints, tag: str) -> Manifest | None:
    def call(repository: Repository) -> Call[Manifest]:
        return repository.manifest(tag).then(lambda found: repository.parse_manifest(found, expected=None))

    try:
        return await endpoints.first_result(call, make_current=False)
    except PyskopeoError as error:
        if isinstance(error, NotFound) or (isinstance(error, RegistryError) and error.status == 404):
            return None
        raise


def _blob(endpoints: Endpoints, descriptor: Descriptor, ranges: Ranges) -> Blob:
    return Blob(descriptor, lambda offset: BlobDownload(descriptor, endpoints, offset, ranges))


def _check(manifest: Manifest, where: str) -> None:
    """Raise `InvalidContent` or `TooLarge` for what is no manifest of signatures."""
    if manifest.media_type != mediatype.OCI_MANIFEST:
        raise InvalidContent(f'{where}: unexpected MIME type for sigstore attachment manifest: "{manifest.media_type}"')
    Signature.check_total(len(manifest.layers), sum(layer.size for layer in manifest.layers), where)


def _layer(signature: Signature) -> Descriptor:
    content = signature.content
    return Descriptor(signature.media_type, Digest.of(content), len(content), annotations=signature.annotations)


def _is_same(one: Descriptor, other: Descriptor) -> bool:
    return (one.media_type, one.digest) == (other.media_type, other.digest) and one.annotations == other.annotations


def _encoded(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "backslashreplace")
