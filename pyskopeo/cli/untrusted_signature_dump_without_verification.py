"""``pyskopeo untrusted-signature-dump-without-verification``, which is in no list of commands, as for skopeo."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from ..errors import InvalidContent, prefix_errors
from ..fast_dataclass import dataclass
from .command import Command
from .flags import Parsed
from .signature_files import read_file


@dataclass(frozen=True, slots=True)
class DumpOptions:
    """The options of ``untrusted-signature-dump-without-verification``."""

    signature: Path

    @classmethod
    def of(cls, parsed: Parsed) -> DumpOptions:
        """Read the options."""
        return cls(Path(parsed.arguments[0]))


def run(options: DumpOptions) -> int:
    """Print what the signature claims."""
    from ..gocompat.go_json import dumps
    from ..signatures.openpgp_message import SignedMessage
    from ..signatures.simple_signing import SimplePayload

    raw = read_file(options.signature, "Error reading untrusted signature from")
    with prefix_errors("Error decoding untrusted signature"):
        message = SignedMessage.parse(raw)
        payload = SimplePayload.parse(message.content)
        claims = {
            "UntrustedDockerManifestDigest": payload.digest,
            "UntrustedDockerReference": payload.identity,
            "UntrustedCreatorID": payload.creator,
            "UntrustedTimestamp": None if payload.timestamp is None else _local_time(payload.timestamp),
            "UntrustedShortKeyIdentifier": message.signature.key_id or "0" * 16,
        }
    print(dumps(claims, 4))
    return 0


def _local_time(seconds: int) -> str:
    """Return a time in seconds since 1970 in the local time zone, as Go writes it."""
    try:
        text = datetime.fromtimestamp(seconds, UTC).astimezone().isoformat()
    except (ValueError, OverflowError, OSError):
        raise InvalidContent(f"the timestamp {str(seconds)[:40]} is out of range") from None
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text


COMMAND = Command(
    name="untrusted-signature-dump-without-verification",
    arguments="SIGNATURE",
    description=(
        "Print what a simple signature in a file claims. NOTHING OF IT IS VERIFIED: do not decide anything\n"
        "by what is printed, and do not show it to others as if it were true."
    ),
    examples=("pyskopeo untrusted-signature-dump-without-verification app.signature",),
    flags=(),
    read=DumpOptions.of,
    run=run,
    usage="untrusted-signature-dump-without-verification signature",
)
