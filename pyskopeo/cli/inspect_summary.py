"""What ``inspect`` shows on a terminal: the properties of an image, or its platforms, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..fast_dataclass import dataclass, replace
from ..model.image_history import read_history, steps_of_layers
from ..model.image_tree import TreeLayer
from ..model.referrer import belongs_to_image
from ..model.tag_filter import TagFilter
from .quantities import quantity, size
from .text_output import TextOutput, bar, columns, minute, one_line
from .tree_text import made_by

if TYPE_CHECKING:
    from ..api.inspection import Inspection, Instance
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest

_LABEL = 13  # columns
_MOST = 40  # lines of one list, such as labels
# Columns: terminals narrower than the first get no bars in tables, others than the second no whole digests; of a pipe.
_NARROW, _WIDE, _PIPE = 80, 140, 100


@dataclass(frozen=True, slots=True)
class Named:
    """What was named: the image name, the digest of its manifest, and all tags of its repository."""

    name: str
    digest: Digest
    tags: Sequence[str]


def summary_lines(
    named: Named, root: Manifest, manifest: Manifest, inspection: Inspection | None
) -> Iterator[str]:
    """Yield the lines for an image, or for an artifact, which has no ``inspection``, as standard output shows them."""
    output = TextOutput.of_stdout()
    if inspection is None:
        return artifact_lines(named, manifest, output)
    return image_lines(named, root, inspection, output)


def image_lines(
    named: Named, root: Manifest, inspection: Inspection, output: TextOutput
) -> Iterator[str]:
    """Yield the lines for an image; ``root`` is the named manifest, an index or the image itself."""
    manifest, config = inspection.manifest, inspection.config
    run = config.get("config")
    run = run if isinstance(run, Mapping) else {}
    platform = "/".join(filter(None, (inspection.os, inspection.architecture, _text(config.get("variant")))))
    yield from _head(named.name, named.digest, output)
    if root.is_index:
        listed = [one.platform for one in root.manifests if not (one.platform and one.platform.is_attestation)]
        names = [str(one) for one in listed if one is not None]
        yield _row("List", as_many_as_fit(f"{quantity(len(listed), 'image')}:", names, output), output)
        yield _row("Shown", platform, output)
        yield _digest("Digest", manifest.digest, output)
    elif platform:
        yield _row("Platform", platform, output)
    yield from _rows({
        "Created": minute(inspection.created or ""),
        "Author": _text(config.get("author")),
        "Size": "" if manifest.is_schema1 else f"{_stored(manifest)} in {quantity(len(manifest.layers), 'layer')}",
        "User": _text(run.get("User")),
        "Directory": _text(run.get("WorkingDir")),
        "Entrypoint": _command(run.get("Entrypoint")),
        "Command": _command(run.get("Cmd")),
        "Ports": _names(run.get("ExposedPorts")),
        "Volumes": _names(run.get("Volumes")),
        "Stop signal": _text(run.get("StopSignal")),
    }, output)  # fmt: skip
    yield from _list("Environment", inspection.env or (), output)
    yield from _list("Labels", _pairs(inspection.labels or {}), output)
    yield from _tags(named.tags, output)
    steps = steps_of_layers(read_history(config), len(manifest.layers))
    yield from _layers("Layers", tuple(map(TreeLayer, manifest.layers, steps)), output)


def artifact_lines(named: Named, manifest: Manifest, output: TextOutput) -> Iterator[str]:
    """Yield the lines for an artifact."""
    subject = manifest.subject
    yield from _head(named.name, named.digest, output)
    yield _row("Type", manifest.artifact_type or manifest.media_type, output)
    if subject is not None:
        yield _digest("Refers to", subject.digest, output)
    yield _row("Size", f"{_stored(manifest)} in {quantity(len(manifest.layers), 'file')}", output)
    yield from _list("Annotations", _pairs(manifest.annotations), output)
    yield from _tags(named.tags, output)
    yield from _layers("Files", tuple(map(TreeLayer, manifest.layers)), output)


def platform_lines(name: str, root: Manifest, instances: Sequence[Instance], output: TextOutput) -> Iterator[str]:
    """Yield the lines for ``--platforms``: a table of the images of a list, and their size in total."""
    blobs = {blob.digest: blob.size for one in instances for blob in one.manifest.blobs}
    yield from _head(name, root.digest, output)
    attestations = sum(map(_is_attestation, instances))
    counted = quantity(len(instances) - attestations, "image")
    besides = f" and {quantity(attestations, 'attestation')}" if attestations else ""
    yield output.line(f"{counted}{besides}, {size(sum(blobs.values()))} in total; what they share counts once")
    largest = max((one.size for one in instances), default=0)
    head = ["PLATFORM", "LAYERS", "SIZE", "", "DIGEST"]
    rows = [_instance(one, largest, output) for one in instances]
    if output.width is not None and output.width < _NARROW:
        head, rows = head[:3] + head[4:], [row[:3] + row[4:] for row in rows]
    yield from output.table(head, rows, frozenset({1, 2}))


def _instance(one: Instance, largest: int, output: TextOutput) -> list[str]:
    has_room = output.width is None or output.width >= _WIDE
    filled = bar(one.size / max(largest, 1), output.bar_width)
    digest = str(one.manifest.digest) if has_room else output.digest(one.manifest.digest)
    return [_platform(one), str(len(one.manifest.layers)), size(one.size), filled, digest]


def _is_attestation(one: Instance) -> bool:
    return one.platform is not None and one.platform.is_attestation


def _head(name: str, digest: Digest, output: TextOutput) -> Iterator[str]:
    yield output.line((one_line(name), "strong"))
    yield str(digest)  # never cut, so that it can be copied


def _row(label: str, text: str, output: TextOutput) -> str:
    return output.line((f"  {label:<{_LABEL}}", "dim"), one_line(text))


def _digest(label: str, digest: Digest, output: TextOutput) -> str:
    """Return a line with a digest, which is never cut, so that it can be copied."""
    return replace(output, width=None).line((f"  {label:<{_LABEL}}", "dim"), str(digest))


def _rows(texts: Mapping[str, str], output: TextOutput) -> Iterator[str]:
    for label, text in texts.items():
        if text:
            yield _row(label, text, output)


def _list(label: str, texts: Sequence[str], output: TextOutput) -> Iterator[str]:
    for number, text in enumerate(texts[:_MOST]):
        yield _row("" if number else label, text, output)
    if (more := len(texts) - _MOST) > 0:
        yield _row("", f"and {more} more", output)


def _tags(tags: Sequence[str], output: TextOutput) -> Iterator[str]:
    """Yield the number of tags that name images, and as many as fit: the last by name and number first."""
    if not tags:
        return
    shown = [tag for tag in TagFilter(order="natural").apply(tags) if not belongs_to_image(tag)]
    yield _row("Tags", as_many_as_fit(f"{len(shown)}:", shown[::-1], output), output)


def as_many_as_fit(text: str, names: Sequence[str], output: TextOutput) -> str:
    """Return a text with as many names as fit beside a label, and how many others there are."""
    room = (output.width or _PIPE) - _LABEL - len("  ")
    for number, name in enumerate(names):
        left = f" +{len(names) - number - 1}" if number + 1 < len(names) else ""
        if columns(f"{text} {one_line(name)}{left}") > room:
            return f"{text} +{len(names) - number}"
        text = f"{text} {one_line(name)}"
    return text


def _layers(label: str, layers: Sequence[TreeLayer], output: TextOutput) -> Iterator[str]:
    largest = max((layer.descriptor.size for layer in layers), default=0)
    sizes = [_size(layer.descriptor) for layer in layers]
    width, digits = max(map(len, sizes), default=0), len(str(len(layers)))
    if layers:
        yield output.line((f"  {label}", "dim"))
    for number, (layer, text) in enumerate(zip(layers, sizes, strict=True), 1):
        filled = bar(layer.descriptor.size / max(largest, 1), output.bar_width)
        digest = output.digest(layer.descriptor.digest)
        yield output.line(
            f"  {number:>{digits}}  {text:>{width}}  ", (filled, "bar"), "  ", (digest, "dim"), f"  {made_by(layer)}"
        )


def _size(descriptor: Descriptor) -> str:
    return "-" if descriptor.size < 0 else size(descriptor.size)  # of schema 1


def _stored(manifest: Manifest) -> str:
    return size(sum({blob.digest: blob.size for blob in manifest.blobs}.values()))


def _platform(one: Instance) -> str:
    if _is_attestation(one):
        return "attestation"
    if not (one.manifest.is_image or one.manifest.is_schema1):
        return one_line(one.manifest.artifact_type, 60) or "artifact"
    if one.platform is None:
        return "-"
    version = f" {one.platform.os_version}" if one.platform.os_version else ""
    return one_line(f"{one.platform}{version}", 60)


def _pairs(texts: Mapping[str, str]) -> list[str]:
    return [f"{name}={text}" for name, text in sorted(texts.items())]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _names(value: Any) -> str:
    return " ".join(map(str, sorted(value))) if isinstance(value, Mapping) else ""


def _command(value: Any) -> str:
    """Return a command as a shell would be given it."""
    from shlex import join

    if isinstance(value, str):
        return value
    return join(value) if isinstance(value, list) and all(isinstance(word, str) for word in value) else ""
