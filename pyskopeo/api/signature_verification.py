"""Check the signatures of an image by its name, without copying it: by keys, certificates, or the user's policy."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..access import Access
from ..config.policy_keys import KEY_LIMIT
from ..config.user_files import read_bytes
from ..engine.signature_check import GivenCheck, PolicyCheck, check_manifests
from ..errors import InvalidInput, prefix_errors
from ..fast_dataclass import dataclass
from ..model.events import Warned
from ..model.platform import Platform
from ..model.reference import Reference
from ..streams.cancellation import run_in_thread
from ..transports import parse_image_name

if TYPE_CHECKING:
    from ..config.policy_keys import KeyFile
    from ..engine.signature_check import SignatureCheck
    from ..interfaces import ImageReference, ImageSource
    from ..model.choice import Choice
    from ..signatures.given_trust import GivenTrust
    from ..signatures.report import SignatureReport

_REMOTE = ("docker", "docker-daemon")


@dataclass(frozen=True, slots=True)
class SignatureTrust:
    """Who has to have signed an image, for `verify_signatures`; nothing at all: the user's policy decides.

    ``keys`` are files, each an OpenPGP keyring or a public key of sigstore in PEM; a signature by one of them is
    enough. ``certificate_identity`` is the email address or URI in a certificate that Fulcio issued for a login at
    ``certificate_oidc_issuer``, a URL, and ``trusted_root`` the file of the authorities and logs to believe, sigstore's
    ``trusted_root.json``. ``signed_as`` is the repository, HOST/REPOSITORY, that signatures have to be for; "": that of
    the image's name, or any if it contains none.
    """

    keys: tuple[Path, ...] = ()
    certificate_identity: str = ""
    certificate_oidc_issuer: str = ""
    trusted_root: Path | None = None
    signed_as: str = ""

    @property
    def is_given(self) -> bool:
        """Whether it names anybody, so that the policy is not asked."""
        return bool(self.keys or self.certificate_identity)

    def check(self) -> None:
        """Raise `InvalidInput` for values that do not go together, `InvalidName` for an invalid ``signed_as``."""
        certificate = (self.certificate_identity, self.certificate_oidc_issuer, self.trusted_root)
        if any(certificate) and not all(certificate):
            raise InvalidInput(
                "the identity in a certificate, its OIDC issuer and a trusted root are needed together: "
                "--certificate-identity, --certificate-oidc-issuer, --trusted-root"
            )
        if self.certificate_identity and self.keys:
            raise InvalidInput("--key and --certificate-identity exclude each other")
        if not self.signed_as:
            return
        if not self.is_given:
            raise InvalidInput("--signed-as goes with --key or --certificate-identity; a policy has signedIdentity")
        with prefix_errors(f"--signed-as {self.signed_as}"):
            wanted = Reference.parse(self.signed_as, default_tag="")
        if wanted.tag or wanted.digest is not None:
            raise InvalidInput(f"--signed-as {self.signed_as}: want HOST/REPOSITORY, without a tag or digest")


async def verify_signatures(
    name: str,
    trust: SignatureTrust | None = None,
    *,
    platform: Platform | Choice | None = None,
    all_platforms: bool = False,
    access: Access | None = None,
) -> SignatureReport:
    """Check the signatures of an image (``transport:details``), without reading its layers or storing anything.

    Without ``trust``, or with one that names nobody, the requirements of ``access.policy`` are checked, as a copy does
    (containers-policy.json(5)).

    Of a list in a registry, the image for this machine is checked, or the one for ``platform``, or with
    ``all_platforms`` every image; of files (``dir:`` and others) every image unless there is a ``platform``. By a
    policy each image is checked by its own signatures. By keys and certificates the signature of the list is enough,
    which names its images by their digests.

    Returns what was found, accepted or not. Raises `NotFound`, `NetworkError` and other kinds of `PyskopeoError` if the
    image, its signatures or a file of keys cannot be read, `InvalidInput` for a policy or keys that are invalid, and
    `Unsupported` if a package that is needed is not installed.
    """
    reference = parse_image_name(name)
    return await verify_reference_signatures(
        reference, trust or SignatureTrust(), platform=platform, all_platforms=all_platforms,
        access=access or Access.from_environ(),
    )  # fmt: skip


async def verify_reference_signatures(
    reference: ImageReference,
    trust: SignatureTrust,
    *,
    platform: Platform | Choice | None = None,
    all_platforms: bool = False,
    access: Access,
) -> SignatureReport:
    """As `verify_signatures`, for an image name that was parsed."""
    from ..signatures.report import SignatureReport

    trust.check()
    given = await run_in_thread(partial(_load, trust)) if trust.is_given else None
    if platform is None and reference.transport in _REMOTE and not all_platforms:
        platform = Platform.host()

    def warn(message: str) -> None:
        access.report(Warned(f"{reference.image_name}: {message}"))

    async with reference.open_source(access) as source:
        check = _check(reference, source, given, access)
        with prefix_errors(f"reading {reference.image_name}"):
            root = await source.manifest()
            manifests = await check_manifests(source, root, check, platform, warn)
    policy = "" if given is not None else access.policy().where
    return SignatureReport(reference.image_name, root.digest, manifests, policy)


def _check(
    reference: ImageReference, source: ImageSource, given: GivenTrust | None, access: Access
) -> SignatureCheck:
    return PolicyCheck(reference, source, access) if given is None else GivenCheck(reference, source, given)


def _load(trust: SignatureTrust) -> GivenTrust:
    """Read the files of keys; raises `InvalidInput`, `StorageFailed` or `TooLarge`."""
    from ..signatures.given_trust import GivenTrust
    from ..signatures.sigstore_trust import KeylessTrust, SigstoreTrust

    sigstore = None
    if trust.trusted_root is not None:
        root = _read(trust.trusted_root)
        sigstore = SigstoreTrust(keyless=KeylessTrust(root, trust.certificate_identity, trust.certificate_oidc_issuer))
    return GivenTrust.of([_read(path) for path in trust.keys], sigstore, trust.signed_as)


def _read(path: Path) -> KeyFile:
    from ..config.policy_keys import KeyFile

    return KeyFile(read_bytes(path, KEY_LIMIT), str(path))
