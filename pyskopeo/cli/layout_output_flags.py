"""The flags of ``copy`` for how images lie in an OCI layout that is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..fast_dataclass import dataclass
from .flags import Flag, Parsed, UsageError, boolean

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..engine.plan import Form
    from ..interfaces import ImageDestination, ImageReference

# Those of the modules of the same names in the model, which a plain copy does not load.
STYLES, PROFILES = ("os-arch", "bashbrew"), ("umoci", "docker-library")
PLATFORM_NAMES = Flag("platform-names", "names of platforms: os-arch (linux-arm-v7), or bashbrew "
                      "(arm32v7; default: os-arch)", value="STYLE", default=STYLES[0], choices=STYLES,
                      group="destination")  # fmt: skip
LAYOUT_OUTPUT = (
    Flag("tag-platforms", "name each image of a list, besides the list, NAME-PLATFORM in the layout (oci:, "
         "oci-archive:)", read=boolean, default=False, group="destination"),
    Flag("split-platforms", "also write each image of a list into a layout of its own, DIR/PLATFORM, with hard links, "
         "and print what lies where (oci:)", read=boolean, default=False, group="destination"),
    PLATFORM_NAMES,
    Flag("dest-layout-profile", "write a layout that this program accepts: umoci or docker-library (oci:)",
         value="PROFILE", choices=PROFILES, group="destination"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LayoutOutput:
    """How images lie in the layout that a copy writes.

    ``tags`` and ``split`` are one of `platform_names.STYLES` if the images of a list are to be named, or to be split
    into layouts of their own, else "". ``profile`` is one of `PROFILES`, or "".
    """

    tags: str = ""
    split: str = ""
    profile: str = ""

    @classmethod
    def of(cls, parsed: Parsed, destination: str, *, several: bool) -> LayoutOutput:
        """Read the options; ``several`` is whether several images of a list are copied. Raises `UsageError`."""
        transport, _, details = destination.partition(":")
        tagged, split = parsed.get("tag-platforms", bool), parsed.get("split-platforms", bool)
        profile, style = parsed.optional("dest-layout-profile", str) or "", parsed.get("platform-names", str)
        for name, given in (("tag-platforms", tagged), ("split-platforms", split)):
            if given and not several:
                raise UsageError(f"--{name} is for the images of a list: it goes with --all or --multi-arch")
        if tagged and transport not in ("oci", "oci-archive"):
            raise UsageError("--tag-platforms goes with a destination oci: or oci-archive:")
        listed = parsed.optional("multi-arch", str) is not None
        if tagged and listed and not parsed.get("strip-removed-platforms", bool):
            raise UsageError("--tag-platforms with --multi-arch needs --strip-removed-platforms, since umoci refuses "
                             "lists of which images are missing")  # fmt: skip
        for name, given in (("split-platforms", split), ("dest-layout-profile", bool(profile))):
            if given and transport != "oci":
                raise UsageError(f"--{name} goes with a destination oci:")
        if "platform-names" in parsed.given and not (tagged or split):
            raise UsageError("--platform-names goes with --tag-platforms or --split-platforms")
        if profile == "umoci" and not details.partition(":")[2]:
            raise UsageError("--dest-layout-profile=umoci needs a name in the layout, oci:DIR:NAME: umoci has no other")
        if profile and several and not (profile == "umoci" and tagged):
            tagging = ", or add --tag-platforms" if profile == "umoci" else ""
            raise UsageError(
                f"--dest-layout-profile={profile} is for one image: leave out --all and --multi-arch{tagging}"
            )
        return cls(style if tagged else "", style if split else "", profile)

    def wrap(self, destination: ImageReference) -> Callable[[ImageDestination], ImageDestination] | None:
        """Return what makes a destination refuse images that do not suit the profile; None without one."""
        if not self.profile:
            return None
        from functools import partial

        from ..storage.profile_destination import ProfileDestination
        from ..transports.oci import OciReference

        assert isinstance(destination, OciReference)
        return partial(ProfileDestination, path=destination.path, name=destination.name, profile=self.profile)

    def form(self, form: Form) -> Form:
        """Return the format in which to write, as the profile requires it; raises `UsageError`."""
        if not self.profile:
            return form
        from ..fast_dataclass import replace

        if form.format not in ("", "oci") or form.compression == "zstd" or form.preserve_digests:
            raise UsageError(f"--dest-layout-profile={self.profile} writes OCI images with layers that are compressed "
                             "with gzip, or not at all")  # fmt: skip
        plain = form.keep_plain or not (form.compression or form.compress)
        return replace(form, format="oci", compression="" if form.decompress else "gzip", keep_plain=plain)
