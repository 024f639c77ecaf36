"""The output of commands that found content missing: JSON on standard output, and exit code 3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import Offline
from ..model.descriptor import UNKNOWN_SIZE
from ..model.missing_content import missing_json
from .log import log
from .quantities import quantity, size
from .verification_view import print_json

if TYPE_CHECKING:
    from ..model.missing_content import MissingContent


def report_missing(where: str, missing: Sequence[MissingContent], advice: str = "") -> int:
    """Print what is missing as JSON, and a line about it to standard error; return the exit code, 3 if there is any.

    ``advice`` is the end of the line: the next step.
    """
    print_json(missing_json(missing))
    return missing_code(where, missing, advice)


def missing_code(where: str, missing: Sequence[MissingContent], advice: str = "") -> int:
    """Return the exit code, after a line on standard error if something is missing."""
    if not missing:
        return 0
    descriptors = {content.descriptor.digest: content.descriptor for content in missing}.values()
    known = [descriptor.size for descriptor in descriptors if descriptor.size != UNKNOWN_SIZE]
    total = f", {size(sum(known))}" if known else ""
    unknown = f", {len(descriptors) - len(known)} of unknown size" if len(known) < len(descriptors) else ""
    log("fatal", f"{where}: {quantity(len(descriptors), 'blob')} missing{total}{unknown}{advice}")
    return Offline.exit_code
