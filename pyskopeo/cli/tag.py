"""``pyskopeo tag``."""

from __future__ import annotations

from .command import Command
from .flags import Parsed
from .options import AUTHFILE, NETWORK, access, registry_flags
from .progress import warnings_only
from .supervision import run_async


def run(parsed: Parsed) -> int:
    """Set the tags; print nothing."""
    reaching = access(parsed, "", warnings_only)

    async def work() -> int:
        from ..api.repositories import tag

        await tag(*parsed.arguments, access=reaching)
        return 0

    return run_async(work, parsed["command-timeout"])


COMMAND = Command(
    name="tag",
    arguments="IMAGE-NAME TAG...",
    description=(
        'Give the image or the list that "IMAGE-NAME" names in a registry one more TAG there, or several.\n'
        "Its digest stays, no blob is moved, and nothing is sent for a tag that it has already.\n\n"
        "Supported transports:\ndocker"
    ),
    examples=(
        "pyskopeo tag docker://registry.example.com/example/app:1.2.3 1.2 1 latest",
        "pyskopeo tag docker://registry.example.com/example/app@sha256:... stable",
    ),
    flags=(AUTHFILE, *registry_flags(""), *NETWORK),
    run=run,
)
