"""Check the images of a copy against the user's signature policy (containers-policy.json(5))."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import prefix_errors
from .attachments import signatures_to_copy

if TYPE_CHECKING:
    from ..access import Access
    from ..interfaces import ImageReference, ImageSource
    from ..model.descriptor import Descriptor
    from ..model.manifest import Manifest
    from ..model.signature import Signature
    from .plan import Form


class ImageCheck:
    """Checks the manifests of one source, as `read_graph` calls it.

    ``name`` is the image as the user named it; with ``form`` the signatures are read that a copy takes along, None:
    nothing is copied.
    """

    def __init__(self, name: ImageReference, source: ImageSource, access: Access, form: Form | None = None) -> None:
        self._name, self._source, self._access, self._form = name, source, access, form

    async def __call__(self, manifest: Manifest, descriptor: Descriptor | None) -> tuple[Signature, ...]:
        """Raise `PolicyRejected` for a manifest that must not be used; return the signatures that are copied with it.

        ``descriptor`` None: it is the source's root. Raises the errors of reading signatures, too.
        """
        check_policy(self._name, self._access)
        if self._form is None:
            return ()
        return await signatures_to_copy(self._source, manifest, descriptor, form=self._form)


def check_policy(source: ImageReference, access: Access) -> None:
    """Raise `PolicyRejected` for an image that the policy does not allow, `InvalidInput` for an invalid policy file.

    containers-policy.json(5).
    """
    policy = access.policy()
    with prefix_errors("Source image rejected"):
        policy.judge(source.subject(), source.image_name)
