"""``pyskopeo inspect``."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from ..errors import AccessDenied, InvalidContent, InvalidName, Offline, RegistryError, prefix_errors
from ..fast_dataclass import dataclass
from ..interfaces import ImageReference, ImageSource
from ..model.choice import Choice
from ..model.content_digest import content_digest
from ..model.strict_json import CONFIG_LIMIT
from ..transports import TRANSPORTS, parse_image_name
from .access_options import AUTHFILE, AccessOptions, access_flags
from .command import Command, program
from .flags import Flag, Parsed, UsageError, boolean, utf8
from .log import log
from .network_options import NETWORK
from .platform_flags import CHOOSING, chosen_image
from .progress import warnings_only
from .standard_streams import write_bytes

if TYPE_CHECKING:
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from .inspect_format import Kind

_FLAGS = (
    *CHOOSING,
    AUTHFILE,
    *access_flags(),
    *NETWORK,
    Flag("config", "print the image configuration", read=boolean, default=False, group="output"),
    Flag("raw", "print the unmodified manifest, or with --config the unmodified configuration", read=boolean,
         default=False, group="output"),
    Flag("format", "format the output with a Go template", short="f", value="TEMPLATE", read=utf8, group="output"),
    Flag("platforms", "print the digest and the size of every image of a list", read=boolean, default=False,
         group="output"),
    Flag("manifest-digest", "algorithm of the digest of the manifest: sha256 or sha512 (default: that of the "
         "configuration's digest)", value="ALGORITHM", choices=("sha256", "sha512"), group="output"),
    Flag("json", "print JSON on a terminal, too, as in a pipe", read=boolean, default=False, group="output"),
    Flag("no-tags", "do not list the tags of the repository", short="n", read=boolean, default=False, group="output"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class InspectOptions:
    """The options of ``inspect``. ``template`` formats the output, None: as JSON, or with ``summary`` as text.

    ``algorithm`` is that of the printed digest of the manifest, None: that of the configuration's digest.
    """

    name: str
    reference: ImageReference
    choice: Choice
    access: AccessOptions
    config: bool
    raw: bool
    platforms: bool
    tags: bool
    template: str | None
    summary: bool
    algorithm: str | None

    @classmethod
    def of(cls, parsed: Parsed) -> InspectOptions:
        """Read the options; raises `InvalidInput`."""
        raw, config, platforms = (parsed.get(name, bool) for name in ("raw", "config", "platforms"))
        template = parsed.optional("format", str)
        if raw and template is not None:
            raise UsageError("raw output does not support format option")
        if platforms and (raw or config):
            raise UsageError("--platforms lists images; it does not go with --raw or --config")
        (name,) = parsed.arguments
        try:
            reference = parse_image_name(name)
        except InvalidName as error:
            raise InvalidName(f'Error parsing image name "{name}": {error}') from None
        return cls(
            name=name,
            reference=reference,
            choice=chosen_image(parsed),
            access=AccessOptions.of(parsed),
            config=config,
            raw=raw,
            platforms=platforms,
            tags=not parsed.get("no-tags", bool),
            template=template,
            summary=template is None and not parsed.get("json", bool) and program() != "skopeo" and sys.stdout.isatty(),
            algorithm=parsed.optional("manifest-digest", str),
        )


async def run(options: InspectOptions) -> int:
    """Print what is asked for; nothing else is fetched."""
    access = options.access.access(warnings_only)
    async with AsyncExitStack() as stack:
        with prefix_errors(f'Error parsing image name "{options.name}"'):
            source = await stack.enter_async_context(options.reference.open_source(access))
            root = await source.manifest()
        if options.raw and not options.config:
            write_bytes(root.raw)
            return 0
        if options.platforms:
            await _print_platforms(source, root, options)
            return 0
        from ..engine.graph import find_image  # loads more than is needed for --raw

        with prefix_errors("Error parsing manifest for image: choosing image instance"):
            manifest = await find_image(source, root, options.choice, _warn)
        if options.config:
            await _print_config(source, manifest, options)
        else:
            await _print_properties(source, root, manifest, options)
    return 0


def _warn(message: str) -> None:
    log("warning", message)


async def _print_config(source: ImageSource, manifest: Manifest, options: InspectOptions) -> None:
    if options.raw:
        # Of any type, for an artifact too. Schema 1 has no configuration blob.
        write_bytes(b"" if manifest.config is None else await source.blob(manifest.config).read(CONFIG_LIMIT))
        return
    from ..api.inspection import read_config
    from ..model.image_config import to_oci
    from ..model.strict_json import parse_object

    content = await read_config(source, manifest)
    _print(parse_object(to_oci(content), "image configuration"), "config", options.template)


async def _print_properties(source: ImageSource, root: Manifest, manifest: Manifest, options: InspectOptions) -> None:
    from ..api.inspection import read_inspection
    from . import inspect_documents

    is_image = manifest.is_image or manifest.is_schema1
    inspection = await read_inspection(source, root, manifest) if is_image else None
    digest = _digest(root, manifest, options.algorithm)
    tags = await _tags(source) if options.tags else []
    name = _repository(options.reference)
    if options.summary:
        from .inspect_summary import Named, artifact_lines, image_lines
        from .text_output import TextOutput, print_lines

        named, output = Named(options.name, digest, tags), TextOutput.of_stdout()
        if inspection is None:
            print_lines(artifact_lines(named, manifest, output))
        else:
            print_lines(image_lines(named, root, inspection, output))
    elif inspection is None:
        _print(inspect_documents.artifact(digest, manifest, name, tags), "artifact", options.template)
    else:
        _print(inspect_documents.facts(inspection, digest, name, tags), "image", options.template)


def _digest(root: Manifest, manifest: Manifest, algorithm: str | None) -> Digest:
    """Return the digest of ``root`` by ``algorithm``, or by that of the configuration of the selected image."""
    if algorithm is None and manifest.config is not None and manifest.config.digest.algorithm != "sha256":
        algorithm = manifest.config.digest.algorithm
    return content_digest(root.raw, algorithm) if algorithm else root.digest


async def _print_platforms(source: ImageSource, root: Manifest, options: InspectOptions) -> None:
    from ..api.inspection import read_instances
    from . import inspect_documents

    instances = await read_instances(source, root)
    if options.summary:
        from .inspect_summary import platform_lines
        from .text_output import TextOutput, print_lines

        print_lines(platform_lines(options.name, root, instances, TextOutput.of_stdout()))
        return
    document = inspect_documents.platforms(root, instances, _repository(options.reference))
    _print(document, "platforms", options.template)


def _repository(reference: ImageReference) -> str:
    """Return the repository's name, empty for an image that is not in a registry."""
    return reference.reference.name if reference.reference else ""


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


def _print(document: dict[str, Any], kind: Kind, template: str | None) -> None:
    if template is None:
        from ..gocompat.go_json import dumps

        print(dumps(document, indent=4))
        return
    from .inspect_format import print_formatted

    print_formatted(template, document, kind)


COMMAND = Command(
    name="inspect",
    arguments="IMAGE-NAME",
    description=(
        'Print information about "IMAGE-NAME": its digest, size, tags, labels, layers and more. On a terminal this\n'
        "is a summary, in a pipe, with --json, or called skopeo it is JSON.\n\n"
        f"Supported transports:\n{', '.join(TRANSPORTS)}"
    ),
    examples=(
        "pyskopeo inspect docker://registry.fedoraproject.org/fedora",
        "pyskopeo inspect --platforms docker://docker.io/library/alpine",
        "pyskopeo inspect --config docker://docker.io/alpine",
        'pyskopeo inspect --format "Name: {{.Name}} Digest: {{.Digest}}" docker://registry.access.redhat.com/ubi8',
    ),
    flags=_FLAGS,
    read=InspectOptions.of,
    run=run,
)
