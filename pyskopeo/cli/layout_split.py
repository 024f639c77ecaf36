"""``pyskopeo layout split`` and ``layout link-names``: one layout for each platform, and names for people."""

from __future__ import annotations

import os

from ..errors import InvalidInput
from ..fast_dataclass import dataclass
from .access_options import RESUME, shared_blob_dir
from .command import Command
from .flags import Parsed
from .layout_options import LayoutOptions
from .layout_output_flags import PLATFORM_NAMES
from .verification_view import print_json
from .verify_flags import JSON


@dataclass(frozen=True, slots=True)
class SplitOptions:
    """The options of ``layout split``; ``names`` is one of `platform_names.STYLES`."""

    layout: LayoutOptions
    destination: str
    names: str

    @classmethod
    def of(cls, parsed: Parsed) -> SplitOptions:
        """Read the options."""
        name, destination = parsed.arguments
        return cls(LayoutOptions.named(parsed, name), destination, parsed.get("platform-names", str))


async def split(options: SplitOptions) -> int:
    """Split the list, and print what lies where."""
    from ..api.layout_split import split_layout

    done = await split_layout(
        options.layout.name, options.destination, names=options.names, access=options.layout.access()
    )
    print_json(done.to_json())
    return 0


@dataclass(frozen=True, slots=True)
class LinkNamesOptions:
    """The options of ``layout link-names``; ``time`` is that of the links, None: now."""

    layout: LayoutOptions
    names: str
    time: int | None

    @classmethod
    def of(cls, parsed: Parsed) -> LinkNamesOptions:
        """Read the options; raises `InvalidInput`."""
        return cls(LayoutOptions.of(parsed), parsed.get("platform-names", str), _source_date_epoch())


def _source_date_epoch() -> int | None:
    """Return ``$SOURCE_DATE_EPOCH``, None if it is not set or empty; raises `InvalidInput`."""
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 12):
        raise InvalidInput(f"$SOURCE_DATE_EPOCH is {text[:40]!r}: want a number of seconds")
    return int(text) if text else None


async def link_names(options: LinkNamesOptions) -> int:
    """Make the links, and print them."""
    from ..api.layout_split import link_names

    made = await link_names(
        options.layout.name, names=options.names, time=options.time, access=options.layout.access()
    )
    if options.layout.json:
        print_json({"links": {path: str(digest) for path, digest in made.items()}})
    else:
        for path, digest in made.items():
            print(f"{path}  {digest}")
    return 0


_SHARED = shared_blob_dir()
SPLIT = Command(
    name="layout split",
    arguments="LAYOUT DIRECTORY",
    summary="Write each image of a list into a layout of its own",
    description=(
        'Write each image of the list "LAYOUT", oci:DIR or oci:DIR:NAME, into a layout of its own below\n'
        '"DIRECTORY", oci:DIR, named by its platform. Each has one entry and exactly the blobs of its image, for\n'
        "programs that read one image a layout, such as scanners. Blobs are hard links where the file system\n"
        "allows that. What is no image, such as attestations and SBOMs, is in a further layout, artifacts.\n\n"
        "What lies where is printed as JSON, and written to platforms.json in the directory. See also:\n"
        "copy --split-platforms."
    ),
    examples=(
        "pyskopeo layout split oci:mirror:app oci:by-platform",
        "pyskopeo layout split --platform-names bashbrew oci:app oci:out",
    ),
    flags=(PLATFORM_NAMES, _SHARED, RESUME[0]),
    read=SplitOptions.of,
    run=split,
)
LINK_NAMES = Command(
    name="layout link-names",
    arguments="LAYOUT",
    summary="Make links with names for people to the files of a layout",
    description=(
        'Make relative symbolic links in "LAYOUT", oci:DIR: image-manifest.json, image-config.json and\n'
        "rootfs.tar.gz, or layer-1.tar.gz and so on; of a list image-index.json, and a directory for each\n"
        "platform. Where the layout has several entries, each has a directory below names. Links that are no\n"
        "longer right are replaced or removed; other files stay. Their time is $SOURCE_DATE_EPOCH, if it is set."
    ),
    examples=("pyskopeo layout link-names oci:app", "pyskopeo layout link-names --json oci:mirror"),
    flags=(PLATFORM_NAMES, JSON, _SHARED),
    read=LinkNamesOptions.of,
    run=link_names,
)
