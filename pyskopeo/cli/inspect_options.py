"""What ``inspect`` is asked for: its images and its flags, as values."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from ..errors import InvalidName, prefix_errors
from ..fast_dataclass import dataclass
from ..interfaces import ImageReference, ImageSource
from ..model.choice import Choice
from ..transports import parse_image_name
from .access_options import AccessOptions
from .command import program
from .flags import Parsed, UsageError
from .platform_flags import chosen_image

if TYPE_CHECKING:
    from ..access import Access
    from ..model.manifest import Manifest


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
