"""What is written besides an image: its signatures, those that are copied and those that are made, and its referrers.

They are written after the manifests that they are for, and before the image gets its name, so that nobody finds an
image without its signatures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Unsupported, first_error, prefix_errors
from ..model.events import Report, SignaturesWritten, ignore
from ..streams.concurrency import each
from .signing import NO_SIGNING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ..interfaces import ImageDestination
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from ..model.signature import Signature
    from .plan import Form, Graph
    from .referrer_copy import ReferrerCopy
    from .signing import Signing

_MANIFESTS_AT_ONCE = 8


def is_copied(manifest: Manifest, form: Form) -> bool:
    """Return whether a copy takes the signatures of a manifest along."""
    return not (form.remove_signatures or (form.remove_list_signatures and manifest.is_index))


def check_signatures(graph: Graph, destination: ImageDestination, called: str) -> None:
    """Raise `Unsupported` if a graph has signatures that the destination, ``called`` so in errors, cannot store."""
    for format in {signature.format for found in graph.signatures.values() for signature in found}:
        if reason := destination.why_unsigned(format):
            raise Unsupported(
                f"Can not copy signatures to {called}: {reason}; --remove-signatures copies the image without them"
            )


class Attachments:
    """The signatures to write with the manifests of a copy.

    ``copied`` are those of the source, by the digest of their manifest, which has not changed then. ``signing`` makes
    more, for every manifest. ``referrers`` are copied, too, after the signatures. ``report`` gets `SignaturesWritten`.
    """

    def __init__(
        self, copied: Mapping[Digest, Sequence[Signature]], signing: Signing = NO_SIGNING,
        referrers: ReferrerCopy | None = None, report: Report = ignore,
    ) -> None:  # fmt: skip
        self._copied = {digest: tuple(found) for digest, found in copied.items() if found}
        self._signing, self._referrers, self._report = signing, referrers, report
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
        if referrers is not None and not await referrers.wait_until_found({root.digest, *self._written}):
            referrers = None
        if referrers is None and not self._has_any(root):
            return
        await destination.put_root(root)
        await self._write_signatures(root, destination, root=True)
        if referrers is not None:
            await referrers.write()

    async def commit(self, root: Manifest, destination: ImageDestination) -> Digest:
        """Give the image its name, after `write_for_root`; return the digest of the root. Raises what that raises."""
        if self._referrers is None or not self._referrers.found:
            return await destination.commit(root)
        from anyio import create_task_group

        with first_error():
            async with create_task_group() as tasks:
                tasks.start_soon(self._referrers.confirm)
                digest = await destination.commit(root)
        return digest

    def destination_has_begun(self) -> None:
        """Note that the destination takes blobs from now on."""
        if self._referrers is not None:
            self._referrers.destination_has_begun()

    def _has_any(self, manifest: Manifest) -> bool:
        return bool(self._signing.signers) or manifest.digest in self._copied

    async def _write_signatures(self, manifest: Manifest, destination: ImageDestination, *, root: bool) -> None:
        signatures = [*self._copied.get(manifest.digest, ()), *await self._signing.sign(manifest.digest)]
        if signatures:
            with prefix_errors("writing signatures"):
                await destination.put_signatures(signatures, manifest.digest, root=root)
            made = tuple(signer.method for signer in self._signing.signers)
            self._report(SignaturesWritten(manifest.digest, len(signatures), made, root))
