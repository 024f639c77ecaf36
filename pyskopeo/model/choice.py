"""Which image of an index is wanted, by what its entry states (OCI image specification, "Image Index")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..fast_dataclass import dataclass
from .platform import Platform, compatible_platforms

if TYPE_CHECKING:
    from .descriptor import Descriptor


@dataclass(frozen=True, slots=True)
class Choice:
    """Which image of an index is wanted.

    ``platform`` has the operating system, the architecture and the variant. Where it has ``os_version``, the entry must
    state that version, or one that it is the beginning of, up to a dot (``10.0.17763`` and ``10.0.17763.5576``); where
    it has ``os_features``, all of them. None: this machine's architecture, on Linux, unless ``annotations`` select a
    single image. ``annotations`` are pairs of names and values that the entry must have.

    ``known_variants`` refuses a variant that neither its architecture is known to have nor an entry states; without it
    an image without a variant is used then, as by skopeo's ``--override-variant``. ``warn`` is whether it is a warning
    that several images match.
    """

    platform: Platform | None = None
    annotations: tuple[tuple[str, str], ...] = ()
    known_variants: bool = True
    warn: bool = True

    @classmethod
    def of(cls, wanted: Platform | Choice) -> Choice:
        """Return the choice of a platform, or ``wanted`` itself."""
        return cls(wanted) if isinstance(wanted, Platform) else wanted

    @property
    def wanted_platform(self) -> Platform:
        """The platform, or that of this machine."""
        return self.platform or Platform.host()

    @property
    def is_detailed(self) -> bool:
        """Whether more than operating system, architecture and variant is asked for."""
        return bool(self.annotations or (self.platform and (self.platform.os_version or self.platform.os_features)))

    def compatible(self) -> list[tuple[str, str, str]]:
        """Return the operating system, architecture and variant of the platforms that will do, the best first."""
        wanted = self.wanted_platform
        found = [(one.os, one.architecture, one.variant) for one in compatible_platforms(wanted)]
        return found[:1] if self.known_variants and not wanted.has_known_variant else found

    def accepts_annotations(self, entry: Descriptor) -> bool:
        """Return whether an entry has the annotations."""
        return all(entry.annotations.get(name) == value for name, value in self.annotations)

    def accepts_details(self, entry: Descriptor) -> bool:
        """Return whether an entry has the annotations, the version and the features."""
        wanted = self.wanted_platform
        if wanted.os_version or wanted.os_features:
            stated = entry.platform
            if stated is None or not set(wanted.os_features) <= set(stated.os_features):
                return False
            if not f"{stated.os_version}.".startswith(f"{wanted.os_version}." if wanted.os_version else ""):
                return False
        return self.accepts_annotations(entry)

    @property
    def details(self) -> tuple[str, ...]:
        """What is asked for besides operating system, architecture and variant, for messages."""
        wanted = self.wanted_platform
        version = (f'OS version "{wanted.os_version}"',) if wanted.os_version else ()
        features = (f'OS feature "{name}"' for name in wanted.os_features)
        return (*version, *features, *(f'annotation "{name}={value}"' for name, value in self.annotations))

    def __str__(self) -> str:
        return ", ".join(filter(None, (str(self.platform or ""), *self.details)))
