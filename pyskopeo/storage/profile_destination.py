"""A layout that is written for a program which demands more than the specification; see `model/layout_profiles`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.destination_wrapper import DestinationWrapper
from ..errors import DestinationRefused, NotFound, Unsupported
from ..fast_dataclass import replace
from ..model import mediatype
from ..model.layout import reference_name
from ..model.layout_profiles import manifest_problems
from .index_file import IndexFile

if TYPE_CHECKING:
    from pathlib import Path

    from ..interfaces import ImageDestination
    from ..model.digest import Digest
    from ..model.manifest import Manifest

_CHANGED = frozenset({mediatype.OCI_LAYER_ZSTD, mediatype.DOCKER_LAYER_ZSTD})


class ProfileDestination(DestinationWrapper):
    """Refuses images that the program ``profile`` would refuse, before any of them is in the layout's index.

    ``path`` is the layout that ``destination`` writes to, ``name`` the name of the image in it.
    """

    def __init__(self, destination: ImageDestination, path: Path, name: str, profile: str) -> None:
        super().__init__(destination)
        self._path, self._name, self._profile = path, name, profile
        if profile == "docker-library":
            reason = "docker-library reads layouts of exactly one image, and nothing beside it"
            self.accepts = replace(self.accepts, no_referrers=reason)
        self._unnamed: set[Digest] = set()  # attestations, which no program opens by a name

    async def begin(self, root: Manifest) -> None:
        """Prepare as the layout does; raises `DestinationRefused` if it has images that may not be beside this one."""
        if self._profile == "docker-library":
            try:
                entries = IndexFile(self._path).read().descriptors
            except NotFound:
                entries = ()
            name = self._name
            others = [
                entry for entry in entries
                if (reference_name(entry) != name if name else reference_name(entry) or entry.digest != root.digest)
            ]  # fmt: skip
            if others:
                raise DestinationRefused(
                    f"{self._path} has other images, and docker-library reads layouts of exactly one: choose another "
                    "directory"
                )
        self._unnamed = {e.digest for e in root.manifests if e.platform is not None and e.platform.is_attestation}
        if root.media_type == mediatype.OCI_MANIFEST and not any(layer.media_type in _CHANGED for layer in root.layers):
            self._check(root)  # otherwise it is not yet what will be written
        await super().begin(root)

    async def put_manifest(self, manifest: Manifest) -> None:
        if manifest.digest not in self._unnamed:
            self._check(manifest)
        await super().put_manifest(manifest)

    async def commit(self, root: Manifest) -> Digest:
        self._check(root)
        return await super().commit(root)

    def _check(self, manifest: Manifest) -> None:
        """Raise `Unsupported` for an image that the program refuses."""
        if manifest.is_index:
            return
        for problem in manifest_problems(self._profile, manifest.document):
            raise Unsupported(f"{self._path}: {self._profile} would refuse image {manifest.digest}: {problem}")
