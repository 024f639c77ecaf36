"""``pyskopeo attach``: files as referrers of an image."""

from __future__ import annotations

from pathlib import Path

from ..errors import prefix_errors
from ..fast_dataclass import dataclass
from ..model.choice import Choice
from ..transports import parse_image_name
from .access_options import AUTHFILE, RESUME, AccessOptions, access_flags
from .command import Command
from .flags import Flag, Parsed, UsageError, utf8
from .log import emit_notice
from .logged_events import warnings_only
from .network_options import NETWORK
from .platform_flags import CHOOSING, annotation, chosen_image, is_chosen


@dataclass(frozen=True, slots=True)
class AttachOptions:
    """The options of ``attach``. ``platform`` None is the image or index itself."""

    name: str
    files: tuple[Path, ...]
    artifact_type: str
    media_type: str
    annotations: tuple[tuple[str, str], ...]
    platform: Choice | None
    access: AccessOptions

    @classmethod
    def of(cls, parsed: Parsed) -> AttachOptions:
        """Read the options; raises `InvalidInput`."""
        from ..model.artifact import check_media_type

        name, *files = parsed.arguments
        with prefix_errors(f'Error parsing image name "{name}"'):
            parse_image_name(name)
        kind, media_type = parsed.optional("type", str) or "", parsed.optional("media-type", str) or ""
        if not kind:
            raise UsageError("--type is required: what the file is, as a media type, such as application/spdx+json")
        with prefix_errors("--type"):
            check_media_type(kind)
        if media_type:
            with prefix_errors("--media-type"):
                check_media_type(media_type)
        if files.count("-") > 1:
            raise UsageError("standard input, -, is there once only")
        platform = chosen_image(parsed) if is_chosen(parsed) else None
        annotations = tuple(parsed.repeated("annotation", tuple))
        return cls(
            name, tuple(map(Path, files)), kind, media_type, annotations, platform, AccessOptions.of(parsed)
        )  # fmt: skip


async def run(options: AttachOptions) -> int:
    """Attach the files, and print the digest of the manifest that refers to the image."""
    from ..api.artifacts import attach

    manifest = await attach(
        options.name,
        options.files,
        artifact_type=options.artifact_type,
        media_type=options.media_type,
        annotations=dict(options.annotations),
        platform=options.platform,
        access=options.access.access(warnings_only),
    )
    print(manifest.digest)
    if manifest.subject is not None:
        emit_notice(f"Attached to {manifest.subject.digest}")
    return 0


COMMAND = Command(
    name="attach",
    arguments="IMAGE-NAME FILE...",
    description=(
        'Attach "FILE", or - for standard input, to "IMAGE-NAME", docker://HOST/NAME or oci:DIR: a list of\n'
        "packages, a signature or any other file. It is uploaded as an artifact that refers to the image, which\n"
        "does not change. Prints the digest of the artifact's manifest; the same files give the same one.\n\n"
        "With a list of images, files are attached to the list itself, or with --platform to one image in it.\n"
        "A registry without the referrers API gets an entry in the index with the tag sha256-HEX.\n\n"
        "Supported transports:\ndocker, oci"
    ),
    examples=(
        "pyskopeo attach docker://registry.example.com/app:1.4 sbom.spdx.json --type application/spdx+json",
        "pyskopeo attach oci:images:app --platform linux/arm64 app.cdx.json --type application/vnd.cyclonedx+json",
        "pyskopeo attach oci:images:app - --type application/spdx+json < app.spdx.json",
    ),
    flags=(
        Flag("type", "what the files are: the artifact type, by which they are found", value="TYPE", read=utf8,
             group="form"),
        Flag("media-type", "media type of the files' content (default: TYPE of --type)", value="TYPE", read=utf8,
             group="form"),
        Flag("annotation", "annotation of the artifact; can be repeated", value="NAME=VALUE", read=annotation,
             repeat=True, group="form"),
        *CHOOSING,
        AUTHFILE,
        *access_flags(),
        *NETWORK,
        *RESUME,
    ),
    read=AttachOptions.of,
    run=run,
)  # fmt: skip
