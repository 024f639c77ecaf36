"""The page that ``tree --html`` writes: the platforms, and the layers and referrers of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from .html_page import (
    Column,
    Element,
    Node,
    Part,
    badge,
    bar,
    bullets,
    code,
    details,
    element,
    facts,
    page,
    section,
    table,
    unbroken,
)
from .html_page import short_digest as short
from .quantities import quantity, size
from .text_output import minute
from .tree_text import found_by, kind, made_by

if TYPE_CHECKING:
    from ..model.image_history import HistoryStep
    from ..model.image_tree import ImageTree, TreeLayer, TreeManifest
    from ..model.referrer import Referrer

_OPEN = 4  # so many images are unfolded at first
_PARTS = 200  # of a bar; more are too narrow to see


def tree_page(tree: ImageTree) -> str:
    """Return the page."""
    images, root = tree.images, tree.root
    about: list[tuple[str, Node]] = [
        ("Digest", code(str(root.descriptor.digest))),
        ("Type", code(root.descriptor.media_type)),
        ("Size", f"{size(root.size)} of configurations and layers, each counted once"),
    ]
    about += [("Not shown", problem) for problem in tree.problems]
    if tree.unread:
        about.append(("Not shown", f"{quantity(tree.unread, 'referrer')}: too many, or too deep"))
    content: list[Node] = [facts(about)]
    if root.is_index:
        content.append(section("Platforms", _platforms(images)))
        content += _index_referrers(root)
    content.append(
        section("Images" if root.is_index else "Layers", *(_image(one, is_open=len(images) <= _OPEN) for one in images))
    )
    return page(tree.name, *content)


def _platforms(images: Sequence[TreeManifest]) -> Element:
    largest = max((image.size for image in images), default=0)
    heads = [Column("Platform"), Column("Digest"), Column("Layers", "right"), Column("Size", "right"), Column(""),
             Column("Created")]  # fmt: skip

    def row(image: TreeManifest) -> list[Node]:
        named: list[Node] = [kind(image), short(str(image.descriptor.digest))]
        if note := _note(image):
            return [*named, "", "", note, ""]
        filled = bar([Part(image.size, size(image.size))], largest)
        return [*named, str(len(image.layers)), size(image.size), filled, unbroken(minute(image.created))]

    return table(heads, map(row, images))


def _index_referrers(root: TreeManifest) -> Iterator[Node]:
    for index in root.walk():
        if index.is_index and index.referrers:
            yield section(f"Refers to the index {str(index.descriptor.digest)[:19]}", _referrers(index.referrers))
        if index.blobs:
            rows: list[list[Node]] = [
                [code(blob.media_type), short(str(blob.digest)), size(blob.size)] for blob in index.blobs
            ]
            yield section("Blobs", table([Column("Type"), Column("Digest"), Column("Size", "right")], rows))


def _image(image: TreeManifest, *, is_open: bool) -> Element:
    named: list[Node] = [f"{kind(image)} "]
    if note := _note(image):
        return details([*named, note], facts([("Digest", code(str(image.descriptor.digest)))]), is_open=is_open)
    layers = [layer.descriptor.size for layer in image.layers]
    counted = quantity(len(layers), "file" if image.artifact_type else "layer")
    about: list[tuple[str, Node]] = [("Digest", code(str(image.descriptor.digest)))]
    if image.config is not None:
        about.append(("Configuration", code(str(image.config.digest))))
    if created := minute(image.created):
        about.append(("Created", created))
    parts = [Part(one, f"layer {number}: {size(one)}") for number, one in enumerate(layers[:_PARTS], 1)]
    content: list[Node] = [facts(about), bar(parts, sum(layers)), _layers(image)]
    if image.referrers:
        content += [element("p", "Referrers", style_class="note"), _referrers(image.referrers)]
    return details([*named, f"({counted}, {size(image.size)})"], *content, is_open=is_open)


def _note(image: TreeManifest) -> Element | None:
    """Return why nothing is known of an image here, None for one that is described."""
    if image.missing:
        return badge("not here", "warn")
    return badge("see above") if image.repeated else None


def _layers(image: TreeManifest) -> Element:
    largest = max((layer.descriptor.size for layer in image.layers), default=0)
    heads = [Column("#", "right"), Column("Layer"), Column("Size", "right"), Column(""), Column("Made by")]

    def row(number: int | None, layer: TreeLayer | None, step: HistoryStep | None) -> list[Node]:
        if layer is None:
            return ["", "", "", badge("no files"), code("" if step is None else step.instruction)]
        one = layer.descriptor
        filled = bar([Part(one.size, size(one.size))], largest)
        return [str(number), short(str(one.digest)), size(one.size), filled, code(made_by(layer))]

    return table(heads, [row(*found) for found in _steps(image)])


def _steps(image: TreeManifest) -> Iterator[tuple[int | None, TreeLayer | None, HistoryStep | None]]:
    """Yield the layers with their numbers, and between them, where the history tells of all, the steps without one."""
    numbered = iter(enumerate(image.layers, 1))
    if sum(not step.empty for step in image.history) == len(image.layers):
        for step in image.history:
            number, layer = (None, None) if step.empty else next(numbered)
            yield number, layer, step
    for number, layer in numbered:
        yield number, layer, layer.step


def _referrers(referrers: Sequence[Referrer]) -> Element:
    return bullets(_referrer(one) for one in referrers)


def _referrer(one: Referrer) -> list[Node]:
    named = one.artifact_type or one.descriptor.media_type
    parts: list[Node] = [
        code(named), " ", short(str(one.descriptor.digest)), f" {size(one.descriptor.size)}, {found_by(one)} ",
    ]  # fmt: skip
    if one.repeated:
        parts.append(badge("see above"))
    return [*parts, _referrers(one.referrers)] if one.referrers else parts
