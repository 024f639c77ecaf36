"""``pyskopeo manifest-digest``."""

from __future__ import annotations

from pathlib import Path

from ..errors import StorageFailed, TooLarge, prefix_errors
from ..fast_dataclass import dataclass
from ..model.content_digest import content_digest
from ..model.digest import Digest, new_hasher
from ..model.strict_json import MANIFEST_LIMIT
from .command import Command
from .flags import Parsed

_PIECE = 1024 * 1024
# Bytes. skopeo has no limit; a device or a pipe may have no end.
_LIMIT = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ManifestDigestOptions:
    """The options of ``manifest-digest``."""

    path: Path

    @classmethod
    def of(cls, parsed: Parsed) -> ManifestDigestOptions:
        """Read the options."""
        return cls(Path(parsed.arguments[0]))


def run(options: ManifestDigestOptions) -> int:
    """Print the digest."""
    path = options.path
    try:
        with path.open("rb") as file:
            raw = file.read(MANIFEST_LIMIT + 1)
            hasher = new_hasher("sha256")
            hasher.update(raw)
            size = len(raw)
            while piece := file.read(_PIECE):
                size += len(piece)
                if size > _LIMIT:
                    reason = f"over {_LIMIT} bytes, which is no manifest"
                    raise TooLarge(f"Error reading manifest from {path}: {reason}", limit=_LIMIT)
                hasher.update(piece)
    except OSError as error:
        raise StorageFailed.of(error, f"Error reading manifest from {path}") from error
    if len(raw) > MANIFEST_LIMIT:  # too large for a signed manifest
        print(Digest("sha256", hasher.hexdigest()))
        return 0
    with prefix_errors("Error computing digest"):
        print(content_digest(raw))
    return 0


COMMAND = Command(
    name="manifest-digest",
    arguments="MANIFEST-FILE",
    description=(
        "Print the digest of the manifest in a file. The digest of a signed schema 1 manifest does not\n"
        "include its signatures."
    ),
    examples=(
        "pyskopeo manifest-digest manifest.json",
        "pyskopeo inspect --raw docker://alpine | pyskopeo manifest-digest /dev/stdin",
    ),
    flags=(),
    read=ManifestDigestOptions.of,
    run=run,
)
