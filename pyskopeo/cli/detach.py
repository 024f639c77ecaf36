"""``pyskopeo detach``: remove what refers to an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import prefix_errors
from ..fast_dataclass import dataclass
from ..http.printable import to_printable
from ..model.choice import Choice
from ..model.digest import Digest
from ..transports import parse_image_name
from .access_options import AUTHFILE, AccessOptions, access_flags
from .command import Command
from .flags import Flag, Parsed, UsageError, boolean, utf8
from .log import emit_notice
from .logged_events import warnings_only
from .network_options import NETWORK
from .platform_flags import CHOOSING, chosen_image, is_chosen

if TYPE_CHECKING:
    from ..api.detachment import DetachedReferrer


@dataclass(frozen=True, slots=True)
class DetachOptions:
    """The options of ``detach``. ``platform`` None is the image or index itself and every image in it."""

    name: str
    digests: tuple[Digest, ...]
    types: tuple[str, ...]
    platform: Choice | None
    dry_run: bool
    access: AccessOptions

    @classmethod
    def of(cls, parsed: Parsed) -> DetachOptions:
        """Read the options; raises `InvalidInput`."""
        name, *digests = parsed.arguments
        with prefix_errors(f'Error parsing image name "{name}"'):
            parse_image_name(name)
        types = tuple(parsed.repeated("type", str))
        if not digests and not types:
            raise UsageError("want the digest of what to detach, or its --type; pyskopeo referrers lists what is there")
        with prefix_errors("DIGEST"):
            parsed_digests = tuple(map(Digest.parse, digests))
        platform = chosen_image(parsed) if is_chosen(parsed) else None
        return cls(
            name, parsed_digests, types, platform, parsed.get("dry-run", bool), AccessOptions.of(parsed)
        )  # fmt: skip


async def run(options: DetachOptions) -> int:
    """Detach, and say on standard error what was detached; in a dry run print it to standard output."""
    from ..api.detachment import detach

    found = await detach(
        options.name,
        digests=options.digests,
        types=options.types,
        platform=options.platform,
        dry_run=options.dry_run,
        access=options.access.access(warnings_only),
    )
    for one in found:
        if options.dry_run:
            print(f"Would detach {_what(one)}")
        else:
            emit_notice(f"Detached {_what(one)}")
    return 0


def _what(one: DetachedReferrer) -> str:
    kind = to_printable(one.referrer.artifact_type) or "unknown type"
    return f"{one.referrer.descriptor.digest} ({kind}) from {one.subject}"


COMMAND = Command(
    name="detach",
    arguments="IMAGE-NAME [DIGEST...]",
    description=(
        'Remove what refers to "IMAGE-NAME", docker://HOST/NAME or oci:DIR, or to an image in its list: the\n'
        'artifacts "DIGEST", or all with a type. What refers to these in turn is removed, too. The image does\n'
        "not change.\n\n"
        "In a registry their manifests are deleted, with all their tags. Without the referrers API they are\n"
        "taken from the index with the tag sha256-HEX first; that is enough if the registry deletes nothing.\n\n"
        "Supported transports:\ndocker, oci"
    ),
    examples=(
        "pyskopeo detach docker://registry.example.com/app:1.4 sha256:...",
        "pyskopeo detach docker://registry.example.com/app:1.4 --type application/spdx+json --dry-run",
        "pyskopeo detach oci:images:app --platform linux/arm64 --type application/spdx+json",
    ),
    flags=(
        Flag("type", "detach what has this artifact type; can be repeated", value="TYPE", read=utf8, repeat=True,
             group="files"),
        Flag("dry-run", "print what would be detached, without changing anything", read=boolean, default=False,
             group="output"),
        *CHOOSING,
        AUTHFILE,
        *access_flags(),
        *NETWORK,
    ),
    read=DetachOptions.of,
    run=run,
)
