"""``pyskopeo verify``."""

from __future__ import annotations

from ..errors import prefix_errors
from ..fast_dataclass import dataclass
from ..model.choice import Choice
from ..transports import TRANSPORTS, parse_image_name
from .access_options import AUTHFILE, AccessOptions, access_flags
from .command import Command
from .flags import Flag, Parsed, boolean
from .network_options import NETWORK
from .platform_flags import CHOOSING, chosen_image, is_chosen, refuse_choice
from .progress import warnings_only
from .verification_view import print_report, verifying
from .verify_flags import VERIFYING, VerifyFlags


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """The options of ``verify``. ``platform`` is the one that was asked for, None: see `api.verification.verify`."""

    name: str
    platform: Choice | None
    all_platforms: bool
    verifying: VerifyFlags
    access: AccessOptions

    @classmethod
    def of(cls, parsed: Parsed) -> VerifyOptions:
        """Read the options; raises `InvalidInput`."""
        (name,) = parsed.arguments
        with prefix_errors(f'Error parsing image name "{name}"'):
            parse_image_name(name)
        every = parsed.get("all", bool)
        if every:
            refuse_choice(parsed, "--all")
        platform = chosen_image(parsed) if is_chosen(parsed) and not every else None
        return cls(name, platform, every, VerifyFlags.of(parsed), AccessOptions.of(parsed))


async def run(options: VerifyOptions) -> int:
    """Verify the image, and print the result."""
    from ..api.verification import verify

    flags = options.verifying
    with verifying(quiet=flags.quiet) as advance:
        report = await verify(
            options.name,
            deep=flags.deep,
            platform=options.platform,
            all_platforms=options.all_platforms,
            sparse=flags.sparse,
            layers=flags.layers,
            max_inflated=flags.max_inflated,
            access=options.access.access(warnings_only),
            advance=advance,
        )
    return print_report(report, as_json=flags.json)


COMMAND = Command(
    name="verify",
    arguments="IMAGE-NAME",
    description=(
        "Verify an image without storing it: every manifest, configuration and layer is read and compared\n"
        "with its digest, size and media type. From a registry or a Docker daemon that is the image for this\n"
        "machine, or with --all every image of a list. Of oci:DIR, oci-archive:FILE and docker-archive:FILE\n"
        "all images are verified, with :NAME one; see also: layout verify.\n\n"
        "Each fault is a line on standard error; the exit code is 1 then. The report with all faults is\n"
        "printed as JSON to standard output, unless that is a terminal; with --json in any case.\n\n"
        f"Supported transports:\n{', '.join(TRANSPORTS)}"
    ),
    examples=(
        "pyskopeo verify docker://quay.io/skopeo/stable:latest",
        "pyskopeo verify --all --deep docker://registry.example.com/team/app:1.4",
        "pyskopeo verify oci:images:app",
        "pyskopeo verify --json docker-archive:app.tar",
    ),
    flags=(
        *VERIFYING,
        Flag("all", "verify every image of a list, not only that of one platform", short="a", read=boolean,
             default=False),
        *CHOOSING,
        AUTHFILE,
        *access_flags(),
        *NETWORK,
    ),
    read=VerifyOptions.of,
    run=run,
)  # fmt: skip
