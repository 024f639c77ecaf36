"""Contents of single blobs: streamed from a registry to the program, and put into one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ..access import Access
from ..engine.policy_check import check_policy
from ..errors import ContentMismatch, InvalidName
from ..fast_dataclass import replace
from ..model.descriptor import UNKNOWN_SIZE, Descriptor
from ..model.digest import Digest
from ..streams.memory_blob import in_memory
from ..streams.progress import uncounted
from ..transports.docker import DockerReference, open_repository
from .blobs import access_for_file, parse_blob_name, parse_name, store_file

if TYPE_CHECKING:
    from pathlib import Path

_TYPE = "application/octet-stream"


@asynccontextmanager
async def open_blob(name: str, *, access: Access | None = None) -> AsyncIterator[AsyncIterator[bytes]]:
    """Stream the blob ``[docker://]REPOSITORY@DIGEST``, as an async context manager around its chunks.

    ::

        async with pyskopeo.open_blob(name) as chunks:
            async for chunk in chunks:
                ...

    Chunks have up to 1 MiB, and few of them are in memory. They are handed out as they arrive: that the content is what
    the digest says is known when the iteration has ended, and after an error none of them must be used. Leaving the
    context early ends the download.

    The signature policy must accept the repository. Raises `InvalidName`, `NotFound`, `PolicyRejected`, `Offline` and
    `NetworkError`; the iteration raises `ContentMismatch` and `NetworkError`.
    """
    from .blob_chunks import open_chunks

    reference, access = parse_blob_name(name), access or Access.from_environ()
    check_policy(DockerReference(f"//{reference}", reference), access)
    assert reference.digest is not None
    async with open_repository(reference, access) as source:
        descriptor = Descriptor(_TYPE, reference.digest, UNKNOWN_SIZE)
        size = await source.blob_size(descriptor)
        async with open_chunks(source.blob(replace(descriptor, size=size))) as chunks:
            yield chunks


async def put_blob(name: str, file: Path | bytes, *, access: Access | None = None) -> Descriptor:
    """Upload a file, or ``-`` for standard input, or bytes to ``REPOSITORY[@DIGEST]`` unless it is there.

    The content must have the digest, if one is given. Returns its descriptor. Raises `InvalidName`, `ContentMismatch`,
    `NotFound`, `StorageFailed` and `NetworkError`.
    """
    reference, access = parse_name(name), access or Access.from_environ()
    if reference.tag:
        raise InvalidName(f"{name}: a blob has no tag: want REPOSITORY or REPOSITORY@DIGEST")
    repository = replace(reference, digest=None)
    named = DockerReference(f"//{repository}", repository)
    if not isinstance(file, bytes):
        async with named.open_destination(access_for_file(access, file)) as destination:
            return await store_file(destination, file, reference.digest)
    descriptor = _describe(file, reference.digest)
    async with named.open_destination(access) as destination:
        await destination.put_blob(in_memory(descriptor, file), uncounted)
    return descriptor


def _describe(content: bytes, expected: Digest | None) -> Descriptor:
    found = Digest.of(content, expected.algorithm if expected else "sha256")
    if expected not in (None, found):
        raise ContentMismatch(
            f"digest mismatch: want {expected}, got {found}", expected=str(expected), actual=str(found)
        )
    return Descriptor(_TYPE, found, len(content))
