"""``pyskopeo version``."""

from __future__ import annotations

from ..fast_dataclass import dataclass
from .command import Command, version_line
from .flags import Parsed


@dataclass(frozen=True, slots=True)
class VersionOptions:
    """The options of ``version``. ``line`` is what is printed."""

    line: str

    @classmethod
    def of(cls, _parsed: Parsed) -> VersionOptions:
        """Read the options, of which there are none."""
        return cls(version_line())


def run(options: VersionOptions) -> int:
    """Print the version."""
    print(options.line)
    return 0


COMMAND = Command(
    name="version",
    arguments="",
    description="Print the version, as --version does.",
    examples=("pyskopeo version",),
    flags=(),
    read=VersionOptions.of,
    run=run,
)
