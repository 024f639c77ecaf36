"""The names of images in an archive for ``docker load``, as they follow from their image names."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from ..errors import InvalidName
from ..fast_dataclass import replace
from ..model.reference import Reference
from ..storage.archive_output import is_stream
from ..storage.docker_archive.reader import DockerArchive
from ..storage.scratch import readable_archive
from ..transports.docker_archive import DockerArchiveReference
from ..transports.oci import OciReference
from ..transports.oci_archive import OciArchiveReference

if TYPE_CHECKING:
    from ..access import Access
    from ..interfaces import ImageReference


async def names_in_archive(source: ImageReference, access: Access) -> tuple[Reference, ...]:
    """Return the names, each with a tag, that an image keeps in an archive; none if it has none.

    Of a registry and a daemon: repository and tag. Of another such archive: the name that it is chosen by, else all
    that the archive lists for it. Of an OCI layout: its reference name, below the directory's name if it is a tag only,
    as `sync` names it; of an OCI archive a reference name that is no mere tag. Raises what opening the archive raises.
    """
    if isinstance(source, DockerArchiveReference):
        return (source.name,) if source.name else await _listed_names(source, access)
    if source.reference is not None:
        return (replace(source.reference, digest=None),) if source.reference.tag else ()
    if isinstance(source, OciReference):
        layout = posixpath.basename(posixpath.abspath(source.path))
        return _name(source.name if _is_full(source.name) else f"{layout}:{source.name}")
    if isinstance(source, OciArchiveReference) and _is_full(source.name):
        return _name(source.name)
    return ()


async def _listed_names(source: DockerArchiveReference, access: Access) -> tuple[Reference, ...]:
    if is_stream(source.path):  # can be read once only
        return ()
    async with readable_archive(source.path, access.storage.scratch, access.storage.max_inflated) as index:
        tags = DockerArchive.read(index).choose(None, source.position).tags
    return tuple(dict.fromkeys(name for tag in tags for name in _name(tag)))


def _is_full(name: str) -> bool:
    return "/" in name or ":" in name


def _name(text: str) -> tuple[Reference, ...]:
    try:
        found = Reference.parse(text, default_tag="")
    except InvalidName:
        return ()
    return (found,) if found.tag and found.digest is None else ()
