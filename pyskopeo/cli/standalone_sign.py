"""``pyskopeo standalone-sign``."""

from __future__ import annotations

from pathlib import Path

from ..errors import prefix_errors
from ..fast_dataclass import dataclass
from .command import Command, program
from .flags import Flag, Parsed, UsageError
from .signature_files import read_file

_USAGE = "standalone-sign manifest docker-reference key-fingerprint -o signature"
_FLAGS = (
    Flag("output", "write the signature to SIGNATURE", short="o", value="SIGNATURE", group="output"),
    Flag("passphrase-file", "read the passphrase of the key from the first line of PATH (default: gpg asks for it)",
         value="PATH", group="trust"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StandaloneSignOptions:
    """The options of ``standalone-sign``."""

    manifest: Path
    name: str
    key: str
    output: Path
    passphrase_file: Path | None

    @classmethod
    def of(cls, parsed: Parsed) -> StandaloneSignOptions:
        """Read the options; raises `UsageError`."""
        output = parsed.path("output")
        if output is None:
            raise UsageError(f"Usage: {program()} {_USAGE}")
        manifest, name, key = parsed.arguments
        return cls(Path(manifest), name, key, output, parsed.path("passphrase-file"))


async def run(options: StandaloneSignOptions) -> int:
    """Sign, and write the signature."""
    import os

    from ..model.content_digest import content_digest
    from ..signing.gpg import GpgSigner
    from ..storage.output_file import write_output

    manifest = read_file(options.manifest, "Error reading")
    passphrase = b""
    if options.passphrase_file is not None:
        from ..config.passphrase_file import read_passphrase

        passphrase = read_passphrase(options.passphrase_file)
    with prefix_errors("Error creating signature"):
        signer = GpgSigner(options.key, os.environ, passphrase)
        signature = await signer.sign_as(content_digest(manifest), options.name)
    what = f"Error writing signature to {options.output}: open {options.output}"
    write_output(options.output, signature.content, what)
    return 0


COMMAND = Command(
    name="standalone-sign",
    arguments="MANIFEST DOCKER-REFERENCE KEY-FINGERPRINT",
    description=(
        "Sign a manifest in a file as an image, with a key of the user's GPG keyring, and write the\n"
        "signature to a file. To sign what is copied, use copy --sign-by."
    ),
    examples=(
        "pyskopeo standalone-sign manifest.json registry.example.com/app:1 alice@example.com -o app.signature",
        "pyskopeo standalone-sign manifest.json registry.example.com/app:1 1D8230F6CDB6A067 -o app.signature",
    ),
    flags=_FLAGS,
    read=StandaloneSignOptions.of,
    run=run,
    usage=_USAGE,
)
