"""Lock files: images by the digests of everything in them, with the bytes of their manifests. No I/O.

The format is described in ``docs/reference/lock-file.md``. What a lock states about a manifest is derived from its
bytes when the lock is written, and compared with them when it is read, so that a lock cannot say one thing and mean
another.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any

from ..errors import InvalidContent, InvalidName, TooLarge, Unsupported, prefix_errors
from ..fast_dataclass import dataclass
from . import mediatype
from .descriptor import Descriptor
from .digest import Digest
from .locked_image import LockedImage
from .manifest import Manifest
from .strict_json import parse_object

LOCK_VERSION = 1
LOCK_LIMIT = 64 * 1024 * 1024
"""The largest lock file that is read, in bytes."""
# Of all manifests together; each needs about 1 KiB of memory.
_MAX_DESCRIPTORS = 100_000
# The same, counted again for each image that needs them: images of a lock share indexes.
_MAX_NAMED = 2_000_000
_TABLES = ("images", "manifests", "blobs")


@dataclass(frozen=True, slots=True)
class LockFile:
    """The images of a lock file by name, and a ``manifests`` mapping with all that they need.

    Manifests that no image needs are not written.
    """

    images: Mapping[str, LockedImage]
    manifests: Mapping[Digest, Manifest]
    # Built when it is first needed.
    _by_subject: dict[Digest, list[Manifest]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def parse(cls, raw: bytes, where: str) -> LockFile:
        """Parse a lock file; ``where`` names it in errors.

        Raises `TooLarge`, and `InvalidContent` for another version, invalid names, content that is not that of its
        digest, and everything that the manifests contradict.
        """
        try:
            document = parse_object(raw, where, LOCK_LIMIT)
        except InvalidContent as error:
            error.args = (f"{error}; want a lock file, which pyskopeo lock writes",)
            raise
        version = document.get("lockVersion")
        if version != LOCK_VERSION or type(version) is not int:
            raise InvalidContent(
                f"{where}: lockVersion is {ascii(version)[:40]}, and this version of pyskopeo reads {LOCK_VERSION}"
            )
        if unknown := sorted(document.keys() - {"lockVersion", *_TABLES}):
            raise InvalidContent(f"{where}: unknown key {ascii(unknown[0])[:60]}")
        tables = {name: _table(document.get(name), f"{where}: {name}") for name in _TABLES}
        manifests = list(_manifests(tables["manifests"], f"{where}: manifests"))
        images = [LockedImage.from_json(name, value, f"{where}: images") for name, value in tables["images"].items()]
        found = cls({image.name: image for image in images}, {manifest.digest: manifest for manifest in manifests})
        with prefix_errors(where):
            _compare(tables, found.tables())
        return found

    def image(self, name: str) -> LockedImage:
        """Return an image by its name; raises `InvalidName`."""
        if name not in self.images:
            known = ", ".join(sorted(self.images)[:10]) or "none"
            raise InvalidName(f"no image {ascii(name)[:100]} is locked; there are: {known}")
        return self.images[name]

    def root(self, image: LockedImage) -> Manifest:
        """Return the root manifest of an image; raises `InvalidContent` if it is not in the lock."""
        return self._manifest(image.digest, image.name)

    def manifests_of(self, image: LockedImage) -> tuple[Manifest, ...]:
        """Return all manifests of an image, the root first, and those that refer to them, if these were asked for.

        Raises `InvalidContent` for one that is not in the lock.
        """
        found = self._reach(image, {image.digest: self.root(image)}, image.entries)
        level = tuple(found) if image.referrers is not None else ()
        while level:
            new = [one for digest in level for one in self._subjects().get(digest, ()) if one.digest not in found]
            found |= {one.digest: one for one in new}
            found = self._reach(image, found, [entry for one in new for entry in one.manifests])
            level = tuple(one.digest for one in new)
        return tuple(found.values())

    def referrers_of(self, digest: Digest) -> tuple[Manifest, ...]:
        """Return the manifests in the lock whose subject is ``digest``, sorted by digest."""
        return tuple(sorted(self._subjects().get(digest, ()), key=lambda one: one.digest))

    def _subjects(self) -> Mapping[Digest, list[Manifest]]:
        """Return the manifests that name a subject, by its digest."""
        if not self._by_subject and self.manifests:
            for manifest in self.manifests.values():
                subject = _subject(manifest)
                if subject is not None:
                    self._by_subject.setdefault(subject, []).append(manifest)
        return self._by_subject

    def _reach(
        self, image: LockedImage, found: dict[Digest, Manifest], entries: Iterable[Descriptor]
    ) -> dict[Digest, Manifest]:
        """Return ``found`` with the manifests that ``entries`` of indexes lead to."""
        waiting = list(entries)
        while waiting:
            entry = waiting.pop(0)
            if entry.digest in found or self._is_blob(entry):
                continue
            manifest = found[entry.digest] = self._manifest(entry.digest, image.name)
            waiting += manifest.manifests
        return found

    def blobs_of(self, image: LockedImage) -> tuple[Descriptor, ...]:
        """Return all blobs of an image, each once; layers that come from URLs of their own are left out."""
        manifests = self.manifests_of(image)
        entries = (*image.entries, *(entry for one in manifests[1:] for entry in one.manifests))
        found = {entry.digest: entry for entry in entries if self._is_blob(entry)}
        for manifest in manifests:
            for blob in () if manifest.is_index else manifest.blobs:
                if not (mediatype.is_foreign(blob.media_type) and blob.urls):
                    found.setdefault(blob.digest, blob)
        return tuple(found.values())

    def tables(self) -> dict[str, dict[str, Any]]:
        """Return what is written, by table and key; raises `InvalidContent` if something is missing or contradictory.

        Images are sorted by name, the rest by digest.
        """
        manifests: dict[Digest, Manifest] = {}
        blobs: dict[Digest, Descriptor] = {}
        sources: dict[Digest, dict[str, None]] = {}
        named = 0
        for name in sorted(self.images):
            image = self.images[name]
            needed = self.manifests_of(image)
            named += sum(len(one.manifests) + len(one.layers) for one in needed)
            if named > _MAX_NAMED:
                raise TooLarge(f"its images name more than {_MAX_NAMED} layers and entries in total", limit=_MAX_NAMED)
            manifests |= {one.digest: one for one in needed}
            for blob in self.blobs_of(image):
                known = blobs.setdefault(blob.digest, blob)
                if known.size != blob.size:
                    sizes = f"{known.size} bytes and {blob.size} bytes"
                    raise InvalidContent(f"blob {blob.digest} is said to have {sizes}")
                sources.setdefault(blob.digest, {}).update(dict.fromkeys(image.sources))
        return {
            "images": {name: self._image_json(self.images[name]) for name in sorted(self.images)},
            "manifests": {str(digest): _manifest_json(manifests[digest]) for digest in sorted(manifests)},
            "blobs": {
                str(digest): {
                    "mediaType": blobs[digest].media_type, "size": blobs[digest].size, "sources": [*sources[digest]]
                } for digest in sorted(blobs)
            },
        }  # fmt: skip

    def to_bytes(self) -> bytes:
        """Return the content of the file: the same for the same images, with one entry on each line."""
        lines = [f'"lockVersion": {LOCK_VERSION}']
        for name, table in self.tables().items():
            entries = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in table.items())
            lines.append(f'"{name}": {{\n{entries}\n}}' if entries else f'"{name}": {{}}')
        return ("{\n" + ",\n".join(lines) + "\n}\n").encode("ascii")

    def _manifest(self, digest: Digest, name: str) -> Manifest:
        if digest not in self.manifests:
            raise InvalidContent(f"manifest {digest} of {name} is not in the lock")
        return self.manifests[digest]

    def _is_blob(self, entry: Descriptor) -> bool:
        """Return whether an entry of an index is a blob, as in a build cache."""
        return entry.digest not in self.manifests and not entry.is_manifest and bool(entry.media_type)

    def _image_json(self, image: LockedImage) -> dict[str, Any]:
        root = self.root(image)
        locked = list(_locked_entries(root, image))
        if root.manifests and not locked:
            raise InvalidContent(f"images: {image.name}: nothing of its index is locked")
        fields: dict[str, Any] = {
            "reference": str(image.reference), "digest": str(root.digest), "mediaType": root.media_type,
            "size": len(root.raw), "platforms": [str(platform) for platform in image.platforms],
            "manifests": [entry.brief_json() for entry in locked],
            "sources": list(image.sources),
        }  # fmt: skip
        if image.referrers is not None:
            fields["referrers"] = [_referrer_json(one) for one in image.referrers]
        return fields


def _locked_entries(root: Manifest, image: LockedImage) -> Iterator[Descriptor]:
    """Yield the entries of an index that are locked, or for an image without one the image itself."""
    if not root.is_index:
        yield root.descriptor
        return
    locked = {(entry.digest, entry.platform) for entry in image.entries}
    yield from (entry for entry in root.manifests if (entry.digest, entry.platform) in locked)


def _subject(manifest: Manifest) -> Digest | None:
    if b"subject" not in manifest.raw:  # spares decoding most of them
        return None
    try:
        subject = manifest.subject
    except InvalidContent:
        return None
    return None if subject is None else subject.digest


def _referrer_json(descriptor: Descriptor) -> dict[str, Any]:
    more = {"artifactType": descriptor.artifact_type, "annotations": dict(sorted(descriptor.annotations.items()))}
    return descriptor.brief_json() | {name: value for name, value in more.items() if value}


def _manifest_json(manifest: Manifest) -> dict[str, Any]:
    fields: dict[str, Any] = {"mediaType": manifest.media_type, "size": len(manifest.raw)}
    if manifest.config is not None:
        fields["config"] = manifest.config.brief_json()
    if not manifest.is_index:
        fields["layers"] = [layer.brief_json() for layer in manifest.layers]
    return fields | {"data": base64.b64encode(manifest.raw).decode("ascii")}


def check_lockable(manifest: Manifest) -> None:
    """Raise `Unsupported` for a manifest of Docker's schema 1, whose layers have no sizes."""
    if manifest.is_schema1:
        raise Unsupported(f"{manifest.digest} is a manifest of Docker's schema 1, which cannot be locked")


def _table(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidContent(f"{where}: want an object")
    for key, entry in value.items():
        if not isinstance(entry, dict):
            raise InvalidContent(f"{where}: {ascii(key)[:100]}: want an object")
    return value


def _manifests(table: Mapping[str, dict[str, Any]], where: str) -> Iterator[Manifest]:
    number = 0
    for key, value in table.items():
        manifest = _manifest(key, value, where)
        number += len(manifest.manifests) + len(manifest.layers)
        if number > _MAX_DESCRIPTORS:
            raise TooLarge(f"{where}: more than {_MAX_DESCRIPTORS} layers and entries", limit=_MAX_DESCRIPTORS)
        yield manifest


def _manifest(key: str, value: dict[str, Any], where: str) -> Manifest:
    where = f"{where}: {ascii(key)[1:-1][:100]}"
    data, media_type = value.get("data"), value.get("mediaType")
    if not isinstance(data, str) or not isinstance(media_type, str):
        raise InvalidContent(f"{where}: it has no data, or no mediaType")
    with prefix_errors(where):
        digest = Digest.parse(key)
        try:
            raw = base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            raise InvalidContent("data is not base64") from None
        manifest = Manifest.parse(raw, content_type=media_type, expected=digest)
        check_lockable(manifest)
    return manifest


def _compare(stated: Mapping[str, dict[str, Any]], derived: Mapping[str, dict[str, Any]]) -> None:
    """Raise `InvalidContent` for the first entry of a file that differs from what its manifests say."""
    for table, entries in derived.items():
        for key in stated[table].keys() - entries.keys():
            raise InvalidContent(f"{table}: no image needs {ascii(key)[1:-1][:100]}")
        for key, wanted in entries.items():
            given = stated[table].get(key)
            if given is None:
                raise InvalidContent(f"{table}: {key} is missing")
            for name in sorted(given.keys() | wanted.keys()):
                # As JSON, where 1 is neither 1.0 nor true.
                one, other = (json.dumps(fields.get(name), sort_keys=True) for fields in (given, wanted))
                if one != other:
                    raise InvalidContent(f"{table}: {key}: {ascii(name)[1:-1][:60]} is {one[:100]}, want {other[:100]}")
