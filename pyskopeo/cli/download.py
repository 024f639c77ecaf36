"""``pyskopeo download``: the files that are attached to an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import prefix_errors
from ..fast_dataclass import dataclass
from ..http.printable import to_printable
from ..model.choice import Choice
from ..model.digest import Digest
from ..transports import parse_image_name
from .access_options import AUTHFILE, RESUME, AccessOptions, access_flags
from .command import Command
from .flags import Flag, Parsed, UsageError, utf8
from .logged_events import warnings_only
from .network_options import NETWORK
from .platform_flags import CHOOSING, chosen_image, is_chosen
from .verification_view import print_json
from .verify_flags import JSON

if TYPE_CHECKING:
    from typing import Any

    from ..api.artifacts import AttachedFile


@dataclass(frozen=True, slots=True)
class DownloadOptions:
    """The options of ``download``. ``platform`` None is the image or index itself and every image in it."""

    name: str
    digests: tuple[Digest, ...]
    types: tuple[str, ...]
    platform: Choice | None
    output: str
    json: bool
    access: AccessOptions

    @classmethod
    def of(cls, parsed: Parsed) -> DownloadOptions:
        """Read the options; raises `InvalidInput`."""
        name, *digests = parsed.arguments
        with prefix_errors(f'Error parsing image name "{name}"'):
            parse_image_name(name)
        with prefix_errors("DIGEST"):
            parsed_digests = tuple(map(Digest.parse, digests))
        types, output = tuple(parsed.repeated("type", str)), parsed.optional("output", str) or "./"
        if not digests and not types:
            raise UsageError("want a digest or a --type; pyskopeo referrers lists what is there")
        as_json = parsed.get("json", bool)
        if as_json and output == "-":
            raise UsageError("--json and --output - both write to standard output: name a file")
        platform = chosen_image(parsed) if is_chosen(parsed) else None
        return cls(name, parsed_digests, types, platform, output, as_json, AccessOptions.of(parsed))

    @property
    def is_directory(self) -> bool:
        """Whether the files are written into a directory, by their names."""
        return self.output.endswith("/") or Path(self.output).is_dir()


async def run(options: DownloadOptions) -> int:
    """Write the files, and print where they are."""
    from ..api.artifacts import download

    found = await download(
        options.name,
        Path(options.output),
        types=options.types,
        digests=options.digests,
        directory=options.is_directory,
        platform=options.platform,
        access=options.access.access(warnings_only),
    )
    if options.json:
        print_json([_as_json(one) for one in found])
    elif options.output != "-":
        for one in found:
            print(f"{to_printable(str(one.path))}  {to_printable(one.artifact_type) or '-'}  {one.referrer}")
    return 0


def _as_json(one: AttachedFile) -> dict[str, Any]:
    return {
        "path": str(one.path), **one.descriptor.brief_json(), "artifactType": one.artifact_type,
        "referrer": str(one.referrer), "subject": str(one.subject),
    }  # fmt: skip


COMMAND = Command(
    name="download",
    arguments="IMAGE-NAME [DIGEST...]",
    description=(
        'Download the files that are attached to "IMAGE-NAME", docker://HOST/NAME, oci:DIR or oci-archive:FILE,\n'
        'or to an image in its list: those of a type, such as its lists of packages, or of the artifacts "DIGEST",\n'
        "as pyskopeo referrers lists them. Prints where each file is. All are verified.\n\n"
        "In a directory they have the names with which they were attached; if several have one name, digests\n"
        "precede it. No file there is overwritten. A single file may get another name, or go to a pipe.\n\n"
        "Supported transports:\ndocker, oci, oci-archive"
    ),
    examples=(
        "pyskopeo download docker://registry.example.com/app:1.4 --type application/spdx+json --output sboms/",
        "pyskopeo download docker://registry.example.com/app:1.4 --platform linux/arm64 --type application/spdx+json",
        "pyskopeo download oci:images:app sha256:... --output - | jq .",
    ),
    flags=(
        Flag("type", "download what has this artifact type; can be repeated", value="TYPE", read=utf8, repeat=True,
             group="files"),
        Flag("output", "directory to write to (its path ends with /, or it is there), file for the only one, or - for "
             "standard output (default: ./)", short="o", value="PATH", group="output"),
        JSON,
        *CHOOSING,
        AUTHFILE,
        *access_flags(),
        *NETWORK,
        *RESUME,
    ),
    read=DownloadOptions.of,
    run=run,
)  # fmt: skip
