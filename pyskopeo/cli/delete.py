"""``pyskopeo delete``."""

from __future__ import annotations

from .command import Command
from .flags import Flag, Parsed, boolean
from .options import AUTHFILE, NETWORK, access, registry_flags
from .progress import warnings_only
from .supervision import run_async

_FLAGS = (
    AUTHFILE,
    *registry_flags(""),
    *NETWORK,
    Flag("tag-only", "delete the tag and leave the image, where the registry can do that", read=boolean,
         default=False),
)  # fmt: skip


def run(parsed: Parsed) -> int:
    """Delete; print nothing."""
    reaching = access(parsed, "", warnings_only)

    async def work() -> int:
        from ..api.repositories import delete

        await delete(parsed.arguments[0], tag_only=parsed["tag-only"], access=reaching)
        return 0

    return run_async(work, parsed["command-timeout"])


COMMAND = Command(
    name="delete",
    arguments="IMAGE-NAME",
    description=(
        'Delete an "IMAGE-NAME" from a registry: the manifest that it names, and with it every tag of that\n'
        "manifest. The space is freed when the registry next collects its garbage.\n\n"
        "Supported transports:\ndocker"
    ),
    examples=(
        "pyskopeo delete docker://registry.example.com/example/pause:latest",
        "pyskopeo delete --tag-only docker://registry.example.com/example/pause:old",
    ),
    flags=_FLAGS,
    run=run,
)
