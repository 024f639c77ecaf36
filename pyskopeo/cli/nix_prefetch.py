"""``pyskopeo nix-prefetch``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..errors import InvalidName
from ..fast_dataclass import dataclass
from ..model.platform import Platform
from .access_options import AUTHFILE, AccessOptions, registry_flags
from .command import Command
from .copy_result import CopyNames
from .flags import Flag, Parsed, UsageError, boolean
from .log import emit_notice
from .network_options import NETWORK, RANGES
from .progress import PROGRESS, reporting

if TYPE_CHECKING:
    from ..api.nix import NixImage, NixRequest

_FLAGS = (
    Flag("os", "operating system of the image (default: linux)", value="OS", default="", group="images"),
    Flag("arch", "architecture of the image (default: amd64)", value="ARCH", default="", group="images"),
    Flag("variant", "variant of the architecture; pins the image itself, as --platform-digest does", value="VARIANT",
         default="", group="images"),
    Flag("image-name", "the image, instead of the first argument", value="NAME", group="images"),
    Flag("image-tag", "tag of the image (default: latest)", value="TAG", group="images"),
    Flag("image-digest", "digest of the image, instead of that of its tag", value="DIGEST", group="images"),
    Flag("final-image-name", "name of the image in the archive (default: that of the image)", value="NAME", default="",
         group="destination"),
    Flag("final-image-tag", "tag of the image in the archive (default: that of the image)", value="TAG", default="",
         group="destination"),
    Flag("platform-digest", "pin the image for the platform, not the list that it was chosen from", read=boolean,
         default=False, group="images"),
    Flag("hash-format", "sri: print the argument hash; base32: the argument sha256, for older versions of nixpkgs "
         "(default: sri)", value="FORMAT", default="sri", choices=("sri", "base32"), group="output"),
    Flag("json", "print JSON instead of a Nix expression", read=boolean, default=False, group="output"),
    Flag("no-add", "do not add the archive to the Nix store", read=boolean, default=False, group="destination"),
    AUTHFILE,
    *registry_flags(),
    *NETWORK,
    *RANGES,
    Flag("quiet", "print the result only", short="q", read=boolean, default=False, group="output"),
    PROGRESS,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class NixPrefetchOptions:
    """The options of ``nix-prefetch``. ``sri`` is whether the hash is printed as SRI, else in Nix's base 32."""

    request: NixRequest
    access: AccessOptions
    add: bool
    sri: bool
    json: bool
    quiet: bool
    progress: str

    @classmethod
    def of(cls, parsed: Parsed) -> NixPrefetchOptions:
        """Read the options; raises `InvalidInput`."""
        from ..api.nix import PULLED_PLATFORM, NixRequest

        variant = parsed.get("variant", str) or parsed.get("override-variant", str)
        platform = Platform(
            parsed.get("os", str) or parsed.get("override-os", str) or PULLED_PLATFORM.os,
            parsed.get("arch", str) or parsed.get("override-arch", str) or PULLED_PLATFORM.architecture,
            variant,
        )
        quiet = parsed.get("quiet", bool)
        return cls(
            request=NixRequest.parse(
                _image(parsed),
                final_name=parsed.get("final-image-name", str),
                final_tag=parsed.get("final-image-tag", str),
                platform=platform,
                # The only way for pullImage to get it, which has no argument for the variant.
                pins_platform=bool(variant) or parsed.get("platform-digest", bool),
            ),
            access=AccessOptions.of(parsed),
            add=not parsed.get("no-add", bool),
            sri=parsed.get("hash-format", str) == "sri",
            json=parsed.get("json", bool),
            quiet=quiet,
            progress="none" if quiet else parsed.get("progress", str),
        )


def _image(parsed: Parsed) -> str:
    """Return ``NAME[:TAG][@DIGEST]`` from the arguments and flags, which are those of nix-prefetch-docker."""
    words = list(parsed.arguments)
    name, tag, digest = (parsed.optional(f"image-{part}", str) for part in ("name", "tag", "digest"))
    if name is None and words:
        name = words.pop(0)
    if name is None:
        raise UsageError("Which image? Give its name, as in: nix-prefetch nixos/nix 2.19.3")
    if words:
        chosen = words.pop(0)
        if ":" in chosen:
            digest = chosen
        else:
            tag = chosen
    if words:
        raise UsageError(f"At most two arguments expected, a name and a tag or a digest; also got {words[0]}")
    if (tag and ":" in name.rpartition("/")[2]) or (digest and "@" in name):
        raise InvalidName(f"{name}: it has a tag or a digest of its own, and another one is given")
    return name + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")


async def run(options: NixPrefetchOptions) -> int:
    """Pull the image, and print the arguments for pullImage."""
    from ..api.nix import nix_prefetch

    names = CopyNames(f"docker://{options.request.reference}", "")
    with reporting(options.progress, names) as report:
        found = await nix_prefetch(
            options.request, add=options.add, access=options.access.access(report), report=report
        )
    shown = found.hash if options.sri else found.sha256
    if not options.quiet:
        _print_facts(found, shown)
    arguments = {
        "imageName": found.image_name,
        "imageDigest": str(found.image_digest),
        "hash" if options.sri else "sha256": shown,
        "finalImageName": found.final_image_name,
        "finalImageTag": found.final_image_tag,
    }
    print(json.dumps(arguments, indent=2) if options.json else _nix(arguments))
    return 0


def _print_facts(found: NixImage, shown: str) -> None:
    """Print to standard error what nix-prefetch-docker prints there, and the digest of the image for the platform."""
    facts = {
        "ImageName": found.image_name,
        "ImageDigest": found.image_digest,
        "PlatformDigest": found.platform_digest,
        "FinalImageName": found.final_image_name,
        "FinalImageTag": found.final_image_tag,
        "ImagePath": found.path,
        "ImageHash": shown,
    }
    for name, value in facts.items():
        if value is not None:
            emit_notice(f"-> {name}: {value}")


def _nix(arguments: dict[str, str]) -> str:
    """Return a Nix attribute set; names, tags, digests and hashes have nothing that a Nix string needs escaped."""
    return "\n".join(("{", *(f'  {name} = "{value}";' for name, value in arguments.items()), "}"))


COMMAND = Command(
    name="nix-prefetch",
    arguments="[NAME [TAG|DIGEST]]",
    description=(
        "Pull an image, add it to the Nix store, and print the arguments for dockerTools.pullImage of nixpkgs,\n"
        "as nix-prefetch-docker does. The archive is hashed while it is written, and with --no-add kept nowhere.\n\n"
        "NAME is the name of an image in a registry, with a tag, a digest, both or none."
    ),
    examples=(
        "pyskopeo nix-prefetch nixos/nix:2.19.3",
        "pyskopeo nix-prefetch --json --arch arm64 quay.io/team/app 1.4",
        "pyskopeo nix-prefetch --no-add --arch arm --variant v6 alpine",
    ),
    flags=_FLAGS,
    read=NixPrefetchOptions.of,
    run=run,
)
