"""The index of a layer: what is in its archive, with the digests of its files, in a form that is kept; no I/O."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..errors import InvalidDigest
from ..fast_dataclass import dataclass
from ..model.descriptor import UNKNOWN_SIZE
from ..model.digest import Digest
from .entry import Entry, Kind, Whiteout
from .overlay import LayerEntries

if TYPE_CHECKING:
    from ..model.descriptor import Descriptor


@dataclass(frozen=True, slots=True)
class LayerIndex:
    """What is in a layer that was read and verified.

    ``digest`` and ``size`` are those of the layer as it is stored, ``diff_id`` the sha256 of its archive and
    ``plain_size`` the bytes of that. Regular files among the entries have `Entry.content`.
    """

    digest: Digest
    size: int
    diff_id: Digest
    plain_size: int
    layer: LayerEntries

    def numbered(self, number: int) -> LayerEntries:
        """Return the entries as those of the layer with this number in an image."""
        if self.layer.number == number:
            return self.layer
        entries = [entry._replace(layer=number) for entry in self.layer.entries]
        return LayerEntries(number, entries, self.layer.whiteouts)

    def describes(self, layer: Descriptor, diff_ids: tuple[Digest, ...]) -> bool:
        """Return whether this is the index of a layer as an image describes it, with all its diff IDs."""
        return layer.size in (self.size, UNKNOWN_SIZE) and all(diff_id == self.diff_id for diff_id in diff_ids)

    def encode(self) -> bytes:
        """Return the index as JSON; the same index gives the same bytes."""
        return json.dumps({
            "size": self.size, "diffId": self.diff_id.hex, "plainSize": self.plain_size,
            "entries": [_row(entry) for entry in self.layer.entries],
            "whiteouts": [[whiteout.path, whiteout.opaque] for whiteout in self.layer.whiteouts],
        }, separators=(",", ":")).encode()  # fmt: skip

    @classmethod
    def decode(cls, raw: bytes, digest: Digest, number: int) -> LayerIndex | None:
        """Return the index of the layer ``digest``, with its entries numbered; None if it is not one of `encode`."""
        try:
            document = json.loads(raw)
            entries = [_entry(row, number) for row in document["entries"]]
            whiteouts = [Whiteout(path, bool(opaque)) for path, opaque in document["whiteouts"]]
            diff_id = Digest.parse(f"sha256:{document['diffId']}")
            layer = LayerEntries(number, entries, whiteouts)
            return cls(digest, int(document["size"]), diff_id, int(document["plainSize"]), layer)
        except (InvalidDigest, ValueError, TypeError, KeyError, RecursionError):
            return None


def _row(entry: Entry) -> list[Any]:
    """Return an entry as a list; what most entries have not is at its end, and left out there."""
    row: list[Any] = [
        entry.position, entry.path, entry.kind.value, entry.mode, entry.uid, entry.gid, entry.mtime, entry.size,
        entry.content.hex(),
    ]  # fmt: skip
    if entry.link or entry.xattrs or any(entry.device):
        row += [entry.link, entry.device, [[name.hex(), value.hex()] for name, value in entry.xattrs]]
    return row


def _entry(row: list[Any], number: int) -> Entry:
    position, path, kind, mode, uid, gid, mtime, size, content, *rest = row
    link, (major, minor), xattrs = rest or ("", (0, 0), ())
    return Entry(
        path, Kind(kind), mode, uid, gid, mtime, size, link, (major, minor),
        tuple((bytes.fromhex(name), bytes.fromhex(value)) for name, value in xattrs), number, position,
        bytes.fromhex(content),
    )  # fmt: skip
