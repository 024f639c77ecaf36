"""``pyskopeo blob get|put``: single blobs of a registry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..fast_dataclass import dataclass
from .access_options import AUTHFILE, RESUME, AccessOptions, registry_flags
from .command import Command, CommandGroup
from .flags import Parsed
from .logged_events import warnings_only
from .network_options import NETWORK, RANGES
from .output_flags import OUTPUT, SOURCES, output, outputs, sources
from .terminal import has_cursor_control

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model.reference import Reference


@dataclass(frozen=True, slots=True)
class GetOptions:
    """The options of ``blob get``; ``outputs`` are the files by the names of their blobs."""

    outputs: Mapping[str, Path]
    sources: tuple[Reference, ...]
    access: AccessOptions

    @classmethod
    def of(cls, parsed: Parsed) -> GetOptions:
        """Read the options; raises `InvalidInput`."""
        names = tuple(dict.fromkeys(parsed.arguments))
        return cls(outputs(output(parsed), names), sources(parsed), AccessOptions.of(parsed))


async def get(options: GetOptions) -> int:
    """Write the blobs."""
    from ..api.blobs import get_blobs
    from ..storage.files import storage_errors

    for parent in {path.parent for path in options.outputs.values()}:
        with storage_errors(f"creating {parent}"):
            parent.mkdir(parents=True, exist_ok=True)
    access = options.access.access(warnings_only)
    if not has_cursor_control() or Path("-") in options.outputs.values():  # a bar would be between what a reader prints
        await get_blobs(options.outputs, sources=options.sources, access=access)
        return 0
    from .verification_view import verifying

    with verifying("Downloading") as advance:
        await get_blobs(options.outputs, sources=options.sources, access=access, advance=advance)
    return 0


@dataclass(frozen=True, slots=True)
class PutOptions:
    """The options of ``blob put``."""

    name: str
    file: Path
    access: AccessOptions

    @classmethod
    def of(cls, parsed: Parsed) -> PutOptions:
        """Read the options; raises `InvalidInput`."""
        name, file = parsed.arguments
        return cls(name, Path(file), AccessOptions.of(parsed))


async def put(options: PutOptions) -> int:
    """Upload the file, and print its digest."""
    from ..api.blob_content import put_blob

    descriptor = await put_blob(options.name, options.file, access=options.access.access(warnings_only))
    print(descriptor.digest)
    return 0


_GET = Command(
    name="blob get",
    arguments="REPOSITORY@DIGEST...",
    summary="Download blobs by their digests, verified",
    description=(
        "Download blobs of a registry to files. A file gets its name when it is complete and verified; an\n"
        "interrupted download is continued by the next run, and a file that is the blob already is not\n"
        "requested. Other places of the same content are asked first: those of --source, in their order,\n"
        "and the mirrors of registries.conf.\n\n"
        "For several blobs, --output is a directory (its path ends with /, or it is there), in which each is\n"
        "named by its hexadecimal digits, or a path with {hex}, and {algorithm}, in it.\n\n"
        "With --output - the bytes are written as they arrive. If they turn out to be wrong, the exit code is\n"
        "not 0, and they must not be used. With --store they are verified before."
    ),
    examples=(
        "pyskopeo blob get docker.io/library/alpine@sha256:... --output layer.tar.gz",
        "pyskopeo blob get quay.io/team/app@sha256:... --source team/app@mirror.example.com --output - | tar tz",
        "pyskopeo blob get quay.io/team/app@sha256:... quay.io/team/app@sha256:... --output 'blobs/{algorithm}/{hex}'",
    ),
    flags=(OUTPUT, SOURCES, AUTHFILE, *registry_flags(), *NETWORK, *RANGES, *RESUME),
    read=GetOptions.of,
    run=get,
)
_PUT = Command(
    name="blob put",
    arguments="REPOSITORY[@DIGEST] FILE",
    summary="Upload a file as a blob",
    description=(
        'Upload "FILE", or - for standard input, to a repository of a registry, unless the blob is there, and\n'
        "print its digest. With a digest, the file must have it. An interrupted upload of a large file is\n"
        "continued by the next run, where the registry supports that."
    ),
    examples=(
        "pyskopeo blob put registry.example.com/team/app layer.tar.gz",
        "zstd -c layer.tar | pyskopeo blob put registry.example.com/team/app -",
    ),
    flags=(AUTHFILE, *registry_flags(), *NETWORK, *RESUME),
    read=PutOptions.of,
    run=put,
)
COMMAND = CommandGroup(
    name="blob",
    description="Download and upload single blobs of a registry.",
    commands=(_GET, _PUT),
)
