"""``pyskopeo copy``."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..access import Writing
from ..engine.plan import Plan
from ..engine.selection import Selection, parse_selection
from ..errors import InvalidName, StorageFailed
from ..interfaces import ImageReference
from ..model.descriptor import Descriptor
from ..model.digest import Digest
from ..model.events import Placement
from ..transports import TRANSPORTS, parse_image_name
from .command import Command
from .flags import Flag, Parsed, UsageError, boolean, integer, listed
from .format_flags import FORM, form
from .options import (
    AUTHFILE,
    NETWORK,
    PLATFORM,
    access,
    access_flags,
    chosen_platform,
)
from .progress import MODES, reporting, size
from .supervision import run_async

_FLAGS = (
    Flag("additional-tag", "one more tag for the image (docker:, docker-archive:, docker-daemon:)", value="[NAME:]TAG",
         read=listed, repeat=True),
    Flag("all", "copy all images if SOURCE-IMAGE is a list", short="a", read=boolean, default=False),
    Flag("multi-arch", "of a list copy 'system', 'all', 'index-only', or OS/ARCH[/VARIANT],...", value="CHOICE"),
    Flag("strip-removed-platforms", "drop the platforms that are not copied from the list", read=boolean,
         default=False),
    PLATFORM,
    AUTHFILE,
    *access_flags("src-"),
    *access_flags("dest-"),
    *FORM,
    Flag("dest-precompute-digests", "find out the digest of a layer that is compressed on the way before it is sent",
         read=boolean, default=False),
    *NETWORK,
    Flag("digestfile", "write the digest of the copied image to PATH", value="PATH"),
    Flag("quiet", "show no progress", short="q", read=boolean, default=False),
    Flag("progress", "how to show progress: " + ", ".join(MODES), value="MODE", default="auto", choices=MODES),
    Flag("dry-run", "print what would be copied, and copy nothing", read=boolean, default=False),
    Flag("image-parallel-copies", "blobs to copy at once (default: up to 6, and 18 small ones)", value="N",
         read=integer, default=0),
    Flag("verify-existing", "hash blobs that are at the destination already, too", read=boolean, default=False),
)  # fmt: skip
# What is to become of a blob. A registry may decline to mount; then it is fetched.
_STATES = {Placement.PRESENT: "present", Placement.MOUNTED: "to mount", Placement.WRITTEN: "to fetch"}


def run(parsed: Parsed) -> int:
    """Copy, then write the digest file."""
    source, destination = parsed.arguments
    names = _parse_names(source, destination, parsed["additional-tag"])
    selection, wanted = _selection(parsed), form(parsed, destination)
    mode = "none" if parsed["quiet"] or parsed["dry-run"] else parsed["progress"]

    async def work() -> int:
        from ..engine.run import CopyOptions, copy

        with reporting(mode) as report:
            reading = access(parsed, "src-", report)
            wishes = Writing(
                additional_tags=tuple(parsed["additional-tag"]),
                verify_existing=parsed["verify-existing"],
                precompute_digests=parsed["dest-precompute-digests"],
            )
            writing = replace(access(parsed, "dest-", report), writing=wishes)
            result = await copy(
                *names,
                CopyOptions(selection, wanted, _jobs(parsed), parsed["dry-run"]),
                source_access=reading,
                destination_access=writing,
                report=report,
            )
        if parsed["dry-run"]:
            _show(result.plan, result.placements)
            return 0
        if parsed["digestfile"]:
            _write_digest(Path(parsed["digestfile"]), str(result.digest))
        return 0

    return run_async(work, parsed["command-timeout"])


def _parse_names(source: str, destination: str, tags: Sequence[str]) -> tuple[ImageReference, ImageReference]:
    """Parse both image names and the additional tags, before anything is opened; raises `InvalidName`."""
    places = []
    for side, name in (("source", source), ("destination", destination)):
        try:
            places.append(parse_image_name(name))
        except InvalidName as error:
            raise InvalidName(f"Invalid {side} name {name}: {error}") from None
    for tag in tags:
        from ..transports import docker, docker_archive

        try:
            if isinstance(places[1], docker.DockerReference):
                docker.parse_additional_tag(tag, places[1].reference)
            else:
                docker_archive.parse_tag(tag)
        except InvalidName as error:
            raise InvalidName(f"error parsing additional-tag '{tag}': {error}") from None
    return places[0], places[1]


def _selection(parsed: Parsed) -> Selection:
    platform = chosen_platform(parsed)
    choice, every = parsed["multi-arch"], parsed["all"]
    if every and choice is not None:
        raise UsageError("Cannot use --all and --multi-arch flags together")
    if parsed["platform"] is not None and (every or choice not in (None, "system")):
        raise UsageError("--platform chooses one image, so it does not go with --all or --multi-arch")
    return parse_selection(
        "all" if every else choice or "system", platform=platform, strip=parsed["strip-removed-platforms"]
    )


def _jobs(parsed: Parsed) -> int | None:
    jobs: int = parsed["image-parallel-copies"]
    if jobs < 0:
        raise UsageError("--image-parallel-copies: want 0 or more")
    return jobs or None


def _write_digest(path: Path, digest: str) -> None:
    try:
        path.write_text(digest)
    except OSError as error:
        raise StorageFailed.of(error, f'Failed to write digest to file "{path}"') from error


def _show(plan: Plan, placements: Mapping[Digest, Placement]) -> None:
    """The plan as a table on standard output."""
    descriptors = plan.all_blobs
    for descriptor in descriptors:
        state = _STATES[placements[descriptor.digest]]
        print(f"{state:<9} {descriptor.digest}  {size(descriptor.size):>10}  {descriptor.media_type}")
    for manifest in (*plan.manifests, plan.root):
        print(f"{'manifest':<9} {manifest.digest}  {size(len(manifest.raw)):>10}  {manifest.media_type}")
    if plan.converted:
        print(f"converted: the image's digest changes from {plan.source}")
    sums = [f"{plan.images} image{'s' * (plan.images != 1)}, {_sum(descriptors)}"]
    for placement in (Placement.WRITTEN, Placement.MOUNTED):
        those = [descriptor for descriptor in descriptors if placements[descriptor.digest] is placement]
        if those or placement is Placement.WRITTEN:
            sums.append(f"{_STATES[placement]}: {_sum(those)}")
    print("; ".join(sums))
    sys.stdout.flush()


def _sum(blobs: Sequence[Descriptor]) -> str:
    total = sum(blob.size for blob in blobs)
    return f"{len(blobs)} blobs, {size(total)} ({total} bytes)"


COMMAND = Command(
    name="copy",
    arguments="SOURCE-IMAGE DESTINATION-IMAGE",
    description=(
        'Container "IMAGE-NAME" uses a "transport":"details" format.\n\n'
        f"Supported transports:\n{', '.join(TRANSPORTS)}"
    ),
    examples=(
        "pyskopeo copy docker://quay.io/skopeo/stable:latest oci:skopeo:latest",
        "pyskopeo copy docker://alpine docker-archive:alpine.tar:alpine:latest",
        "pyskopeo copy --all docker://alpine oci-archive:alpine.tar",
    ),
    flags=_FLAGS,
    run=run,
)
