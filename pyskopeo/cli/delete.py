"""``pyskopeo delete``."""

from __future__ import annotations

from ..fast_dataclass import dataclass
from .access_options import AUTHFILE, AccessOptions, registry_flags, shared_blob_dir
from .command import Command
from .flags import Flag, Parsed, boolean
from .network_options import NETWORK
from .progress import warnings_only


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """The options of ``delete``."""

    image: str
    tag_only: bool
    access: AccessOptions

    @classmethod
    def of(cls, parsed: Parsed) -> DeleteOptions:
        """Read the options; raises `InvalidInput`."""
        return cls(parsed.arguments[0], parsed.get("tag-only", bool), AccessOptions.of(parsed))


async def run(options: DeleteOptions) -> int:
    """Delete the image; print nothing."""
    from ..api.repositories import delete

    await delete(options.image, tag_only=options.tag_only, access=options.access.access(warnings_only))
    return 0


COMMAND = Command(
    name="delete",
    arguments="IMAGE-NAME",
    description=(
        'Delete "IMAGE-NAME" from a registry: the manifest, and with it every tag of that manifest. The\n'
        "registry frees the space at its next garbage collection. From an OCI layout: the entry in its\n"
        "index, and the blobs that no other image of the layout needs.\n\n"
        "Supported transports:\ndocker, oci"
    ),
    examples=(
        "pyskopeo delete docker://registry.example.com/example/pause:latest",
        "pyskopeo delete --tag-only docker://registry.example.com/example/pause:old",
        "pyskopeo delete oci:images:pause",
    ),
    flags=(
        AUTHFILE,
        *registry_flags(),
        shared_blob_dir(),
        *NETWORK,
        Flag("tag-only", "delete only the tag, if the registry supports it", read=boolean, default=False),
    ),
    read=DeleteOptions.of,
    run=run,
)
