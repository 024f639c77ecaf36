"""``pyskopeo generate-sigstore-key``."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import DestinationRefused, StorageFailed, prefix_errors
from ..fast_dataclass import dataclass
from .command import Command
from .flags import Flag, Parsed, UsageError

_FLAGS = (
    Flag("output-prefix", "write the keys to PREFIX.pub and PREFIX.private", value="PREFIX", group="output"),
    Flag("passphrase-file", "read the passphrase for the private key from the first line of PATH (default: a prompt)",
         value="PATH", group="trust"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class GenerateOptions:
    """The options of ``generate-sigstore-key``."""

    prefix: str
    passphrase_file: Path | None

    @classmethod
    def of(cls, parsed: Parsed) -> GenerateOptions:
        """Read the options; raises `UsageError`."""
        prefix = parsed.optional("output-prefix", str)
        if not prefix:
            raise UsageError("Usage: generate-sigstore-key --output-prefix PREFIX")
        return cls(prefix, parsed.path("passphrase-file"))


def run(options: GenerateOptions) -> int:
    """Make a key and write its two files."""
    from ..gocompat.template.printf_verbs import quoted
    from ..signing.sigstore_keys import generate_key_pair, require_packages

    private, public = (f"{options.prefix}.{suffix}" for suffix in ("private", "pub"))
    for path in (public, private):
        _refuse_existing(path, quoted(path))
    require_packages()
    passphrase = _passphrase(options, private)
    with prefix_errors("Error generating key pair"):
        pair = generate_key_pair(passphrase)
    _write(private, pair.private, 0o600, f"Error writing private key to {quoted(private)}")
    try:
        _write(public, pair.public, 0o644, f"Error writing public key to {quoted(public)}")
    except BaseException:
        os.unlink(private)  # a key without its other half is of no use, and would be in the way
        raise
    print(f"Key written to {quoted(private)} and {quoted(public)}")
    return 0


def _refuse_existing(path: str, shown: str) -> None:
    try:
        os.stat(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageFailed.of(error, f"Error checking existence of {shown}") from None
    raise DestinationRefused(f"Refusing to overwrite existing {shown}")


def _passphrase(options: GenerateOptions, private: str) -> bytes:
    if options.passphrase_file is not None:
        from ..config.passphrase_file import read_passphrase

        return read_passphrase(options.passphrase_file)
    from .passphrase_prompt import prompt_for_passphrase

    return prompt_for_passphrase(private, "use --passphrase-file")


def _write(path: str, content: bytes, mode: int, what: str) -> None:
    from ..storage.new_files import create_file

    create_file(Path(path), content, mode, what)


COMMAND = Command(
    name="generate-sigstore-key",
    arguments="",
    description=(
        "Make a new key for signatures of sigstore: PREFIX.private, which copy and sync sign with\n"
        "(--sign-by-sigstore-private-key), and PREFIX.pub, which a policy names to check them. Files that\n"
        "exist are not replaced. The private key is encrypted with a passphrase, as cosign does."
    ),
    examples=(
        "pyskopeo generate-sigstore-key --output-prefix my-key",
        "pyskopeo generate-sigstore-key --output-prefix my-key --passphrase-file passphrase.txt",
    ),
    flags=_FLAGS,
    read=GenerateOptions.of,
    run=run,
)
