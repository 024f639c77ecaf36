"""``pyskopeo inspect``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ..errors import AccessDenied, InvalidName, PyskopeoError, RegistryError, saying
from ..graphs import find_image
from ..image import ImageSource
from ..inspection import read_config, read_facts, zero_time
from ..model.gojson import dumps, sorted_map
from ..transports import TRANSPORTS, parse_image_name
from .command import Command
from .flags import Flag, Parsed, UsageError, boolean
from .log import log
from .options import AUTHFILE, NETWORK, PLATFORM, access, access_flags, chosen_platform
from .progress import warnings_only
from .run import run_async

if TYPE_CHECKING:
    from ..inspection import Inspection
    from ..model.manifest import Manifest

_FLAGS = (
    PLATFORM,
    AUTHFILE,
    *access_flags(""),
    *NETWORK,
    Flag("config", "output the image configuration", read=boolean, default=False),
    Flag("raw", "output the raw manifest, or with --config the raw configuration", read=boolean, default=False),
    Flag("format", "format the output by a Go template", short="f", value="TEMPLATE"),
    Flag("no-tags", "do not list the tags of the repository", short="n", read=boolean, default=False),
)


def run(parsed: Parsed) -> int:
    """Print what is asked for; only that is fetched."""
    if parsed["raw"] and parsed["format"] is not None:
        raise UsageError("raw output does not support format option")
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
            with saying(f'Error parsing image name "{name}"'):
                source = await stack.enter_async_context(reference.open_source(reading))
                root = await source.manifest()
            if parsed["raw"] and not parsed["config"]:
                _write(root.raw)
                return 0
            with saying("Error parsing manifest for image: choosing image instance"):
                manifest = await find_image(source, root, platform)
            if parsed["config"]:
                await _config(source, manifest, parsed)
            else:
                named = reference.reference
                await _facts(source, named.name if named else "", await read_facts(source, root, manifest), parsed)
        return 0

    return run_async(work, parsed["command-timeout"])


async def _config(source: ImageSource, manifest: Manifest, parsed: Parsed) -> None:
    content = await read_config(source, manifest)
    if parsed["raw"]:
        _write(content)
        return
    from ..model.imageconfig import to_oci
    from ..model.strictjson import parse_object

    document = parse_object(to_oci(content), "image configuration")
    if parsed["format"] is None:
        print(dumps(document, indent=4))
        return
    from .inspect_format import config_struct, print_formatted

    print_formatted(parsed["format"], config_struct(document), lambda: dumps(document, indent=4))


async def _facts(source: ImageSource, name: str, inspection: Inspection, parsed: Parsed) -> None:
    tags = [] if parsed["no-tags"] else await _tags(source)
    document = _document(inspection, name, tags)
    if parsed["format"] is None:
        print(dumps(document, indent=4))
        return
    from .inspect_format import facts_struct, print_formatted

    print_formatted(parsed["format"], facts_struct(document), lambda: dumps(document, indent=4))


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


def _document(inspection: Inspection, name: str, tags: list[str]) -> dict[str, Any]:
    """skopeo's fields in skopeo's order."""
    from ..model.gotime import GoTime

    created = inspection.created
    labels = inspection.labels
    document: dict[str, Any] = {"Name": name} if name else {}
    document |= {
        "Digest": str(inspection.digest),
        "RepoTags": tags,
        "Created": GoTime.parse(created).rfc3339() if created else zero_time(inspection),
        "DockerVersion": inspection.docker_version,
        "Labels": None if labels is None else sorted_map(labels),
        "Architecture": inspection.architecture,
        "Os": inspection.os,
        "Layers": [str(layer.digest) for layer in inspection.layers],
        "LayersData": [
            {
                "MIMEType": layer.media_type,
                "Digest": str(layer.digest),
                "Size": layer.size,
                "Annotations": sorted_map(layer.annotations) if layer.annotations else None,
            }
            for layer in inspection.layers
        ],
        "Env": None if inspection.env is None else list(inspection.env),
    }
    return document


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
