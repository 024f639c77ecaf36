"""``pyskopeo standalone-verify``."""

from __future__ import annotations

from pathlib import Path

from ..errors import prefix_errors
from ..fast_dataclass import dataclass
from .command import Command
from .flags import Flag, Parsed, UsageError
from .signature_files import read_file

_FLAGS = (
    Flag("public-key-file", "accept the public keys in PATH only (default: those of the user's GPG keyring)",
         value="PATH", group="trust"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StandaloneVerifyOptions:
    """The options of ``standalone-verify``; ``keys`` are fingerprints, or the word ``any``."""

    manifest: Path
    name: str
    keys: tuple[str, ...]
    signature: Path
    public_key_file: Path | None

    @classmethod
    def of(cls, parsed: Parsed) -> StandaloneVerifyOptions:
        """Read the options; raises `UsageError`."""
        manifest, name, keys, signature = parsed.arguments
        public_key_file = parsed.path("public-key-file")
        if keys == "any" and public_key_file is None:
            raise UsageError("Cannot use any fingerprint without a public key file")
        return cls(Path(manifest), name, tuple(keys.split(",")), Path(signature), public_key_file)


async def run(options: StandaloneVerifyOptions) -> int:
    """Verify, and print by which key."""
    import os
    from datetime import UTC, datetime

    from ..model.reference import Reference
    from ..signatures.standalone import verify_standalone
    from ..signatures.verdict import SignedImage

    manifest = read_file(options.manifest, "Error reading manifest from")
    signature = read_file(options.signature, "Error reading signature from")
    if options.public_key_file is not None:
        keyring = read_file(options.public_key_file, "Error reading public keys from")
    else:
        from ..signing.gpg import export_public_keys

        with prefix_errors("Error initializing GPG"):
            keyring = await export_public_keys(os.environ)
    with prefix_errors("Error verifying signature"):
        image = SignedImage(manifest, options.name, Reference.parse(options.name, default_tag=""))
        signer, digest = verify_standalone(signature, image, options.keys, [keyring], datetime.now(UTC))
    print(f"Signature verified using fingerprint {signer}, digest {digest}")
    return 0


COMMAND = Command(
    name="standalone-verify",
    arguments="MANIFEST DOCKER-REFERENCE KEY-FINGERPRINTS SIGNATURE",
    description=(
        "Verify a signature in a file: that it is one of the manifest in a file, as an image of exactly this\n"
        "name, by a key with one of the fingerprints, which are separated by commas. The word any accepts\n"
        "every key of --public-key-file. Requires an extra: pip install 'pyskopeo[openpgp]'"
    ),
    examples=(
        "pyskopeo standalone-verify m.json example.com/app:1 1D8230F6CDB6A06716E414C1DB72F2188BB46CC8 app.sig",
        "pyskopeo standalone-verify --public-key-file keys.asc m.json example.com/app:1 any app.sig",
    ),
    flags=_FLAGS,
    read=StandaloneVerifyOptions.of,
    run=run,
    usage="standalone-verify manifest docker-reference key-fingerprint signature",
)
