"""``pyskopeo bundle create|apply|ls|verify|diff``."""

from __future__ import annotations

from .bundle_apply import APPLY
from .bundle_create import CREATE
from .bundle_views import DIFF, LS, VERIFY
from .command import CommandGroup

COMMAND = CommandGroup(
    name="bundle",
    description=(
        "Carry many images to machines without a network: make one file of them, or several that fit a medium,\n"
        "and put what is in it into a registry, a layout or the content store there. The file is an OCI archive,\n"
        "which skopeo, podman and containerd read, too. Later bundles hold only what earlier ones did not."
    ),
    commands=(CREATE, APPLY, LS, VERIFY, DIFF),
)
