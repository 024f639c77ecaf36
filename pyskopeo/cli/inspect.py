"""``pyskopeo inspect``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..interfaces import ImageSource
from ..model.strict_json import CONFIG_LIMIT
from ..transports import TRANSPORTS
from .access_options import AUTHFILE, access_flags
from .command import Command
from .flags import Flag, boolean, utf8
from .inspect_options import InspectOptions
from .logged_events import warnings_only
from .network_options import NETWORK
from .platform_flags import CHOOSING
from .preconnect import Visit
from .standard_streams import write_bytes

if TYPE_CHECKING:
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
    visits=lambda options: (Visit(options.images[0].reference, options.access),),
)
