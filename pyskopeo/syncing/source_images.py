"""Images at a source by their names: in a registry, a directory or an OCI layout; no I/O."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from ..errors import InvalidDigest, InvalidName
from ..fast_dataclass import dataclass, replace
from ..model.digest import Digest
from ..model.platform import Platform
from ..model.reference import Reference, is_tag
from .destination_names import familiar_name

if TYPE_CHECKING:
    from ..registry.tag_pages import ListedManifest


@dataclass(frozen=True, slots=True)
class SourceImage:
    """An image at a source.

    ``source`` is its image name (``transport:details``). ``path`` is what its name at the destination is made from, see
    `destination_name`. ``repository`` and ``tag`` are what a `TagSelection` applies to; the tag is "" where the image
    has only a digest. ``pinned`` is the digest in its name, if there is one. ``reference`` is its name in a registry,
    None for other sources. ``name`` and ``platforms`` are what a YAML file says about it in a lock file. ``listed`` is
    what the registry's list of tags says about its manifest, if it was asked for that.
    """

    source: str
    path: str
    repository: str
    tag: str
    pinned: Digest | None = None
    reference: Reference | None = None
    name: str = ""
    platforms: tuple[Platform, ...] = ()
    listed: ListedManifest | None = None


def from_registry(
    reference: Reference, name: str = "", platforms: tuple[Platform, ...] = (), listed: ListedManifest | None = None
) -> SourceImage:
    """Return the image of a registry that a reference names; see `SourceImage` for the other arguments.

    With a tag and a digest, the tag is its name at the destination.
    """
    shown = replace(reference, digest=None) if reference.tag else reference
    return SourceImage(
        f"docker://{familiar_name(reference)}", str(shown), reference.name, reference.tag, reference.digest,
        reference, name, platforms, listed,
    )  # fmt: skip


def from_directory(root: str, path: str) -> SourceImage:
    """Return the image in the directory ``path`` below ``root``; "" is ``root`` itself."""
    source = posixpath.normpath(posixpath.join(root, path)) if path else root
    path = path or posixpath.basename(posixpath.abspath(root))
    repository, tag = _split(path)
    return SourceImage(f"dir:{source}", path, repository, tag)


def from_archive(path: str, name: Reference) -> SourceImage:
    """Return the image ``name`` in the archive of ``docker save`` at ``path``."""
    return SourceImage(f"docker-archive:{path}:{name}", str(name), name.name, name.tag)


def from_layout(root: str, name: str, digest: Digest, position: int | None, *, keep: bool) -> SourceImage:
    """Return an image of an OCI layout, by its reference ``name``, or by its ``position`` if it has none.

    A name that is only a tag gets the layout's directory as its repository, unless ``keep`` is set, for destinations
    that are layouts themselves.
    """
    layout = posixpath.basename(posixpath.abspath(root))
    if not name:
        source = f"oci:{root}" if position is None else f"oci:{root}:@{position}"
        return SourceImage(source, f"{layout}@{digest}", layout, "", digest)
    bare = not any(character in name for character in "/:@")
    path = f"{layout}:{name}" if bare and not keep else name
    repository, tag = (layout, name) if bare else _split(name)
    return SourceImage(f"oci:{root}:{name}", path, repository, tag)


def _split(path: str) -> tuple[str, str]:
    """Return repository and tag of ``a/b:tag``; the tag is "" for ``a/b`` and ``a/b@digest``."""
    head, slash, last = path.rpartition("/")
    name, colon, tag = last.partition(":")
    if "@" in name or not colon:
        return head + slash + last.partition("@")[0], ""
    return head + slash + name, tag


def parse_tag_or_digest(repository: Reference, item: str) -> Reference:
    """Return the reference for a tag or a digest of a repository, or for ``tag@digest``; raises `InvalidName`."""
    tag, at, rest = item.partition("@")
    try:
        digest = Digest.parse(rest if at else item)
    except InvalidDigest:
        if at or not is_tag(item):
            raise InvalidName(f"{ascii(item)[:200]} is neither a tag nor a digest") from None
        return replace(repository, tag=item)
    if at and not is_tag(tag):
        raise InvalidName(f"{ascii(item)[:200]} is neither a tag nor a digest")
    if not digest.verifiable:
        raise InvalidName(f"unsupported digest algorithm {digest.algorithm}")
    return replace(repository, tag=tag if at else "", digest=digest)
