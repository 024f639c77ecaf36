"""What is written besides an image: its signatures, those that are copied and those that are made, and its referrers.

They are written after the manifests that they are for, and before the image gets its name, so that nobody finds an
image without its signatures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InvalidInput, Unsupported, prefix_errors
from ..streams.concurrency import each

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ..interfaces import Accepts, ImageDestination, ImageSource
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from ..model.reference import Reference
    from ..model.signature import Signature
    from ..signatures.signer import Signer
    from .plan import Form, Graph
    from .referrer_copy import ReferrerCopy

_MANIFESTS_AT_ONCE = 8


async def signatures_to_copy(
    source: ImageSource, manifest: Manifest, descriptor: Descriptor | None, *, form: Form
) -> tuple[Signature, ...]:
    """Return the signatures of a manifest that a copy takes along; ``descriptor`` None: it is the source's root.

    Raises the source's errors, and `InvalidContent` for a signature of an unknown format.
    """
    if form.remove_signatures or (form.remove_list_signatures and manifest.is_index):
        return ()
    with prefix_errors("reading signatures"):
        return await source.signatures(descriptor)


def check_signatures(graph: Graph, accepts: Accepts) -> None:
    """Raise `Unsupported` if a graph has signatures and the destination cannot store them."""
    if accepts.unsigned and any(graph.signatures.values()):
        raise Unsupported(
            f"Can not copy signatures to {accepts.called}: {accepts.unsigned}; "
            "--remove-signatures copies the image without them"
        )


class Attachments:
    """The signatures to write with the manifests of a copy.

    ``copied`` are those of the source, by the digest of their manifest, which has not changed then. ``signers`` make
    one more each, for every manifest, as the image ``identity``. ``referrers`` are copied, too, after the signatures.
    """

    def __init__(
        self, copied: Mapping[Digest, Sequence[Signature]], signers: Sequence[Signer] = (),
        identity: Reference | None = None, referrers: ReferrerCopy | None = None,
    ) -> None:  # fmt: skip
        self._copied = {digest: tuple(found) for digest, found in copied.items() if found}
        self._signers, self._identity = tuple(signers), identity
        self._referrers = referrers
        self._written: set[Digest] = set()

    async def write_for_children(self, manifests: Collection[Manifest], destination: ImageDestination) -> None:
        """Write what belongs to child manifests, which are at the destination; raises its errors and the signers'."""

        async def write(manifest: Manifest) -> None:
            await self._write_signatures(manifest, destination, root=False)

        self._written = {manifest.digest for manifest in manifests}
        wanted = [manifest for manifest in manifests if self._has_any(manifest)]
        await each(wanted, write, at_once=_MANIFESTS_AT_ONCE)

    async def write_for_root(self, root: Manifest, destination: ImageDestination) -> None:
        """Write the root manifest by its digest, if anything belongs to it, and then that; it has no name yet.

        Raises the destination's errors and the signers'.
        """
        referrers = self._referrers
        if referrers is not None and not await referrers.wait({root.digest, *self._written}):
            referrers = None
        if referrers is None and not self._has_any(root):
            return
        await destination.put_root(root)
        await self._write_signatures(root, destination, root=True)
        if referrers is not None:
            await referrers.write()

    def destination_has_begun(self) -> None:
        """Note that the destination takes blobs from now on."""
        if self._referrers is not None:
            self._referrers.destination_has_begun()

    def _has_any(self, manifest: Manifest) -> bool:
        return bool(self._signers) or manifest.digest in self._copied

    async def _write_signatures(self, manifest: Manifest, destination: ImageDestination, *, root: bool) -> None:
        signatures = [*self._copied.get(manifest.digest, ()), *await self._sign(manifest)]
        if signatures:
            with prefix_errors("writing signatures"):
                await destination.put_signatures(signatures, manifest.digest, root=root)

    async def _sign(self, manifest: Manifest) -> list[Signature]:
        """Return a signature by each signer, in their order."""
        made = []
        for number, signer in enumerate(self._signers, 1):
            if self._identity is None:
                raise InvalidInput("signing needs the name of an image in a registry: give one with --sign-identity")
            with prefix_errors("creating signature" if len(self._signers) == 1 else f"creating signature {number}"):
                made.append(await signer.sign(manifest.digest, self._identity))
        return made
