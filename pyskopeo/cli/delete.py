"""``pyskopeo delete``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..fast_dataclass import dataclass
from .access_options import AUTHFILE, AccessOptions, access_flags
from .command import Command, program
from .flags import Flag, Parsed, boolean
from .log import emit_notice
from .logged_events import warnings_only
from .network_options import NETWORK
from .preconnect import visits_of
from .quantities import size

if TYPE_CHECKING:
    from ..api.deletion import Deletion
    from ..storage.layout_deletion import LayoutDeletion

# Of each tag it is asked what it refers to, before a deletion takes it away.
_MAX_TAGS = 100


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """The options of ``delete``. ``as_skopeo`` is whether it sends and prints no more than skopeo does."""

    image: str
    tag_only: bool
    dry_run: bool
    as_skopeo: bool
    access: AccessOptions

    @classmethod
    def of(cls, parsed: Parsed) -> DeleteOptions:
        """Read the options; raises `InvalidInput`."""
        image, dry_run = parsed.arguments[0], parsed.get("dry-run", bool)
        as_skopeo = program() == "skopeo" and not dry_run
        return cls(image, parsed.get("tag-only", bool), dry_run, as_skopeo, AccessOptions.of(parsed))


async def run(options: DeleteOptions) -> int:
    """Delete the image, and print to standard error what was deleted; in a dry run print it to standard output."""
    from ..api.deletion import delete_from_layout, delete_from_registry

    access = options.access.access(warnings_only)
    if options.image.partition(":")[0] == "oci":
        deletion = await delete_from_layout(options.image, access, tag_only=options.tag_only, dry_run=options.dry_run)
        _show_layout_deletion(options, deletion)
        return 0
    deleted = await delete_from_registry(
        options.image,
        access,
        tag_only=options.tag_only,
        dry_run=options.dry_run,
        find_tags=not options.as_skopeo,
        max_tags=None if options.dry_run else _MAX_TAGS,
        default_tag="latest" if options.as_skopeo else "",
    )
    if options.as_skopeo:
        return 0
    if options.dry_run:
        print(f"Would delete {_what(deleted)}")
    else:
        emit_notice(f"Deleted {_what(deleted)}")
    return 0


def _show_layout_deletion(options: DeleteOptions, deletion: LayoutDeletion) -> None:
    digests = ", ".join(dict.fromkeys(str(entry.digest) for entry in deletion.entries))
    number, total = len(deletion.blobs), size(sum(count for _, count in deletion.blobs))
    what = f"{options.image}, {digests}, and {number} blob{'s' * (number != 1)} that nothing else needs, {total}"
    if options.dry_run:
        print("\n".join([f"Would delete {what}", *(f"{digest} {size(count)}" for digest, count in deletion.blobs)]))
    elif not options.as_skopeo:
        emit_notice(f"Deleted {what}")


def _what(deletion: Deletion) -> str:
    name = deletion.reference.name
    if deletion.digest is None:
        return f"the tag {deletion.reference.tag} of {name}"
    if deletion.tags is None:
        return f"{name}@{deletion.digest}, with all its tags"
    tags = f"its tag{'s' * (len(deletion.tags) != 1)} {', '.join(deletion.tags)}" if deletion.tags else "no tag"
    return f"{name}@{deletion.digest}, with {tags}"


COMMAND = Command(
    name="delete",
    arguments="IMAGE-NAME",
    description=(
        'Delete "IMAGE-NAME", which has a tag or a digest, from a registry: the manifest, and with it every\n'
        "tag of that manifest. The registry frees the space at its next garbage collection. From an OCI\n"
        "layout: the entry in its index, and the blobs that no other image of the layout needs.\n\n"
        "Supported transports:\ndocker, oci"
    ),
    examples=(
        "pyskopeo delete docker://registry.example.com/example/pause:latest",
        "pyskopeo delete --dry-run docker://registry.example.com/example/pause@sha256:...",
        "pyskopeo delete --tag-only docker://registry.example.com/example/pause:old",
        "pyskopeo delete oci:images:pause",
        "pyskopeo delete --dry-run oci:images:pause",
    ),
    flags=(
        AUTHFILE,
        *access_flags(),
        *NETWORK,
        Flag("dry-run", "print what would be deleted, with all tags, or the blobs of a layout, without deleting it",
             read=boolean, default=False, group="output"),
        Flag("tag-only", "delete only the tag, if the registry supports it", read=boolean, default=False,
             group="images"),
    ),
    read=DeleteOptions.of,
    run=run,
    visits=lambda options: visits_of(options.image, options.access, reading=False),
)
