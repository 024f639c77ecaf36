"""``pyskopeo manifest get|put``: single manifests of a registry, byte for byte."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..fast_dataclass import dataclass
from .access_options import AUTHFILE, AccessOptions, registry_flags
from .command import Command, CommandGroup
from .flags import Flag, Parsed, UsageError, boolean
from .logged_events import warnings_only
from .network_options import NETWORK
from .output_flags import OUTPUT, SOURCES, output, sources

if TYPE_CHECKING:
    from ..model.manifest import Manifest
    from ..model.reference import Reference


@dataclass(frozen=True, slots=True)
class GetOptions:
    """The options of ``manifest get``."""

    name: str
    output: Path
    print_digest: bool
    sources: tuple[Reference, ...]
    access: AccessOptions

    @classmethod
    def of(cls, parsed: Parsed) -> GetOptions:
        """Read the options; raises `InvalidInput`."""
        print_digest, path = parsed.get("print-digest", bool), output(parsed)
        if print_digest and path == "-":
            raise UsageError("--print-digest and --output - both write to standard output: name a file")
        if path.endswith("/"):
            raise UsageError(f"--output {path}: want the name of a file, not of a directory")
        return cls(parsed.arguments[0], Path(path), print_digest, sources(parsed), AccessOptions.of(parsed))


async def get(options: GetOptions) -> int:
    """Write the manifest, and print its digest."""
    from ..api.blobs import get_manifest

    manifest = await get_manifest(options.name, sources=options.sources, access=options.access.access(warnings_only))
    _write(manifest, options.output)
    if options.print_digest:
        print(manifest.digest)
    return 0


def _write(manifest: Manifest, path: Path) -> None:
    from ..storage.archive_output import check_output, is_written_directly

    if str(path) == "-":
        from .standard_streams import write_bytes

        write_bytes(manifest.raw)
        return
    check_output(path, replace=True)
    if is_written_directly(path):
        from ..storage.output_file import write_output

        write_output(path, manifest.raw, f"writing {path}")
        return
    from ..storage.files import real_path
    from ..storage.partial_files import write_atomically

    write_atomically(real_path(path), manifest.raw)


@dataclass(frozen=True, slots=True)
class PutOptions:
    """The options of ``manifest put``."""

    name: str
    file: str
    media_type: str
    access: AccessOptions

    @classmethod
    def of(cls, parsed: Parsed) -> PutOptions:
        """Read the options; raises `InvalidInput`."""
        name, file = parsed.arguments
        return cls(name, file, parsed.optional("media-type", str) or "", AccessOptions.of(parsed))


async def put(options: PutOptions) -> int:
    """Write the manifest, and print its digest."""
    from ..api.blobs import put_manifest
    from ..model.strict_json import MANIFEST_LIMIT
    from ..storage.files import read_bounded
    from .standard_streams import read_input

    if options.file == "-":
        raw = read_input(MANIFEST_LIMIT, "reading the manifest")
    else:
        raw = read_bounded(Path(options.file), MANIFEST_LIMIT)
    access = options.access.access(warnings_only)
    print(await put_manifest(options.name, raw, media_type=options.media_type, access=access))
    return 0


_GET = Command(
    name="manifest get",
    arguments="REPOSITORY:TAG|REPOSITORY@DIGEST",
    summary="Download a manifest or an index, byte for byte",
    description=(
        "Download a manifest or an index of a registry, verified by its digest, and write it byte for byte.\n"
        "Other places of the same content are asked first: those of --source, in their order, and the\n"
        "mirrors of registries.conf."
    ),
    examples=(
        "pyskopeo manifest get docker.io/library/alpine@sha256:... --output manifest.json",
        "pyskopeo manifest get docker.io/library/alpine:3.20 --output manifest.json --print-digest",
    ),
    flags=(
        OUTPUT, SOURCES,
        Flag("print-digest", "print the digest to standard output", read=boolean, default=False, group="output"),
        AUTHFILE, *registry_flags(), *NETWORK,
    ),
    read=GetOptions.of,
    run=get,
)  # fmt: skip
_PUT = Command(
    name="manifest put",
    arguments="REPOSITORY[:TAG][@DIGEST] FILE",
    summary="Upload a manifest or an index, byte for byte",
    description=(
        'Upload "FILE", or - for standard input, which is a manifest or an index, byte for byte to a registry,\n'
        "and print its digest. Without a tag it can be pulled by its digest only. With a digest, the file must\n"
        "have it. The blobs and manifests that it refers to must be there: see blob put."
    ),
    examples=(
        "pyskopeo manifest put registry.example.com/team/app:1.2 manifest.json",
        "pyskopeo manifest put registry.example.com/team/app manifest.json",
    ),
    flags=(
        Flag("media-type", "media type of a document that does not state its own", value="TYPE", group="form"),
        AUTHFILE, *registry_flags(), *NETWORK,
    ),
    read=PutOptions.of,
    run=put,
)  # fmt: skip
COMMAND = CommandGroup(
    name="manifest",
    description="Download and upload single manifests of a registry.",
    commands=(_GET, _PUT),
)
