"""``pyskopeo inspect``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ..api.inspection import read_config, read_inspection, read_instances
from ..engine.graph import find_image
from ..errors import AccessDenied, InvalidName, PyskopeoError, RegistryError, prefix_errors
from ..gocompat.go_json import dumps
from ..interfaces import ImageSource
from ..transports import TRANSPORTS, parse_image_name
from .command import Command
from .flags import Flag, Parsed, UsageError, boolean
from .log import log
from .options import AUTHFILE, NETWORK, PLATFORM, access, access_flags, chosen_platform
from .progress import warnings_only
from .supervision import run_async

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..gocompat.template import Struct
    from ..model.manifest import Manifest

_FLAGS = (
    PLATFORM,
    AUTHFILE,
    *access_flags(""),
    *NETWORK,
    Flag("config", "output the image configuration", read=boolean, default=False),
    Flag("raw", "output the raw manifest, or with --config the raw configuration", read=boolean, default=False),
    Flag("format", "format the output by a Go template", short="f", value="TEMPLATE"),
    Flag("platforms", "list all images that the list names, with digests and sizes", read=boolean, default=False),
    Flag("no-tags", "do not list the tags of the repository", short="n", read=boolean, default=False),
)


def run(parsed: Parsed) -> int:
    """Print what is asked for; only that is fetched."""
    if parsed["raw"] and parsed["format"] is not None:
        raise UsageError("raw output does not support format option")
    if parsed["platforms"] and (parsed["raw"] or parsed["config"]):
        raise UsageError("--platforms lists images; it does not go with --raw or --config")
    (name,) = parsed.arguments
    try:
        reference = parse_image_name(name)
    except InvalidName as error:
        raise InvalidName(f'Error parsing image name "{name}": {error}') from None
    platform = chosen_platform(parsed)
    reading = access(parsed, "", warnings_only)

    async def work() -> int:
        from contextlib import AsyncExitStack

        async with AsyncExitStack() as stack:
            with prefix_errors(f'Error parsing image name "{name}"'):
                source = await stack.enter_async_context(reference.open_source(reading))
                root = await source.manifest()
            if parsed["raw"] and not parsed["config"]:
                _write(root.raw)
                return 0
            repository = reference.reference.name if reference.reference else ""
            if parsed["platforms"]:
                await _platforms(source, repository, root, parsed)
                return 0
            with prefix_errors("Error parsing manifest for image: choosing image instance"):
                manifest = await find_image(source, root, platform)
            if parsed["config"]:
                await _config(source, manifest, parsed)
            else:
                await _facts(source, repository, root, manifest, parsed)
        return 0

    return run_async(work, parsed["command-timeout"])


async def _config(source: ImageSource, manifest: Manifest, parsed: Parsed) -> None:
    content = await read_config(source, manifest)
    if parsed["raw"]:
        _write(b"" if manifest.is_schema1 else content)  # schema 1 has no such bytes
        return
    from ..model.image_config import to_oci
    from ..model.strict_json import parse_object

    document = parse_object(to_oci(content), "image configuration")

    def value() -> Struct:
        from .inspect_format import config_struct

        return config_struct(document)

    _show(document, parsed, value)


async def _facts(source: ImageSource, name: str, root: Manifest, manifest: Manifest, parsed: Parsed) -> None:
    from . import inspect_documents

    is_image = manifest.is_image or manifest.is_schema1
    inspection = await read_inspection(source, root, manifest) if is_image else None
    tags = [] if parsed["no-tags"] else await _tags(source)
    if inspection is None:
        document = inspect_documents.artifact(root, manifest, name, tags)
    else:
        document = inspect_documents.facts(inspection, name, tags)

    def value() -> Struct:
        from .inspect_format import artifact_struct, facts_struct

        return facts_struct(document) if inspection else artifact_struct(document)

    _show(document, parsed, value)


async def _platforms(source: ImageSource, name: str, root: Manifest, parsed: Parsed) -> None:
    from . import inspect_documents

    document = inspect_documents.platforms(root, await read_instances(source, root), name)

    def value() -> Struct:
        from .inspect_format import platforms_struct

        return platforms_struct(document)

    _show(document, parsed, value)


async def _tags(source: ImageSource) -> list[str]:
    """The tags of the repository; none for anything but a registry."""
    from ..transports.docker import DockerSource

    if not isinstance(source, DockerSource):
        return []
    try:
        return await source.tags()
    except AccessDenied:
        log("warning", "Registry disallows tag list retrieval; skipping")
    except RegistryError as error:
        if error.status != 404:
            raise PyskopeoError(f"Error determining repository tags: {error}") from error
        log("warning", "Registry disallows tag list retrieval; skipping")
    return []


def _show(document: dict[str, Any], parsed: Parsed, value: Callable[[], Struct]) -> None:
    if parsed["format"] is None:
        print(dumps(document, indent=4))
        return
    from .inspect_format import print_formatted

    print_formatted(parsed["format"], value(), lambda: dumps(document, indent=4))


def _write(content: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


COMMAND = Command(
    name="inspect",
    arguments="IMAGE-NAME",
    description=(
        'Return low-level information about "IMAGE-NAME" in a registry/transport\n\n'
        f"Supported transports:\n{', '.join(TRANSPORTS)}"
    ),
    examples=(
        "pyskopeo inspect docker://registry.fedoraproject.org/fedora",
        "pyskopeo inspect --config docker://docker.io/alpine",
        'pyskopeo inspect --format "Name: {{.Name}} Digest: {{.Digest}}" docker://registry.access.redhat.com/ubi8',
    ),
    flags=_FLAGS,
    run=run,
)
