"""``pyskopeo verify``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import prefix_errors
from ..fast_dataclass import dataclass
from ..model.choice import Choice
from ..transports import TRANSPORTS, parse_image_name
from .access_options import AUTHFILE, AccessOptions, access_flags
from .command import Command
from .flags import Flag, Parsed, boolean
from .log import log
from .logged_events import warnings_only
from .network_options import NETWORK
from .platform_flags import CHOOSING, chosen_image, is_chosen, refuse_choice
from .preconnect import visits_of
from .signature_flags import SIGNATURE_CHECKS, read_signature_checks
from .verification_view import print_json, print_report, verifying
from .verify_flags import VERIFYING, VerifyFlags

if TYPE_CHECKING:
    from ..api.signature_verification import SignatureTrust
    from ..signatures.report import SignatureReport


_SIGNED_ELSEWHERE = "if the image is a copy, name the repository that was signed: --signed-as HOST/REPOSITORY"


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """The options of ``verify``. ``platform`` is the one that was asked for, None: see `api.verification.verify`.

    ``trust`` None: signatures are not checked; ``signatures_only``: nothing else is.
    """

    name: str
    platform: Choice | None
    all_platforms: bool
    verifying: VerifyFlags
    access: AccessOptions
    trust: SignatureTrust | None = None
    signatures_only: bool = False

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
        only = parsed.get("signatures-only", bool)
        trust = read_signature_checks(parsed)
        return cls(name, platform, every, VerifyFlags.of(parsed), AccessOptions.of(parsed), trust, only)


async def run(options: VerifyOptions) -> int:
    """Check the signatures of the image, if that is wanted, verify its content, and print the result."""
    signatures = await _check_signatures(options)
    if signatures is not None and (options.signatures_only or not signatures.accepted):
        return _print_signatures(signatures, options)
    return await _verify_content(options, signatures)


async def _check_signatures(options: VerifyOptions) -> SignatureReport | None:
    if options.trust is None:
        return None
    from ..api.signature_verification import verify_signatures

    if options.trust.trusted_root is not None:
        import logging

        # It warns of keys in the trusted root that it cannot use; whether that matters is what it verifies.
        logging.getLogger("sigstore").setLevel(logging.ERROR)
    return await verify_signatures(
        options.name,
        options.trust,
        platform=options.platform,
        all_platforms=options.all_platforms,
        access=options.access.access(warnings_only),
    )


def _print_signatures(signatures: SignatureReport, options: VerifyOptions) -> int:
    """Print the result of checking signatures alone; return the exit code."""
    from .signature_view import print_signatures, refusal

    if options.verifying.json:
        print_json({"name": signatures.name, "ok": signatures.accepted, "signatures": signatures.to_json()})
    else:
        print_signatures(signatures)
    if signatures.accepted:
        return 0
    trust = options.trust
    by_name = trust is not None and trust.is_given and not trust.signed_as
    log("fatal", refusal(signatures, hint=_SIGNED_ELSEWHERE if by_name else ""))
    return 1


async def _verify_content(options: VerifyOptions, signatures: SignatureReport | None) -> int:
    """Verify the content of the image whose signatures were checked."""
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
            expected=None if signatures is None else signatures.root,
            access=options.access.access(warnings_only),
            advance=advance,
        )
    return print_report(report, as_json=flags.json, signatures=signatures)


COMMAND = Command(
    name="verify",
    arguments="IMAGE-NAME",
    description=(
        "Verify an image without storing it: every manifest, configuration and layer is read and compared\n"
        "with its digest, size and media type. From a registry or a Docker daemon that is the image for this\n"
        "machine, or with --all every image of a list. Of oci:DIR, oci-archive:FILE and docker-archive:FILE\n"
        "all images are verified, with :NAME one; see also: layout verify.\n\n"
        "With --policy, --key or --certificate-identity signatures are checked first, and nothing else is read\n"
        "if they are not accepted, or with --signatures-only. A table shows each signature that was found.\n"
        "Unlike copy, verify checks no policy without --policy or --require-signed.\n\n"
        "Each fault is a line on standard error; the exit code is 1 then. The report with all faults is\n"
        "printed as JSON to standard output, unless that is a terminal; with --json in any case.\n\n"
        f"Supported transports:\n{', '.join(TRANSPORTS)}"
    ),
    examples=(
        "pyskopeo verify docker://quay.io/skopeo/stable:latest",
        "pyskopeo verify --all --deep docker://registry.example.com/team/app:1.4",
        "pyskopeo verify oci:images:app",
        "pyskopeo verify --json docker-archive:app.tar",
        "pyskopeo verify --policy policy.json --signatures-only docker://registry.example.com/team/app:1.4",
        "pyskopeo verify --key cosign.pub --all docker://registry.example.com/team/app:1.4",
    ),
    flags=(
        *SIGNATURE_CHECKS,
        *VERIFYING,
        Flag("all", "verify every image of a list, not only that of one platform", short="a", read=boolean,
             default=False, group="images"),
        *CHOOSING,
        AUTHFILE,
        *access_flags(),
        *NETWORK,
    ),
    read=VerifyOptions.of,
    run=run,
    visits=lambda options: visits_of(options.name, options.access),
)  # fmt: skip
