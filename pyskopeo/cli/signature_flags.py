"""The flags by which ``verify`` checks signatures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .flags import Flag, Parsed, UsageError, boolean, utf8

if TYPE_CHECKING:
    from ..api.signature_verification import SignatureTrust

SIGNATURE_CHECKS = (
    Flag("key", "check signatures: one by this OpenPGP keyring or public key of sigstore is needed; can be repeated: "
         "by one of them", value="PATH", repeat=True, group="trust"),
    Flag("certificate-identity", "check signatures: one with a certificate for this email address or URI is needed",
         value="IDENTITY", read=utf8, group="trust"),
    Flag("certificate-oidc-issuer", "where the identity in the certificate has logged in", value="URL", read=utf8,
         group="trust"),
    Flag("trusted-root", "file of the authorities and logs that certificates are checked with: sigstore's "
         "trusted_root.json", value="PATH", group="trust"),
    Flag("signed-as", "repository that signatures have to be for (default: that of the image)",
         value="HOST/REPOSITORY", read=utf8, group="trust"),
    Flag("signatures-only", "check the signatures, without reading layers and configurations", read=boolean,
         default=False, group="trust"),
)  # fmt: skip


def read_signature_checks(parsed: Parsed) -> SignatureTrust | None:
    """Return who has to have signed, None if signatures are not to be checked.

    ``--policy`` and ``--require-signed`` have the policy checked. Raises `UsageError`, and `InvalidInput` for values
    that do not go together.
    """
    from ..api.signature_verification import SignatureTrust

    names = [flag.name for flag in SIGNATURE_CHECKS if flag.name != "signatures-only"]
    by_policy = sorted({"policy", "require-signed"} & parsed.given)
    given = [name for name in names if name in parsed.given]
    if given and by_policy:
        raise UsageError(f"--{given[0]} and --{by_policy[0]} exclude each other: a policy says who has to sign")
    if not given and not by_policy:
        if parsed.values.get("signatures-only"):
            raise UsageError("--signatures-only needs --policy, --key or --certificate-identity")
        return None
    trust = SignatureTrust(
        keys=tuple(Path(path) for path in parsed.repeated("key", str)),
        certificate_identity=parsed.optional("certificate-identity", str) or "",
        certificate_oidc_issuer=parsed.optional("certificate-oidc-issuer", str) or "",
        trusted_root=parsed.path("trusted-root"),
        signed_as=parsed.optional("signed-as", str) or "",
    )
    trust.check()
    return trust
