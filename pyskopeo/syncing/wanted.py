"""What is wanted from a source, as values: pure."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import replace

from ..errors import InvalidDigest, InvalidName
from ..fast_dataclass import dataclass
from ..model.digest import Digest
from ..model.reference import Reference, is_tag
from ..model.semver import Version, VersionRange
from .choosing import compile_pattern
from .naming import familiar


@dataclass(frozen=True, slots=True)
class Wanted:
    """An image at the source: its image name, and its ``path``, of which its name at the destination is made.

    ``repository`` and ``tag`` are what it can be chosen by; the tag is "" where there is only a digest.
    """

    source: str
    path: str
    repository: str
    tag: str
    pinned: Digest | None = None


def from_registry(reference: Reference) -> Wanted:
    return Wanted(
        f"docker://{familiar(reference)}", str(reference), reference.name, reference.tag, reference.digest
    )


def from_directory(root: str, path: str) -> Wanted:
    """The image in the directory ``path`` below ``root``; "" is the root itself."""
    source = posixpath.normpath(posixpath.join(root, path)) if path else root
    path = path or posixpath.basename(posixpath.abspath(root))
    repository, tag = _split(path)
    return Wanted(f"dir:{source}", path, repository, tag)


def from_layout(root: str, name: str, digest: Digest, position: int | None, *, keep: bool) -> Wanted:
    """An image of a layout: by its reference ``name``, or by its ``position`` where it has none.

    A name that is a tag alone belongs to a repository named as the layout's directory, unless the
    destination is a layout as well: with ``keep`` names stay what they are.
    """
    layout = posixpath.basename(posixpath.abspath(root))
    if not name:
        source = f"oci:{root}" if position is None else f"oci:{root}:@{position}"
        return Wanted(source, f"{layout}@{digest}", layout, "", digest)
    bare = not any(character in name for character in "/:@")
    path = f"{layout}:{name}" if bare and not keep else name
    repository, tag = (layout, name) if bare else _split(name)
    return Wanted(f"oci:{root}:{name}", path, repository, tag)


def _split(path: str) -> tuple[str, str]:
    """Repository and tag of ``a/b:tag``; a digest is no tag."""
    head, slash, last = path.rpartition("/")
    name, colon, tag = last.partition(":")
    if "@" in name or not colon:
        return head + slash + last.partition("@")[0], ""
    return head + slash + name, tag


def parse_item(repository: Reference, item: str) -> Reference:
    """A tag or a digest of a repository; raises `InvalidName`."""
    try:
        digest = Digest.parse(item)
    except InvalidDigest:
        if not is_tag(item):
            raise InvalidName(f"{ascii(item)[:200]} is neither a tag nor a digest") from None
        return replace(repository, tag=item)
    if not digest.verifiable:
        raise InvalidName(f"unsupported digest algorithm {digest.algorithm}")
    return replace(repository, digest=digest)


def matching_pattern(pattern: str) -> Callable[[str], bool]:
    """Whether an expression is found in a tag; raises `InvalidInput`."""
    compiled = compile_pattern(pattern)
    return lambda tag: compiled.search(tag) is not None


def matching_versions(text: str) -> Callable[[str], bool]:
    """Whether a tag is a version in a range; raises `InvalidInput`."""
    wanted = VersionRange.parse(text)

    def keep(tag: str) -> bool:
        version = Version.parse(tag)
        return version is not None and version in wanted

    return keep
