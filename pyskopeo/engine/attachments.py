"""What is written besides an image: its signatures, those that are copied and those that are made.

They are written after the manifests that they are for, and before the image gets its name, so that nobody finds an
image without its signatures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Unsupported, prefix_errors
from ..streams.concurrency import each
from .signing import NO_SIGNING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..interfaces import Accepts, ImageDestination
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from ..model.signature import Signature
    from .plan import Form, Graph
    from .signing import Signing

_MANIFESTS_AT_ONCE = 8


def is_copied(manifest: Manifest, form: Form) -> bool:
    """Return whether a copy takes the signatures of a manifest along."""
    return not (form.remove_signatures or (form.remove_list_signatures and manifest.is_index))


def check_signatures(graph: Graph, accepts: Accepts) -> None:
    """Raise `Unsupported` if a graph has signatures and the destination cannot store them."""
    if accepts.unsigned and any(graph.signatures.values()):
        raise Unsupported(
            f"Can not copy signatures to {accepts.called}: {accepts.unsigned}; "
            "--remove-signatures copies the image without them"
        )


class Attachments:
    """The signatures to write with the manifests of a copy.

    ``copied`` are those of the source, by the digest of their manifest, which has not changed then. ``signing`` makes
    more, for every manifest.
    """

    def __init__(self, copied: Mapping[Digest, Sequence[Signature]], signing: Signing = NO_SIGNING) -> None:
        self._copied = {digest: tuple(found) for digest, found in copied.items() if found}
        self._signing = signing

    async def write_for_children(self, manifests: Iterable[Manifest], destination: ImageDestination) -> None:
        """Write what belongs to child manifests, which are at the destination; raises its errors and the signers'."""

        async def write(manifest: Manifest) -> None:
            await self._write_signatures(manifest, destination, root=False)

        wanted = [manifest for manifest in manifests if self._has_any(manifest)]
        await each(wanted, write, at_once=_MANIFESTS_AT_ONCE)

    async def write_for_root(self, root: Manifest, destination: ImageDestination) -> None:
        """Write the root manifest by its digest, if anything belongs to it, and then that; it has no name yet.

        Raises the destination's errors and the signers'.
        """
        if not self._has_any(root):
            return
        await destination.put_root(root)
        await self._write_signatures(root, destination, root=True)

    def _has_any(self, manifest: Manifest) -> bool:
        return bool(self._signing.signers) or manifest.digest in self._copied

    async def _write_signatures(self, manifest: Manifest, destination: ImageDestination, *, root: bool) -> None:
        signatures = [*self._copied.get(manifest.digest, ()), *await self._signing.sign(manifest.digest)]
        if signatures:
            with prefix_errors("writing signatures"):
                await destination.put_signatures(signatures, manifest.digest, root=root)
