"""``pyskopeo bundle apply``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..fast_dataclass import dataclass
from .access_options import AUTHFILE, RESUME, AccessOptions, registry_flags
from .bundle_views import KEYS
from .command import Command
from .copy_result import CopyNames
from .flags import Flag, Parsed, UsageError, integer
from .network_options import NETWORK
from .progress import PROGRESS, registry_report
from .regex_timeout import bounded
from .signature_flags import read_signature_checks
from .verify_flags import JSON

if TYPE_CHECKING:
    from ..api.signature_verification import SignatureTrust
    from ..bundles.places import BundleTarget

_SHOWN = 3
_FLAGS = (
    Flag("to", "where to put the images: into a registry, below PATH, or into a layout (default: the content store of "
         "--store)", value="docker://HOST[/PATH]|oci:DIR", group="destination"),
    Flag("map", "give images other names: in the full name, HOST/REPOSITORY:TAG, the first match of REGEX is replaced, "
         r"with \1 for a group; the result is the name below --to. Can be repeated: the first rule that matches counts",
         value="REGEX=REPLACEMENT", repeat=True, group="destination"),
    Flag("jobs", "number of images to copy in parallel, which share one limit on blobs (default: 8)", value="N",
         read=integer, default=8, group="network"),
    *KEYS,
    JSON,
    PROGRESS,
    AUTHFILE,
    *registry_flags(),
    *NETWORK,
    *RESUME,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """The options of ``bundle apply``. ``trust`` None: the policy decides."""

    files: tuple[Path, ...]
    target: BundleTarget
    trust: SignatureTrust | None
    jobs: int
    json: bool
    progress: str
    access: AccessOptions

    @classmethod
    def of(cls, parsed: Parsed) -> ApplyOptions:
        """Read the options; raises `InvalidInput`."""
        from ..bundles.places import BundleTarget
        from ..syncing.mapping import Renaming

        jobs = parsed.get("jobs", int)
        if jobs < 1:
            raise UsageError("--jobs: want 1 or more")
        return cls(
            files=tuple(map(Path, parsed.arguments)),
            target=BundleTarget.parse(parsed.optional("to", str) or "", Renaming.parse(parsed.repeated("map", str))),
            trust=read_signature_checks(parsed),
            jobs=jobs,
            json=parsed.get("json", bool),
            progress=parsed.get("progress", str),
            access=AccessOptions.of(parsed),
        )


async def run(options: ApplyOptions) -> int:
    """Apply the bundles, and show what became of each image."""
    from ..bundles.application import ApplyRequest, apply_request
    from ..syncing.sync_request import ReportBuilder
    from .sync_view import show_end, viewing

    request = ApplyRequest(
        options.files, options.target, options.trust, options.jobs, partial(bounded, "renaming images")
    )
    access = options.access.access(registry_report(options.progress))
    shown = ", ".join(map(str, options.files[:_SHOWN]))
    more = f" and {len(options.files) - _SHOWN} more" if len(options.files) > _SHOWN else ""
    names = CopyNames(shown + more, options.target.name)
    builder = ReportBuilder()
    with viewing(options.progress, names, builder) as show:
        applied = await apply_request(request, access=access, report=show)
    if options.json:
        from .verification_view import print_json

        print_json([
            {"name": one.name, "place": one.place, "digest": str(one.digest), "moved": one.moved} for one in applied
        ])  # fmt: skip
    else:
        show_end(options.progress, builder.report)
    return 0


APPLY = Command(
    name="bundle apply",
    arguments="FILE...",
    description=(
        "Put the images of bundles into a registry, a layout or the content store, with what refers to them. In\n"
        "a registry an image keeps the path of its repository, below that of --to, and its tag:\n"
        "docker.io/library/nginx:1.27 becomes HOST/PATH/library/nginx:1.27; in a layout it keeps its full name.\n\n"
        "Of a bundle all parts are needed, in any order. What it was made without, since its base has it, has to\n"
        "be there already, or in another bundle that is given, too; else nothing is written. All blobs are\n"
        "copied and verified before the first image gets its name. What is there is not copied again: after\n"
        "an interruption the same command goes on. The policy is asked as for oci-archive:, once for each bundle."
    ),
    examples=(
        "pyskopeo bundle apply images.bundle --to docker://registry.internal/mirror",
        "pyskopeo bundle apply /media/*/images.bundle.part* --to oci:images",
        r"pyskopeo bundle apply update.bundle --key cosign.pub --to docker://registry.internal --map '^([^/]+)/=\1/'",
        "pyskopeo bundle apply images.bundle --store /srv/images",
    ),
    flags=_FLAGS,
    read=ApplyOptions.of,
    run=run,
    summary="Put the images of bundles into a registry, a layout or the store",
)
