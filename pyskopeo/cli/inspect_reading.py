"""What ``inspect`` shows of one image: its document, or on a terminal its summary, read and printed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..api.inspection import read_config, read_inspection, read_instances
from ..engine.graph import find_image
from ..errors import AccessDenied, InvalidContent, Offline, RegistryError, prefix_errors
from ..fast_dataclass import dataclass
from ..model.content_digest import content_digest
from . import inspect_documents
from .log import log

if TYPE_CHECKING:

    from ..interfaces import ImageSource
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from .inspect_format import Kind
    from .inspect_options import InspectOptions, NamedImage


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown of an image: its ``document`` of a ``kind``; or, if there are any, the ``lines`` of its summary."""

    document: dict[str, Any]
    kind: Kind
    lines: tuple[str, ...] = ()


async def read_shown(source: ImageSource, root: Manifest, image: NamedImage, options: InspectOptions) -> Shown:
    """Read what the options ask for, and nothing else; raises the source's errors."""
    if options.platforms:
        return await _platforms(source, root, image, options)
    manifest = await find_chosen(source, root, options)
    if options.config:
        from ..model.image_config import to_oci
        from ..model.strict_json import parse_object

        return Shown(parse_object(to_oci(await read_config(source, manifest)), "image configuration"), "config")
    is_image = manifest.is_image or manifest.is_schema1
    inspection = await read_inspection(source, root, manifest) if is_image else None
    digest = _digest(root, manifest, options.algorithm)
    tags = await _tags(source) if options.tags else []
    name = image.reference.repository_name
    lines: tuple[str, ...] = ()
    if options.summary:
        from .inspect_summary import Named, summary_lines

        lines = tuple(summary_lines(Named(image.name, digest, tags), root, manifest, inspection))
    if inspection is None:
        return Shown(inspect_documents.artifact(digest, manifest, name, tags), "artifact", lines)
    return Shown(inspect_documents.facts(inspection, digest, name, tags), "image", lines)


async def find_chosen(source: ImageSource, root: Manifest, options: InspectOptions) -> Manifest:
    """Return the image that the flags choose from an index; raises `NoMatchingPlatform` and the source's errors."""
    with prefix_errors("Error parsing manifest for image: choosing image instance"):
        return await find_image(source, root, options.choice, lambda message: log("warning", message))


def show(shown: Shown, options: InspectOptions) -> None:
    """Print what was read of the only image."""
    if shown.lines:
        from .text_output import print_lines

        print_lines(shown.lines)
    elif options.template is None:
        from ..gocompat.go_json import dumps

        print(dumps(shown.document, indent=4))
    else:
        from .inspect_format import print_formatted

        print_formatted(options.template, shown.document, shown.kind)


async def _platforms(source: ImageSource, root: Manifest, image: NamedImage, options: InspectOptions) -> Shown:
    instances = await read_instances(source, root)
    document = inspect_documents.platforms(root, instances, image.reference.repository_name)
    if not options.summary:
        return Shown(document, "platforms")
    from .inspect_summary import platform_lines
    from .text_output import TextOutput

    return Shown(document, "platforms", tuple(platform_lines(image.name, root, instances, TextOutput.of_stdout())))


def _digest(root: Manifest, manifest: Manifest, algorithm: str | None) -> Digest:
    """Return the digest of ``root`` by ``algorithm``, or by that of the configuration of the selected image."""
    if algorithm is None and manifest.config is not None and manifest.config.digest.algorithm != "sha256":
        algorithm = manifest.config.digest.algorithm
    return content_digest(root.raw, algorithm) if algorithm else root.digest


async def _tags(source: ImageSource) -> list[str]:
    """Return the tags of the repository, none for an image that is not in a registry.

    The image can be shown without them: a registry that refuses the list, or has one that cannot be read, is a warning.
    """
    try:
        return await source.tags()
    except Offline:
        log("warning", "The tags are not listed, since --offline allows no request")
    except (RegistryError, InvalidContent) as error:
        if isinstance(error, AccessDenied) or (isinstance(error, RegistryError) and error.status == 404):
            log("warning", "Registry disallows tag list retrieval; skipping")
        else:
            log("warning", f"Error determining repository tags: {error}; skipping")
    return []
