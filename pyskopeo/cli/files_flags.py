"""The flags and options of the commands that read the files of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import prefix_errors
from ..fast_dataclass import dataclass, replace
from ..transports import parse_image_name
from .access_options import AUTHFILE, AccessOptions, access_flags
from .flags import Flag, Parsed, boolean, byte_count
from .logged_events import warnings_only
from .network_options import NETWORK, RANGES
from .platform_flags import CHOOSING, chosen_image
from .preconnect import visits_of

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ..access import Access
    from ..engine.verification import Advance
    from ..model.choice import Choice
    from .preconnect import Visit

PATHS = Flag("path", "only files that match GLOB, and what is in such directories: * and ? match no slash, ** matches "
             "any; can be repeated", value="GLOB", read=lambda text: [text], repeat=True, group="files")  # fmt: skip
FILES = (
    Flag("quiet", "show no progress", short="q", read=boolean, default=False, group="output"),
    Flag("layer", "use only this layer: its number (1 is the base layer, -1 the top), digest or diff ID; can be "
         "repeated", value="LAYER", read=lambda text: [text], repeat=True, group="files"),
    *CHOOSING,
    AUTHFILE,
    *access_flags(),
    *NETWORK,
    *RANGES,
    Flag("max-inflated", "maximum size of all layers that are decompressed, in total, as in 500M or 20G (default: 16G, "
         "or 200 times their stored size if that is more)", value="SIZE", read=byte_count, group="trust"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FilesOptions:
    """What these commands have in common: the image, its ``layers`` that are used, and how it is reached."""

    name: str
    choice: Choice
    layers: tuple[str, ...]
    max_inflated: int | None
    quiet: bool
    access_options: AccessOptions

    @classmethod
    def of(cls, parsed: Parsed) -> FilesOptions:
        """Read the options; raises `InvalidInput`."""
        name = parsed.arguments[0]
        with prefix_errors(f'Error parsing image name "{name}"'):
            parse_image_name(name)
        return cls(
            name,
            chosen_image(parsed),
            parsed.repeated("layer", str),
            parsed.optional("max-inflated", int),
            parsed.get("quiet", bool),
            AccessOptions.of(parsed),
        )

    @property
    def visits(self) -> tuple[Visit, ...]:
        """The image, for `Command.visits`."""
        return visits_of(self.name, self.access_options, judged=True)

    def showing_progress(self) -> AbstractContextManager[Advance]:
        """Show a bar on a terminal while layers are read."""
        from .verification_view import verifying

        return verifying("Reading", quiet=self.quiet)

    def access(self) -> Access:
        """Return the access to the image."""
        access = self.access_options.access(warnings_only)
        return replace(access, storage=replace(access.storage, max_inflated=self.max_inflated))
