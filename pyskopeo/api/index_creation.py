"""Make a list of images that are in registries, layouts or archives, by image name."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from ..access import Access
from ..engine.attachments import check_signatures
from ..engine.graph import read_graph
from ..engine.joined_images import JoinedImages, join_images
from ..engine.plan import DEFAULT_FORM, Form
from ..engine.planner import decide
from ..engine.policy_check import ImageCheck, needs_signatures
from ..engine.run import carry_out
from ..engine.selection import Selection
from ..errors import InvalidInput, prefix_errors
from ..fast_dataclass import replace
from ..model.events import Report, ignore
from ..model.platform import Platform
from ..transports import parse_image_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..interfaces import ImageReference, ImageSource
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from ..model.signature import Signature

_EVERYTHING = Selection(Platform("", ""), "all")


async def create_index(
    destination: str,
    images: Sequence[str],
    *,
    annotations: Mapping[str, str] | None = None,
    form: Form = DEFAULT_FORM,
    jobs: int | None = None,
    report: Report = ignore,
    source_access: Access | None = None,
    destination_access: Access | None = None,
) -> Digest:
    """Make a list (an image index) of ``images`` at ``destination``, both image names, and return its digest.

    Each entry has the platform that the image's index or layout states, else that of its configuration. A list among
    ``images`` adds all its entries, attestations included. The images are copied to the destination without names of
    their own; a registry mounts the blobs that it has in other repositories. ``annotations`` are those of the list,
    ``form``, ``jobs``, ``report`` and the accesses as for `copy`.

    Raises `InvalidInput` without an image, and for two different images for one platform; and what `copy` raises.
    """
    if not images:
        raise InvalidInput("a list needs at least one image")
    reading = replace(source_access or Access.from_environ(), report=report)
    writing = replace(destination_access or Access.from_environ(), report=report)
    target = parse_image_name(destination)
    references = [(name, parse_image_name(name)) for name in images]
    reading.policy()  # raises for an invalid policy file before anything is read
    async with AsyncExitStack() as stack:
        sources: list[tuple[str, ImageSource]] = []
        opened: dict[ImageSource, tuple[ImageReference, Access]] = {}
        for name, reference in references:
            needs_signatures(reference, reading)  # raises for an image that is refused before anything is requested
            own, writing = reference.share(target, reading, writing)
            with prefix_errors(f"initializing source {name}"):
                source = await stack.enter_async_context(reference.open_source(own))
            sources.append((name, source))
            opened[source] = reference, own
        joined = await join_images(sources, annotations)
        return await _copy(joined, opened, (target, writing), form, jobs)


async def _copy(
    source: JoinedImages, names: Mapping[ImageSource, tuple[ImageReference, Access]],
    destination: tuple[ImageReference, Access], form: Form, jobs: int | None,
) -> Digest:  # fmt: skip
    """Copy a list whose images are checked by the policy, each as one of its source, which has one of ``names``."""
    target, access = destination

    async def check(manifest: Manifest, descriptor: Descriptor | None) -> tuple[Signature, ...]:
        if descriptor is None:
            # Nobody has signed the new list. Entries of others that are no images are proven by their signatures only.
            for owner, index in source.lists:
                name, reading = names[owner]
                await ImageCheck(name, owner, reading)(index, None)
            return ()
        owner, known_as = source.owner(descriptor)
        name, reading = names[owner]
        return await ImageCheck(name, owner, reading, form)(manifest, known_as)

    with prefix_errors(f"initializing destination {target.image_name}"):
        opened = target.open_destination(access)
    async with opened as writer:
        accepts = replace(writer.accepts, called=target.image_name)
        graph = await read_graph(source, _EVERYTHING, accepts, form, check)
        check_signatures(graph, writer, accepts.called)
        return await carry_out(decide(graph, accepts, form), source, writer, jobs=jobs, report=access.report)
