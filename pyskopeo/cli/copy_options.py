"""The options of ``copy``, from its command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..access import Access, Writing
from ..engine.plan import Form
from ..engine.selection import Selection, parse_selection
from ..errors import InvalidInput, InvalidName
from ..fast_dataclass import dataclass, replace
from ..interfaces import ImageReference
from ..model.events import Report
from ..model.reference import parse_additional_tag
from ..transports import parse_image_name
from .access_options import AccessOptions
from .command import program
from .content_flags import layers, plan_as_json, reuse
from .encryption_flags import with_encryption
from .flags import Parsed, UsageError
from .format_flags import form
from .layout_output_flags import LayoutOutput
from .platform_flags import chosen_image, refuse_choice
from .referrer_flags import wanted_referrers
from .signing_flags import SigningOptions

if TYPE_CHECKING:
    from ..engine.run import CopyOptions as EngineOptions
    from ..model.referrer import WantedReferrers
    from ..signatures.signer import Signer

_FOR_ONE = ("additional-tag", "digestfile", "receipt")


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """The options of ``copy``.

    There is a destination for each source: several sources have one ``docker-archive:`` in common, or, in a dry run,
    any destination. ``jobs`` is the maximum number of blobs in parallel, None: the default. ``steps`` is whether
    standard output is for skopeo's lines, ``json`` whether the plan of a dry run is printed as JSON.
    """

    sources: tuple[ImageReference, ...]
    destinations: tuple[ImageReference, ...]
    selection: Selection
    form: Form
    writing: Writing
    output: LayoutOutput
    signing: SigningOptions
    source_access: AccessOptions
    destination_access: AccessOptions
    jobs: int | None
    progress: str
    steps: bool
    layers: bool
    dry_run: bool
    json: bool
    digestfile: Path | None
    receipt: Path | None
    referrers: WantedReferrers | None

    @property
    def destination(self) -> ImageReference:
        """The destination of the first source."""
        return self.destinations[0]

    @classmethod
    def of(cls, parsed: Parsed) -> CopyOptions:
        """Read the options; raises `InvalidInput`."""
        additional_tags = parsed.repeated("additional-tag", str)
        *sources, destination = _parse_names(parsed.arguments, additional_tags)
        dry_run = parsed.get("dry-run", bool)
        if len(sources) > 1:
            _check_several(parsed, destination, dry_run=dry_run)
        destinations = [destination] * len(sources)
        if parsed.get("keep-name", bool) and not (len(sources) > 1 and destination.transport == "docker-archive"):
            required = "keep-name" in parsed.given
            destinations = [_with_name_of(source, destination, required=required) for source in sources]
        selection = _selection(parsed)
        output = LayoutOutput.of(parsed, destination.image_name, several=selection.mode != "system")
        return cls(
            sources=tuple(sources),
            destinations=tuple(destinations),
            selection=selection,
            form=with_encryption(output.form(form(parsed, parsed.arguments[-1])), parsed),
            output=output,
            signing=SigningOptions.of(parsed, dry_run=dry_run),
            writing=Writing(
                additional_tags=additional_tags,
                verify_existing=parsed.get("verify-existing", bool),
                precompute_digests=parsed.get("dest-precompute-digests", bool),
                reuse=reuse(parsed),
                platforms=program() != "skopeo",
                tag_platforms=output.tags,
            ),
            source_access=AccessOptions.of(parsed, "src-"),
            destination_access=AccessOptions.of(parsed, "dest-"),
            jobs=_jobs(parsed),
            progress="none" if dry_run or parsed.get("quiet", bool) else parsed.get("progress", str),
            steps=program() == "skopeo" and not _is_standard_output(parsed.arguments[-1]),
            layers=layers(parsed),
            dry_run=dry_run,
            json=plan_as_json(parsed),
            digestfile=parsed.path("digestfile"),
            receipt=None if dry_run else parsed.path("receipt"),
            referrers=wanted_referrers(parsed),
        )


def reading_access(options: CopyOptions, report: Report) -> Access:
    """Return the settings of the source, with the limit for decompressed layers."""
    access = options.source_access.access(report)
    return replace(access, storage=replace(access.storage, max_inflated=options.form.max_inflated))


def writing_access(options: CopyOptions, report: Report) -> Access:
    """Return the settings of the destination."""
    return replace(options.destination_access.access(report), writing=options.writing)


def engine_options(
    options: CopyOptions, signers: tuple[Signer, ...], destination: ImageReference | None = None
) -> EngineOptions:
    """Return the options of one copy; with a ``destination``, a layout, for the profile that is asked for."""
    from ..engine.run import CopyOptions as EngineOptions

    return EngineOptions(
        options.selection, options.form, options.jobs, options.dry_run, options.layers,
        None if destination is None else options.output.wrap(destination), signers, options.signing.identity,
        options.referrers,
    )  # fmt: skip


def _parse_names(names: Sequence[str], tags: Sequence[str]) -> list[ImageReference]:
    """Parse the image names and check the additional tags; raises `InvalidName`, with skopeo's messages.

    Raises `UsageError` for a value of a flag among several names.
    """
    if len(names) > 2 and (stray := next((name for name in names if name in ("true", "false")), None)):
        raise UsageError(f"{stray} is no image name; for a flag that is {stray} write --flag={stray}")
    parsed = []
    for number, name in enumerate(names, 1):
        try:
            parsed.append(parse_image_name(name))
        except InvalidName as error:
            side = "destination" if number == len(names) else "source"
            raise InvalidName(f"Invalid {side} name {name}: {error}") from None
    destination = parsed[-1]
    for tag in tags:
        from ..transports import docker, docker_archive

        try:
            if isinstance(destination, docker.DockerReference):
                parse_additional_tag(tag, destination.reference)
            else:
                docker_archive.parse_tag(tag)
        except InvalidName as error:
            raise InvalidName(f"error parsing additional-tag '{tag}': {error}") from None
    return parsed


def _with_name_of(source: ImageReference, destination: ImageReference, *, required: bool) -> ImageReference:
    """Return a destination without a name with that of the source, in full.

    Where that cannot be it is returned as it is, unless that is ``required``: then raises `UsageError`.
    """
    path, _, name = destination.details.partition(":")
    named, reason = source.reference, ""
    if destination.transport not in ("oci", "oci-archive", "docker-archive"):
        reason = "goes with a destination oci:, oci-archive: or docker-archive:"
    elif name:
        reason = f"goes with a destination without a name, {destination.transport}:{path}"
    elif named is None or not named.tag:
        reason = f"needs a source with a name and a tag, not {source.image_name}"
    else:
        return parse_image_name(f"{destination.transport}:{path}:{named.name}:{named.tag}")
    if required:
        raise UsageError(f"--keep-name {reason}")
    return destination


def _is_standard_output(name: str) -> bool:
    """Return whether the image is an archive that is written to standard output, which then has nothing else."""
    return name.partition(":")[2].partition(":")[0] in ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


def _selection(parsed: Parsed) -> Selection:
    platform = chosen_image(parsed)
    choice, every = parsed.optional("multi-arch", str), parsed.get("all", bool)
    if every and choice is not None:
        raise UsageError("Cannot use --all and --multi-arch flags together")
    if every or choice not in (None, "system"):
        refuse_choice(parsed, "--all or --multi-arch")
    strip = parsed.get("strip-removed-platforms", bool)
    return parse_selection("all" if every else choice or "system", platform=platform, strip=strip)


def _jobs(parsed: Parsed) -> int | None:
    jobs = parsed.get("image-parallel-copies", int)
    if jobs < 0:
        raise UsageError("--image-parallel-copies: want 0 or more")
    return jobs or None


def _check_several(parsed: Parsed, destination: ImageReference, *, dry_run: bool) -> None:
    """Raise `UsageError` and `InvalidInput` unless several images can be copied to ``destination``, or planned."""
    if destination.transport != "docker-archive" and not dry_run:
        raise InvalidInput(
            f"{len(parsed.arguments) - 1} images are copied into one docker-archive:PATH, not to "
            f"{destination.image_name}: see sync for registries, directories and layouts"
        )
    for name in _FOR_ONE:
        if name in parsed.given:
            raise UsageError(f"--{name} is for a single image")
