"""The text that ``tree`` prints: a line for each manifest, layer and referrer of an image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..fast_dataclass import dataclass
from .quantities import quantity, size
from .text_output import TextOutput, bar, minute, one_line

if TYPE_CHECKING:
    from ..model.descriptor import Descriptor
    from ..model.image_tree import ImageTree, TreeLayer, TreeManifest
    from ..model.referrer import Referrer
    from .text_output import Part

_TITLE = "org.opencontainers.image.title"
# Terminals of so many columns have room for the time of an image, and for the digest of a layer.
_NARROW, _WIDE = 80, 110


def tree_lines(tree: ImageTree, output: TextOutput) -> Iterator[str]:
    """Yield the lines; sizes of layers are bars, the longest that of the largest layer of all images."""
    rows = _Rows(tree, output)
    yield output.line((one_line(tree.name), "strong"))
    yield str(tree.root.descriptor.digest)  # never cut, so that it can be copied
    yield output.line(rows.sums(tree.root))
    yield from _branches(rows.below(tree.root), "", output)


def kind(manifest: TreeManifest) -> str:
    """Return what a manifest is: its platform, the type of an artifact, or the kind of an index."""
    if manifest.is_index:
        return "index" if manifest.platform is None else f"index {one_line(str(manifest.platform))}"
    if manifest.artifact_type:
        return one_line(manifest.artifact_type, 100)
    return one_line(str(manifest.platform or ""), 100) or "image"


def made_by(layer: TreeLayer) -> str:
    """Return what is known of the origin of a layer: its build step, or the name of the file that it is."""
    if layer.step is not None:
        return one_line(layer.step.instruction)
    return one_line(layer.descriptor.annotations.get(_TITLE, "")) or one_line(layer.descriptor.media_type, 100)


def found_by(one: Referrer) -> str:
    """Return how a referrer was found."""
    return f"{one.origin} {one_line(one.tag)}" if one.tag else one.origin


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of the tree, and those below it."""

    parts: tuple[Part, ...]
    rows: Sequence[_Row] = ()


def _branches(rows: Sequence[_Row], prefix: str, output: TextOutput) -> Iterator[str]:
    for number, row in enumerate(rows, 1):
        is_last = number == len(rows)
        yield output.line((f"{prefix}{'└── ' if is_last else '├── '}", "dim"), *row.parts)
        yield from _branches(row.rows, f"{prefix}{'    ' if is_last else '│   '}", output)


class _Rows:
    """Makes the rows of the parts of a tree."""

    def __init__(self, tree: ImageTree, output: TextOutput) -> None:
        self._output = output
        self._largest = max((layer.descriptor.size for image in tree.images for layer in image.layers), default=1)
        self._is_narrow = output.width is not None and output.width < _NARROW
        self._is_wide = output.width is None or output.width >= _WIDE

    def sums(self, manifest: TreeManifest) -> str:
        """Return what is said of the whole image."""
        below = quantity(sum(not one.is_index for one in manifest.walk()), "image") if manifest.is_index else ""
        return "  ".join(filter(None, (kind(manifest), below, *self._sums(manifest), self._created(manifest))))

    def below(self, manifest: TreeManifest) -> list[_Row]:
        """Return the rows of what a manifest lists, and of what refers to it."""
        return [
            *(_Row(self._manifest(one), self.below(one)) for one in manifest.manifests),
            *(_Row(self._described("blob", one)) for one in manifest.blobs),
            *(_Row(parts) for parts in self._layers(manifest.layers)),
            *map(self._referrer, manifest.referrers),
        ]

    def _manifest(self, manifest: TreeManifest) -> tuple[Part, ...]:
        named: Part = kind(manifest), "strong"
        digest: Part = f"  {self._short(manifest.descriptor)}", "dim"
        if manifest.missing:
            return named, digest, ("  not here", "warning")
        if manifest.repeated:
            return named, digest, "  (see above)"
        created = "" if self._is_narrow else f"  {self._created(manifest)}"
        return named, "".join(f"  {text}" for text in self._sums(manifest)), digest, created

    def _sums(self, manifest: TreeManifest) -> Iterator[str]:
        if not manifest.is_index:
            yield quantity(len(manifest.layers), "file" if manifest.artifact_type else "layer")
        yield size(manifest.size)

    def _created(self, manifest: TreeManifest) -> str:
        return minute(manifest.created) if manifest.created else ""

    def _layers(self, layers: Sequence[TreeLayer]) -> Iterator[tuple[Part, ...]]:
        sizes = [size(layer.descriptor.size) for layer in layers]
        number_width, size_width = len(str(len(layers))), max(map(len, sizes), default=0)
        for number, (layer, text) in enumerate(zip(layers, sizes, strict=True), 1):
            filled = bar(layer.descriptor.size / max(self._largest, 1), self._output.bar_width)
            digest = f"{self._short(layer.descriptor)}  " if self._is_wide else ""
            yield (
                f"{number:>{number_width}}  {text:>{size_width}}  ", (filled, "bar"), "  ", (digest, "dim"),
                made_by(layer),
            )  # fmt: skip

    def _referrer(self, one: Referrer) -> _Row:
        note = "  (see above)" if one.repeated else ""
        parts = self._described("referrer", one.descriptor, one.artifact_type, found_by(one) + note)
        return _Row(parts, [self._referrer(other) for other in one.referrers])

    def _described(self, what: str, descriptor: Descriptor, media_type: str = "", note: str = "") -> tuple[Part, ...]:
        named = one_line(media_type or descriptor.media_type, 100) or "of no type"
        digest: Part = f"  {self._short(descriptor)}", "dim"
        return f"{what} ", (named, "strong"), f"  {size(descriptor.size)}", digest, f"  {note}"

    def _short(self, descriptor: Descriptor) -> str:
        return self._output.digest(descriptor.digest)
