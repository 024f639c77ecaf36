"""Pull an image as nixpkgs' ``dockerTools.pullImage`` does, for the hash that a fixed-output derivation needs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from ..access import Access
from ..engine import run as engine
from ..engine.plan import Form
from ..engine.run import CopyOptions
from ..engine.selection import Selection
from ..errors import InvalidName, prefix_errors
from ..fast_dataclass import dataclass, replace
from ..interfaces import ImageDestination, ImageReference
from ..model.digest import Digest
from ..model.events import Report, ignore
from ..model.nix_hash import to_nix_base32, to_sri
from ..model.platform import Platform
from ..model.reference import Reference
from ..storage.docker_archive.hashed_archive import HashedArchiveDestination
from ..storage.nix_store import NixStore
from ..storage.scratch import create_directory, temporary_directory
from ..transports import docker
from ..transports.docker_archive import parse_tag

# nixpkgs pulls for this one, whatever the machine is, unless it is told otherwise.
PULLED_PLATFORM = Platform("linux", "amd64")


@dataclass(frozen=True, slots=True)
class NixImage:
    """The arguments of ``dockerTools.pullImage`` for an image, and where its archive is.

    ``image_name`` is without tag and digest, as it was given. ``image_digest`` pins what it named, which may be an
    index; ``platform_digest`` is the digest of the image that was chosen from that, or the same. ``archive`` is the
    sha256 of the archive that `pullImage` makes. ``path`` is the archive in the Nix store, None if it was not added.
    """

    image_name: str
    image_digest: Digest
    platform_digest: Digest
    archive: Digest
    final_image_name: str
    final_image_tag: str
    path: str | None = None

    @property
    def hash(self) -> str:
        """The hash of the archive as SRI, for the argument ``hash``."""
        return to_sri(self.archive)

    @property
    def sha256(self) -> str:
        """The hash of the archive in Nix's base 32, for the argument ``sha256``."""
        return to_nix_base32(self.archive)


@dataclass(frozen=True, slots=True)
class NixRequest:
    """An image to pull: ``name`` is as the user wrote it, ``reference`` what it means.

    ``final_name`` and ``final_tag`` are the name and the tag in the archive. With ``pins_platform``, ``image_digest``
    of the result is that of the image for ``platform``, also where ``reference`` is an index: for platforms that
    `pullImage` cannot choose.
    """

    name: str
    reference: Reference
    final_name: str
    final_tag: str
    platform: Platform = PULLED_PLATFORM
    pins_platform: bool = False

    @classmethod
    def parse(
        cls,
        image: str,
        *,
        final_name: str = "",
        final_tag: str = "",
        platform: Platform = PULLED_PLATFORM,
        pins_platform: bool = False,
    ) -> NixRequest:
        """Parse ``[docker://]NAME[:TAG][@DIGEST]``; the final name and tag are those of the image by default.

        Raises `InvalidName`.
        """
        text = image.removeprefix("docker://")
        with prefix_errors(f"Invalid image name {image}, want NAME[:TAG][@DIGEST] of an image in a registry"):
            found = Reference.parse(text, default_tag="")
        name = text.partition("@")[0]
        if found.tag:
            name = name.removesuffix(f":{found.tag}")
        reference = found if found.manifest_name else replace(found, tag="latest")
        final_name, final_tag = final_name or name, final_tag or found.tag or "latest"
        if parse_tag(f"{final_name}:{final_tag}").tag != final_tag:
            raise InvalidName(f"{final_name}: want a name without a tag; that is given separately")
        return cls(name, reference, final_name, final_tag, platform, pins_platform)

    @property
    def file_name(self) -> str:
        """The name of the archive in the Nix store, which `pullImage` gives it, too."""
        return f"docker-image-{self.final_name}-{self.final_tag}.tar".replace("/", "-").replace(":", "-")


async def nix_prefetch(
    request: NixRequest, *, add: bool = True, access: Access | None = None, report: Report = ignore
) -> NixImage:
    """Pull an image into the Nix store, and return what ``dockerTools.pullImage`` needs to know of it.

    The archive is hashed while it is written. With ``add`` it is added to the Nix store, by ``nix-store --add-fixed``,
    from where `pullImage` takes it without pulling it again; otherwise it is kept nowhere. ``access`` None is the
    user's own configuration.

    Raises `StorageFailed` if Nix is not installed or refuses the file, and what `copy` raises.
    """
    nix_store = NixStore.find() if add else None
    reading = replace(access or Access.from_environ(), report=report)
    source = docker.parse(f"//{request.reference}")
    with temporary_directory(reading.storage.scratch) as directory:
        create_directory(directory)
        path = None if nix_store is None else directory / request.file_name
        archive = _Archive(path, directory, parse_tag(f"{request.final_name}:{request.final_tag}"))
        options = CopyOptions(Selection(request.platform), Form(remove_signatures=True))  # archives hold none
        result = await engine.copy(
            source, archive, options, source_access=reading, destination_access=reading, report=report
        )
        added = None if nix_store is None or path is None else await nix_store.add(path)
    platform_digest = result.plan.source
    return NixImage(
        image_name=request.name,
        image_digest=platform_digest if request.pins_platform else result.source_digest,
        platform_digest=platform_digest,
        archive=archive.digest,
        final_image_name=request.final_name,
        final_image_tag=request.final_tag,
        path=added,
    )


class _Archive(ImageReference):
    """A docker archive at ``path``, or nowhere if that is None; ``digest`` is its hash when it is complete."""

    transport = "docker-archive"

    def __init__(self, path: Path | None, scratch: Path, tag: Reference) -> None:
        super().__init__(f"{path or ''}:{tag}")
        self._path, self._scratch, self._tag = path, scratch, tag
        self.digest = Digest.of(b"")

    def open_destination(self, access: Access) -> AbstractAsyncContextManager[ImageDestination]:
        return self._open()

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[ImageDestination]:
        destination = HashedArchiveDestination(self._path, self._scratch, self._tag)
        async with destination:
            yield destination
        self.digest = destination.digest
