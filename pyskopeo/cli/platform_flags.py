"""The flags that choose an image from a list, for every command that does, and the choice that they become."""

from __future__ import annotations

from ..model.choice import Choice
from ..model.platform import Platform
from .command import program
from .flags import Flag, Parsed, UsageError, utf8

COMMON_PLATFORMS = (
    "linux/amd64", "linux/arm64", "linux/arm/v7", "linux/386", "linux/ppc64le", "linux/riscv64", "linux/s390x",
    "windows/amd64",
)  # fmt: skip
PLATFORM = Flag("platform", "choose the image for OS/ARCH[/VARIANT] from a list, or for bashbrew:NAME, as in "
                "bashbrew:arm32v7", value="PLATFORM", read=Platform.parse, offered=COMMON_PLATFORMS,
                group="images")  # fmt: skip
_OVERRIDES = ("override-os", "override-arch", "override-variant")


def annotation(text: str) -> tuple[str, str]:
    """Parse ``NAME=VALUE``; raises `ValueError`."""
    name, equals, value = utf8(text).partition("=")
    if not name or not equals:
        raise ValueError("want NAME=VALUE")
    return name, value


CHOOSING = (
    PLATFORM,
    Flag("os-version", "choose an image for this version of the operating system, or the beginning of it up to a dot, "
         "as in 10.0.17763", value="VERSION", read=utf8, group="images"),
    Flag("os-feature", "choose an image that states this feature of the operating system; can be repeated",
         value="FEATURE", read=utf8, repeat=True, group="images"),
    Flag("select-annotation", "choose an image whose entry in the list has this annotation; can be repeated",
         value="NAME=VALUE", read=annotation, repeat=True, group="images"),
)  # fmt: skip


def is_chosen(parsed: Parsed) -> bool:
    """Return whether a flag that chooses an image is given."""
    return bool(parsed.given & {*(flag.name for flag in CHOOSING), *_OVERRIDES})


def refuse_choice(parsed: Parsed, others: str) -> None:
    """Raise `UsageError` if a flag of `CHOOSING` is given; it is for use with flags that ask for several images."""
    for flag in CHOOSING:
        if flag.name in parsed.given:
            raise UsageError(f"--{flag.name} chooses one image, so it does not go with {others}")


def overridden(parsed: Parsed) -> dict[str, str]:
    """Return what the flags ``--override-*`` replace, as the arguments of `Platform.host`."""
    found = zip(("os", "architecture", "variant"), (parsed.get(name, str) for name in _OVERRIDES), strict=True)
    return {name: value for name, value in found if value}


def chosen_image(parsed: Parsed) -> Choice:
    """Return which image of a list is wanted; raises `UsageError` for flags that exclude each other."""
    platform, overrides = parsed.optional("platform", Platform), overridden(parsed)
    if platform is not None and overrides:
        raise UsageError("--platform and --override-os, -arch, -variant exclude each other")
    version, features = parsed.optional("os-version", str) or "", parsed.repeated("os-feature", str)
    annotations = tuple(parsed.repeated("select-annotation", tuple))
    if platform is None and (overrides or version or features or not annotations):
        platform = Platform.host(**overrides)
    if platform is not None and (version or features):
        from ..fast_dataclass import replace

        platform = replace(platform, os_version=version, os_features=tuple(features))
    return Choice(platform, annotations, known_variants=not overrides, warn=program() != "skopeo")
