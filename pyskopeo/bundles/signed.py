"""Check who has signed a bundle: by a policy, or by keys and certificates that the user names.

What is signed is the manifest of the bundle. It has the digest of the contents, and these those of all images.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from ..api.signature_verification import SignatureTrust, verify_reference_signatures
from ..config.policy_scopes import Subject, by_path
from ..errors import NotFound, PolicyRejected
from ..http.printable import to_printable
from ..interfaces import ImageReference, ImageSource
from ..storage.files import real_path

if TYPE_CHECKING:
    from ..access import Access
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from ..model.referrer import Referrer
    from ..model.signature import Signature
    from ..signatures.report import SignatureReport
    from ..streams.pump import Blob
    from .reading import OpenBundle


class _BundleSource(ImageSource):
    """The manifest of a bundle and its signatures."""

    def __init__(self, bundle: OpenBundle) -> None:
        self._bundle = bundle

    async def manifest(self, descriptor: Descriptor | None = None) -> Manifest:
        return self._bundle.manifest

    def blob(self, descriptor: Descriptor) -> Blob:
        raise NotFound(f"{self._bundle.name}: {descriptor.digest} is not read to check signatures")

    async def signatures(
        self, descriptor: Descriptor | None = None, *, required: bool = False
    ) -> tuple[Signature, ...]:
        return self._bundle.signatures

    async def referrers(self, digest: Digest, artifact_type: str = "") -> tuple[Referrer, ...]:
        return ()

    async def cosign_tags(self, digest: Digest) -> tuple[Referrer, ...]:
        return ()


class _BundleReference(ImageReference):
    """A bundle for a policy: an OCI archive by its path, of parts the first that was given."""

    transport = "oci-archive"

    def __init__(self, bundle: OpenBundle) -> None:
        super().__init__(bundle.name)
        self._bundle = bundle

    def subject(self) -> Subject:
        return by_path("oci-archive", real_path(self._bundle.files[0].path))

    def open_source(self, access: Access) -> AbstractAsyncContextManager[ImageSource]:
        return _open(self._bundle)


@asynccontextmanager
async def _open(bundle: OpenBundle) -> AsyncIterator[ImageSource]:
    yield _BundleSource(bundle)


async def check_bundle_signatures(bundle: OpenBundle, trust: SignatureTrust | None, access: Access) -> SignatureReport:
    """Check the signatures of a bundle by ``trust``, or by the policy of ``access``.

    Raises `PolicyRejected` if they are not accepted, and what reading keys and policies raises.
    """
    report = await verify_reference_signatures(_BundleReference(bundle), trust or SignatureTrust(), access=access)
    if not report.accepted:
        refused = next((one for manifest in report.manifests for one in manifest.requirements if one.reason), None)
        reason, scope = ("nothing was checked", "") if refused is None else (refused.reason, refused.where)
        shown = to_printable(reason, 1000)
        raise PolicyRejected(
            f"{bundle.name}: the signatures of the bundle are not accepted: {shown}", scope=scope, where=report.policy
        )
    return report
