"""What is in a content store, and the results of verifying and pruning one. Sizes are in bytes."""

from __future__ import annotations

from ..fast_dataclass import dataclass
from .digest import Digest


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A blob or a manifest in the store.

    ``used`` is when a copy last needed it, in seconds since the epoch; ``links`` is the number of its names, those in
    layouts included.
    """

    digest: Digest
    size: int
    used: float
    links: int


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An entry of the store's index.

    ``name`` is the image's reference, "" without one, ``digest`` that of its root manifest. ``size`` is the number of
    bytes that the store has of it, ``used`` when it was last needed, in seconds since the epoch. It is ``complete`` if
    the store has everything of the image, or of one of the images of an index.
    """

    name: str
    digest: Digest
    media_type: str
    size: int
    used: float
    complete: bool


@dataclass(frozen=True, slots=True)
class StoreSize:
    """What is in the store, in bytes.

    ``size`` is that of all ``files``; ``linked`` is the part of it that layouts have hard links to, so that removing it
    frees no space, ``unnamed`` the part that belongs to no image in the index. ``partial`` are downloads that are
    running or were interrupted. ``indexes`` are those of what is in layers, which are not part of ``size``.
    """

    images: int
    files: int
    size: int
    linked: int
    unnamed: int
    partial: int
    indexes: int = 0


@dataclass(frozen=True, slots=True)
class StoreVerification:
    """Result of verifying a store: the number of files and their bytes, and those whose content is wrong.

    ``removed`` says whether those were removed. ``wrong_indexes`` are indexes of layers, by the digests of these, that
    are damaged, or that others could have changed.
    """

    files: int
    size: int
    wrong: tuple[StoredFile, ...]
    removed: bool
    wrong_indexes: tuple[StoredFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Pruning:
    """Result of pruning a store: the files and the names of images that were removed, or would be, and what is left.

    ``indexes`` are indexes of layers that were removed, by the digests of these.
    """

    removed: tuple[StoredFile, ...]
    names: tuple[str, ...]
    files: int
    size: int
    indexes: tuple[StoredFile, ...] = ()
