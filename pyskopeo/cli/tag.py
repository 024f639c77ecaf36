"""``pyskopeo tag``."""

from __future__ import annotations

from ..fast_dataclass import dataclass
from .access_options import AUTHFILE, AccessOptions, registry_flags
from .command import Command
from .flags import Parsed
from .log import emit_notice
from .logged_events import warnings_only
from .network_options import NETWORK
from .preconnect import visits_of


@dataclass(frozen=True, slots=True)
class TagOptions:
    """The options of ``tag``."""

    image: str
    tags: tuple[str, ...]
    access: AccessOptions

    @classmethod
    def of(cls, parsed: Parsed) -> TagOptions:
        """Read the options; raises `InvalidInput`."""
        image, *tags = parsed.arguments
        return cls(image, tuple(tags), AccessOptions.of(parsed))


async def run(options: TagOptions) -> int:
    """Set the tags, and print to standard error which were written."""
    from ..api.repositories import add_tags

    done = await add_tags(options.image, options.tags, options.access.access(warnings_only))
    if done.written:
        emit_notice(f"Tagged {done.reference.name}@{done.digest}: {', '.join(done.written)}")
    if done.present:
        emit_notice(f"Already tags of {done.reference.name}@{done.digest}: {', '.join(done.present)}")
    return 0


COMMAND = Command(
    name="tag",
    arguments="IMAGE-NAME TAG...",
    description=(
        'Add one or more tags to the image or the list "IMAGE-NAME" in a registry. Its digest does not\n'
        "change, no blobs are transferred, and nothing is sent for a tag that it already has.\n\n"
        "Supported transports:\ndocker"
    ),
    examples=(
        "pyskopeo tag docker://registry.example.com/example/app:1.2.3 1.2 1 latest",
        "pyskopeo tag docker://registry.example.com/example/app@sha256:... stable",
    ),
    flags=(AUTHFILE, *registry_flags(), *NETWORK),
    read=TagOptions.of,
    run=run,
    visits=lambda options: visits_of(options.image, options.access, reading=False),
)
