"""The methods of the blocking client about bundles: many images for machines without a network.

Written by scripts/sync_client from the async methods: change those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..syncing.sync_request import IMAGES_AT_ONCE, SyncSink, ignore
from .blocking import BlockingBase

if TYPE_CHECKING:
    from ..api.signature_verification import SignatureTrust
    from ..bundles.application import AppliedImage
    from ..bundles.writing import WrittenBundle
    from ..engine.selection import Selection
    from ..model.referrer import WantedReferrers
    from ..signatures.signer import Signer


class BlockingBundleMethods(BlockingBase):
    """Make and apply bundles."""

    def create_bundle(
        self,
        images: Sequence[str],
        output: Path | str,
        *,
        since: Sequence[Path | str] = (),
        selection: Selection | None = None,
        referrers: WantedReferrers | None = None,
        max_size: int | None = None,
        signers: tuple[Signer, ...] = (),
        sign_identity: str = "",
        jobs: int = IMAGES_AT_ONCE,
        report: SyncSink = ignore,
    ) -> WrittenBundle:
        """Make a bundle of images at ``output``: an OCI archive in which each blob is once.

        Takes the arguments of the function `pyskopeo.create_bundle`, and raises the same errors. A run has connections
        of its own, which its images share.
        """
        return self._run(partial(
            self._client.create_bundle, images, output, since=since, selection=selection, referrers=referrers,
            max_size=max_size, signers=signers, sign_identity=sign_identity, jobs=jobs, report=report,
        ))  # fmt: skip

    def apply_bundles(
        self,
        files: Sequence[Path | str],
        to: str = "",
        *,
        renaming: Sequence[str] | Mapping[str, str] = (),
        trust: SignatureTrust | None = None,
        jobs: int = IMAGES_AT_ONCE,
        report: SyncSink = ignore,
    ) -> tuple[AppliedImage, ...]:
        """Put the images of bundles into a registry, a layout or the content store.

        Takes the arguments of the function `pyskopeo.apply_bundles`, and raises the same errors. A run has connections
        of its own, which its images share.
        """
        return self._run(partial(
            self._client.apply_bundles, files, to, renaming=renaming, trust=trust, jobs=jobs, report=report,
        ))  # fmt: skip
