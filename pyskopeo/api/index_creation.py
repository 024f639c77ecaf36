"""Make a list of images that are in registries, layouts or archives, by image name."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ..access import Access
from ..engine.attachments import check_signatures, signatures_to_copy
from ..engine.graph import read_graph
from ..engine.joined_images import join_images
from ..engine.plan import DEFAULT_FORM, Form
from ..engine.planner import decide
from ..engine.policy_check import check_policy
from ..engine.run import carry_out
from ..engine.selection import Selection
from ..errors import InvalidInput, prefix_errors
from ..model.events import Report, ignore
from ..model.platform import Platform
from ..transports import parse_image_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..interfaces import ImageReference, ImageSource
    from ..model.digest import Digest

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
        for name, reference in references:
            check_policy(reference, reading)
            own, writing = reference.share(target, reading, writing)
            with prefix_errors(f"initializing source {name}"):
                sources.append((name, await stack.enter_async_context(reference.open_source(own))))
        joined = await join_images(sources, annotations)
        return await _copy(joined, target, writing, form, jobs)


async def _copy(
    source: ImageSource, target: ImageReference, access: Access, form: Form, jobs: int | None
) -> Digest:
    with prefix_errors(f"initializing destination {target.image_name}"):
        opened = target.open_destination(access)
    async with opened as writer:
        accepts = replace(writer.accepts, called=target.image_name)
        graph = await read_graph(source, _EVERYTHING, accepts, form, partial(signatures_to_copy, source, form=form))
        check_signatures(graph, accepts)
        return await carry_out(decide(graph, accepts, form), source, writer, jobs=jobs, report=access.report)
