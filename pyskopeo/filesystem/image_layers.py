"""The layers of an image whose files are read: their numbers, and which of them are chosen; no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import InvalidInput, Unsupported
from ..fast_dataclass import dataclass
from ..model import mediatype
from ..streams.plain_content import InflatedTotal, PlainContent, default_inflated_limit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model.descriptor import Descriptor
    from ..model.digest import Digest


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of an image: ``number`` 1 is the base layer. ``plain`` is what its decompressed content must be."""

    number: int
    descriptor: Descriptor
    plain: PlainContent

    @property
    def content(self) -> Digest:
        """What its content is known by: its diff ID, if the image states one, else its digest."""
        return self.plain.diff_ids[0] if len(self.plain.diff_ids) == 1 else self.descriptor.digest

    def __str__(self) -> str:
        return f"layer {self.number} ({self.descriptor.digest})"


def image_layers(
    layers: Sequence[Descriptor], diff_ids: Mapping[Digest, tuple[Digest, ...]], max_inflated: int | None
) -> tuple[Layer, ...]:
    """Return the layers of an image, the base layer first.

    ``max_inflated`` is the maximum size in bytes of all of them together when they are decompressed; None: 16 GiB, or
    200 times their stored size if that is more.
    """
    stored = sum(layer.size for layer in layers)
    total = InflatedTotal(default_inflated_limit(stored) if max_inflated is None else max_inflated)
    return tuple(
        Layer(number, layer, PlainContent(diff_ids.get(layer.digest, ()), total))
        for number, layer in enumerate(layers, 1)
    )


def chosen_layers(layers: Sequence[Layer], wanted: Sequence[str]) -> tuple[Layer, ...]:
    """Return the layers that are named by number, from the top if it is negative, by digest or by diff ID; all if none.

    Raises `InvalidInput` for a layer that is not there.
    """
    found: set[int] = set()
    for text in wanted:
        digits = text.removeprefix("-")
        if digits.isascii() and digits.isdigit() and len(digits) < 10:
            number = int(text) if digits == text else len(layers) + 1 + int(text)
            numbers = {layer.number for layer in layers if layer.number == number}
        else:
            numbers = {
                layer.number for layer in layers
                if text in (str(layer.descriptor.digest), *map(str, layer.plain.diff_ids))
            }  # fmt: skip
        if not numbers:
            raise InvalidInput(f"this image has no layer {text}: want 1 to {len(layers)}, or a digest")
        found |= numbers
    return tuple(layer for layer in layers if not wanted or layer.number in found)


def check_readable(layers: Sequence[Layer]) -> None:
    """Raise `Unsupported` for a layer that is no archive of a kind that can be read."""
    for layer in layers:
        kind = layer.descriptor.media_type
        if mediatype.compression(kind) is None:
            raise Unsupported(
                f"{layer} is of type {ascii(kind)[1:-1][:100]}, which is no tar archive that can be read: "
                "choose other layers with --layer"
            )
