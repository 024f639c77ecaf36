"""The methods of a client about repositories and what is in them: tags, manifests, blobs, artifacts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..model.choice import Choice
from ..model.digest import Digest
from ..model.manifest import Manifest
from ..model.platform import Platform
from ..model.referrer import ReferrerReport
from ..model.tag_filter import Order
from .base import ClientBase, as_platform

if TYPE_CHECKING:
    from ..api.artifacts import AttachedFile
    from ..api.pushed_artifacts import PulledFile
    from ..model.descriptor import Descriptor
    from ..model.tag_details import TagDetails

_NO_ANNOTATIONS: Mapping[str, str] = MappingProxyType({})


class RepositoryMethods(ClientBase):
    """List, tag and delete images; read and write single manifests, blobs and artifacts."""

    async def tags(
        self, name: str, *, filter: str | None = None, semver: str | None = None, sort: Order = "registry"
    ) -> list[str]:
        """Return the tags of a repository ``docker://HOST/NAME``, or of a ``docker-archive:PATH``.

        ``filter`` is a regular expression that may match anywhere in a tag, ``semver`` a range of versions such as
        ``>= 1.2, < 3``, and ``sort`` the order: ``registry``, ``name``, ``natural`` or ``semver``. Raises what the
        function `pyskopeo.list_tags` raises.
        """
        from ..api.repositories import list_tags

        async with self._call(name) as accesses:
            return await list_tags(name, pattern=filter, versions=semver, order=sort, access=accesses.reading)

    async def tag_details(
        self,
        name: str,
        *,
        filter: str | None = None,
        semver: str | None = None,
        sort: Order = "natural",
        platform: Platform | Choice | str | None = None,
    ) -> list[TagDetails]:
        """Return the tags of a repository ``docker://HOST/NAME`` with what they refer to: digest, size, platforms.

        Arguments are as for `tags`; ``platform`` is that of the image whose size and time are returned. Raises what the
        function `pyskopeo.list_tag_details` raises.
        """
        from ..api.tag_details import list_tag_details

        async with self._call(name) as accesses:
            return await list_tag_details(
                name, pattern=filter, versions=semver, order=sort, platform=as_platform(platform),
                access=accesses.reading,
            )  # fmt: skip

    async def catalog(self, registry: str) -> list[str]:
        """Return the names of the repositories in a registry ``HOST[:PORT]``, as far as the user may see them.

        They are without the registry's host. Many registries allow this to administrators only. Raises what the
        function `pyskopeo.list_repositories` raises.
        """
        from ..api.catalog import list_repositories

        async with self._call(f"{_full(registry)}/all") as accesses:
            return await list_repositories(registry, access=accesses.reading)

    async def tag(self, name: str, *tags: str) -> Digest:
        """Add ``tags`` to the image ``docker://HOST/NAME[:TAG][@DIGEST]`` in its repository; return its digest.

        Raises `InvalidName` before any request, `NotFound` and `NetworkError`.
        """
        from ..api.repositories import tag

        async with self._call(name) as accesses:
            return await tag(name, *tags, access=accesses.writing)

    async def delete(self, name: str, *, tag_only: bool = False) -> None:
        """Delete an image from a registry, with all its tags, or from a layout; with ``tag_only`` the tag alone.

        See the function `pyskopeo.delete`; raises the same errors.
        """
        from ..api.deletion import delete

        async with self._call(name) as accesses:
            await delete(name, tag_only=tag_only, access=accesses.deleting)

    async def manifest(self, name: str, *, platform: Platform | Choice | str | None = None) -> Manifest:
        """Return the manifest or index of an image (``transport:details``), with its bytes in ``raw``.

        With ``platform`` it is the manifest of that image of an index. As with `inspect`, the signature policy is not
        asked. Raises `InvalidName`, `NotFound`, `NoMatchingPlatform`, `InvalidContent` and `NetworkError`.
        """
        from ..api.images import image_manifest, open_source

        wanted = as_platform(platform)
        async with self._call(name) as accesses, open_source(name, accesses.reading) as source:
            return await source.manifest() if wanted is None else await image_manifest(source, wanted)

    async def push_manifest(self, name: str, raw: bytes, *, media_type: str = "") -> Digest:
        """Write a manifest or an index, byte for byte, to ``[docker://]REPOSITORY[:TAG][@DIGEST]``.

        Returns its digest. Raises what the function `pyskopeo.put_manifest` raises.
        """
        from ..api.blobs import put_manifest

        async with self._call(_full(name)) as accesses:
            return await put_manifest(name, raw, media_type=media_type, access=accesses.writing)

    @asynccontextmanager
    async def blob(self, name: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Stream the blob ``[docker://]REPOSITORY@DIGEST``, as a context manager around its chunks, of up to 1 MiB.

        They are handed out as they arrive: that they are what the digest says is known at the end of the iteration,
        and after an error none of them must be used. Raises what the function `pyskopeo.open_blob` raises.
        """
        from ..api.blob_content import open_blob

        async with self._call(_full(name)) as accesses, open_blob(name, access=accesses.reading) as chunks:
            yield chunks

    async def push_blob(self, name: str, content: bytes | Path) -> Descriptor:
        """Upload bytes, or a file, to ``[docker://]REPOSITORY[@DIGEST]`` unless it is there; return its descriptor.

        Raises what the function `pyskopeo.put_blob` raises.
        """
        from ..api.blob_content import put_blob

        async with self._call(_full(name)) as accesses:
            return await put_blob(name, content, access=accesses.writing)

    async def push_artifact(
        self,
        name: str,
        files: Sequence[Path] | Mapping[Path, str],
        *,
        artifact_type: str,
        annotations: Mapping[str, str] = _NO_ANNOTATIONS,
    ) -> Manifest:
        """Push ``files`` as an artifact with a name of its own; a mapping gives the media type of each file.

        Takes the arguments of the function `pyskopeo.push_artifact`, and raises the same errors.
        """
        from ..api.pushed_artifacts import push_artifact

        async with self._call(name) as accesses:
            return await push_artifact(
                name, files, artifact_type=artifact_type, annotations=annotations, access=accesses.writing
            )

    async def pull_artifact(self, name: str, output: Path) -> tuple[PulledFile, ...]:
        """Write the files of an artifact to the directory ``output``; return where they are.

        No file is overwritten. Raises what the function `pyskopeo.pull_artifact` raises.
        """
        from ..api.pushed_artifacts import pull_artifact

        async with self._call(name) as accesses:
            return await pull_artifact(name, output, access=accesses.reading)

    async def referrers(
        self, name: str, *, types: Sequence[str] = (), platform: Platform | Choice | str | None = None
    ) -> ReferrerReport:
        """Return what refers to an image: signatures, attestations, lists of packages; ``types`` limits what.

        Takes the arguments of the function `pyskopeo.list_referrers`, and raises the same errors.
        """
        from ..api.referrers import list_referrers

        async with self._call(name) as accesses:
            return await list_referrers(name, types=types, platform=as_platform(platform), access=accesses.reading)

    async def attach(
        self,
        name: str,
        files: Sequence[Path],
        *,
        artifact_type: str,
        media_type: str = "",
        annotations: Mapping[str, str] = _NO_ANNOTATIONS,
        platform: Platform | Choice | str | None = None,
    ) -> Manifest:
        """Attach ``files`` to an image as a referrer; return the manifest written for it.

        Takes the arguments of the function `pyskopeo.attach`, and raises the same errors.
        """
        from ..api.artifacts import attach

        async with self._call(name) as accesses:
            return await attach(
                name, files, artifact_type=artifact_type, media_type=media_type, annotations=annotations,
                platform=as_platform(platform), access=accesses.writing,
            )  # fmt: skip

    async def download(
        self,
        name: str,
        output: Path,
        *,
        types: Sequence[str] = (),
        digests: Sequence[Digest] = (),
        directory: bool = True,
        platform: Platform | Choice | str | None = None,
    ) -> tuple[AttachedFile, ...]:
        """Write the files that are attached to an image to a directory; return where they are.

        Takes the arguments of the function `pyskopeo.download`, and raises the same errors.
        """
        from ..api.artifacts import download

        async with self._call(name) as accesses:
            return await download(
                name, output, types=types, digests=digests, directory=directory, platform=as_platform(platform),
                access=accesses.reading,
            )  # fmt: skip


def _full(name: str) -> str:
    """Return the image name of what may be named without its transport."""
    return f"docker://{name.removeprefix('docker://').removesuffix('/')}"
