"""The flags for what refers to an image: what is copied with it, and what there must be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .flags import Flag, Parsed, UsageError, boolean, listed

if TYPE_CHECKING:
    from ..model.referrer import WantedReferrers

REFERRERS = (
    Flag("referrers", "also copy what refers to the image (SBOMs, attestations, signatures), to the images of its "
         "list, and to that in turn; with TYPE,... only these artifact types", value="[=TYPE,...]", read=listed,
         repeat=True, implied="", group="images"),
    Flag("cosign-tags", "also copy the tags sha256-HEX.sig, .att and .sbom that cosign finds by the image's digest",
         read=boolean, default=False, group="images"),
    Flag("require-referrer", "refuse an image to which nothing of this artifact type refers", value="TYPE", read=listed,
         repeat=True, group="images"),
)  # fmt: skip


def wanted_referrers(parsed: Parsed) -> WantedReferrers | None:
    """Return what these flags ask for, None for nothing; raises `UsageError`."""
    types, required = parsed.repeated("referrers", str), parsed.repeated("require-referrer", str)
    copied, cosign_tags = "referrers" in parsed.given, "cosign-tags" in parsed.given and parsed.get("cosign-tags", bool)
    if not copied and not cosign_tags and not required:
        return None
    from ..model.referrer import WantedReferrers

    if "" in types and any(types):
        raise UsageError("--referrers copies all, --referrers=TYPE,... some: want one of the two")
    for name, kinds in (("referrers", filter(None, types)), ("require-referrer", required)):
        for kind in kinds:
            if "/" not in kind:
                raise UsageError(f"--{name}: {ascii(kind)} is no artifact type: want one such as application/spdx+json")
    return WantedReferrers(
        copied, tuple(filter(None, dict.fromkeys(types))), cosign_tags, tuple(dict.fromkeys(required))
    )  # fmt: skip
