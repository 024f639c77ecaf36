"""The output of commands that found content missing: JSON on standard output, and exit code 3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import Offline
from ..model.missing_content import missing_json
from .log import log
from .progress import size
from .verification_view import print_json

if TYPE_CHECKING:
    from ..model.missing_content import MissingContent


def report_missing(where: str, missing: Sequence[MissingContent]) -> int:
    """Print what is missing as JSON, and a line about it to standard error; return the exit code, 3 if there is any."""
    print_json(missing_json(missing))
    return missing_code(where, missing)


def missing_code(where: str, missing: Sequence[MissingContent]) -> int:
    """Return the exit code, after a line on standard error if something is missing."""
    if not missing:
        return 0
    number = len({content.descriptor.digest for content in missing})
    total = sum(max(content.descriptor.size, 0) for content in missing)
    log("fatal", f"{where}: {number} blob{'s' * (number != 1)} missing, {size(total)}")
    return Offline.exit_code
