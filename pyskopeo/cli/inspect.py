"""``pyskopeo inspect``."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from ..errors import InvalidName, prefix_errors
from ..fast_dataclass import dataclass
from ..interfaces import ImageReference, ImageSource
from ..model.choice import Choice
from ..model.strict_json import CONFIG_LIMIT
from ..transports import TRANSPORTS, parse_image_name
from .access_options import AUTHFILE, AccessOptions, access_flags
from .command import Command, program
from .flags import Flag, Parsed, UsageError, boolean, utf8
from .network_options import NETWORK
from .platform_flags import CHOOSING, chosen_image
from .progress import warnings_only
from .standard_streams import write_bytes

if TYPE_CHECKING:
    from ..access import Access
    from ..model.manifest import Manifest

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
class NamedImage:
    """An image to inspect; ``name`` is as it was given."""

    name: str
    reference: ImageReference

    @classmethod
    def parse(cls, name: str) -> NamedImage:
        """Parse an image name; raises `InvalidName`."""
        try:
            return cls(name, parse_image_name(name))
        except InvalidName as error:
            raise InvalidName(f'Error parsing image name "{name}": {error}') from None

    @asynccontextmanager
    async def open(self, access: Access) -> AsyncIterator[tuple[ImageSource, Manifest]]:
        """Open the image; yields its source and its root manifest."""
        async with AsyncExitStack() as stack:
            with prefix_errors(f'Error parsing image name "{self.name}"'):
                source = await stack.enter_async_context(self.reference.open_source(access))
                root = await source.manifest()
            yield source, root


@dataclass(frozen=True, slots=True)
class InspectOptions:
    """The options of ``inspect``. ``template`` formats the output, None: as JSON, or with ``summary`` as text.

    ``algorithm`` is that of the printed digest of the manifest, None: that of the configuration's digest.
    """

    images: tuple[NamedImage, ...]
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
        images = tuple(map(NamedImage.parse, parsed.arguments))
        if raw and len(images) > 1:
            raise UsageError("--raw prints the bytes of one document: give one image")
        return cls(
            images=images,
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
    if len(options.images) > 1:
        from .inspect_many import inspect_images

        return await inspect_images(options, access)
    (image,) = options.images
    async with image.open(access) as (source, root):
        if options.raw:
            await _print_raw(source, root, options)
            return 0
        from .inspect_reading import read_shown, show  # loads more than is needed for --raw

        show(await read_shown(source, root, image, options), options)
    return 0


async def _print_raw(source: ImageSource, root: Manifest, options: InspectOptions) -> None:
    if not options.config:
        write_bytes(root.raw)
        return
    from .inspect_reading import find_chosen

    manifest = await find_chosen(source, root, options)
    # Of any type, for an artifact too. Schema 1 has no configuration blob.
    write_bytes(b"" if manifest.config is None else await source.blob(manifest.config).read(CONFIG_LIMIT))


COMMAND = Command(
    name="inspect",
    arguments="IMAGE-NAME...",
    description=(
        'Print information about "IMAGE-NAME": its digest, size, tags, labels, layers and more. On a terminal this\n'
        "is a summary, in a pipe, with --json, or called skopeo it is JSON.\n\n"
        "Of several images each is a line of JSON, in the order of their names, which are in Image. One that cannot\n"
        "be read has an Error, the others are printed all the same, and the exit code is that of the first error.\n\n"
        f"Supported transports:\n{', '.join(TRANSPORTS)}"
    ),
    examples=(
        "pyskopeo inspect docker://registry.fedoraproject.org/fedora",
        "pyskopeo inspect --platforms docker://docker.io/library/alpine",
        "pyskopeo inspect --config docker://docker.io/alpine",
        "pyskopeo inspect docker://docker.io/library/alpine:3.20 docker://docker.io/library/alpine:3.21",
        'pyskopeo inspect --format "Name: {{.Name}} Digest: {{.Digest}}" docker://registry.access.redhat.com/ubi8',
    ),
    flags=_FLAGS,
    read=InspectOptions.of,
    run=run,
)
