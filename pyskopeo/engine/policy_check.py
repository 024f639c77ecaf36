"""Check the images of a copy against the user's signature policy (containers-policy.json(5)).

Signatures are read if the policy asks for them, or if they are copied, and once for both.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from ..errors import Offline, PyskopeoError, prefix_errors
from ..fast_dataclass import replace
from ..model import mediatype
from ..model.events import Warned
from ..streams.cancellation import run_in_thread
from .attachments import is_copied

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..access import Access
    from ..config.policy import Rule
    from ..config.policy_requirements import SignedBy, SigstoreSigned
    from ..interfaces import ImageReference, ImageSource
    from ..model.descriptor import Descriptor
    from ..model.manifest import Manifest
    from ..model.signature import Signature
    from ..signatures.verdict import SignedImage, Verdict
    from .plan import Form

_REFUSED = "Source image rejected"


class ImageCheck:
    """Checks the manifests of one source, as `read_graph` calls it.

    ``name`` is the image as the user named it; with ``form`` the signatures are read that a copy takes along, None:
    nothing is copied. With ``alone`` an index is copied without its images.
    """

    def __init__(
        self, name: ImageReference, source: ImageSource, access: Access, form: Form | None = None, *,
        alone: bool = False,
    ) -> None:  # fmt: skip
        self._name, self._source, self._access = name, source, access
        self._form, self._alone = form, alone

    async def __call__(self, manifest: Manifest, descriptor: Descriptor | None) -> tuple[Signature, ...]:
        """Raise `PolicyRejected` for a manifest that must not be used; return the signatures that are copied with it.

        ``descriptor`` None: it is the source's root. Signatures of an index are not asked for if those of all its
        images are, as in containers/image. Raises the errors of reading signatures, too; those that are only copied,
        and would need a request that is not allowed, are left behind with a warning.
        """
        rule = _judge(self._name, self._access)
        needed = bool(rule.requirements) and (not manifest.is_index or self._alone or names_blobs(manifest))
        copied = self._form is not None and is_copied(manifest, self._form)
        if not needed and not copied:
            return ()
        try:
            with prefix_errors("reading signatures"):
                signatures = await self._source.signatures(descriptor, required=needed)
        except Offline as error:
            if needed:
                raise
            self._access.report(Warned(f"{self._name.image_name}: signatures are not copied: {error}"))
            return ()
        if needed:
            await self._verify(rule, manifest, signatures)
        return signatures if copied else ()

    async def _verify(self, rule: Rule, manifest: Manifest, signatures: Sequence[Signature]) -> None:
        """Raise `PolicyRejected` unless signatures satisfy every requirement of a rule."""
        from ..config.policy_requirements import SignedBy, SigstoreSigned

        image = signed_image(manifest, self._name)
        for requirement in rule.requirements:
            if not isinstance(requirement, SignedBy | SigstoreSigned):
                with prefix_errors(_REFUSED):
                    rule.check(requirement, self._name.image_name)
            elif reasons := await self._reasons_against(requirement, manifest, image, signatures):
                place = f"({requirement.type} for image {manifest.digest}, the rule: {rule})"
                raise rule.refusal(f"{_REFUSED}: {reasons} {place}")

    async def _reasons_against(
        self, requirement: SignedBy | SigstoreSigned, manifest: Manifest, image: SignedImage,
        signatures: Sequence[Signature],
    ) -> str:  # fmt: skip
        """Return why no signature satisfies a requirement, or why that cannot be found out; "" if one does.

        Bundles, which take requests of their own, are read only if no other signature does.
        """
        from ..config.policy_requirements import SigstoreSigned
        from ..signatures.reasons import summarize
        from ..signatures.requirements import may_satisfy

        candidates = [signature for signature in signatures if may_satisfy(requirement, signature)]
        refused = await run_in_thread(partial(_judge_all, requirement, image, candidates))
        if refused is not None and isinstance(requirement, SigstoreSigned):
            more = await self._judge_bundles(requirement, manifest, image)
            refused = None if more is None else [*refused, *more]
        return "" if refused is None else summarize(refused, others=len(signatures) - len(candidates))

    async def _judge_bundles(
        self, requirement: SigstoreSigned, manifest: Manifest, image: SignedImage
    ) -> list[Verdict] | None:
        from ..signatures.verdict import Verdict
        from .referring_signatures import read_referring_signatures

        try:
            bundles = await read_referring_signatures(self._source, manifest.digest, cosign_tags=False)
        except PyskopeoError as error:
            return [Verdict(False, f"reading the bundles of the image failed: {error}")]
        return await run_in_thread(partial(_judge_all, requirement, image, bundles))


def signed_image(manifest: Manifest, name: ImageReference) -> SignedImage:
    """Return the image that signatures have to be for.

    Of a name with a tag and a digest the tag counts: the manifest was read by the digest, and has it. (Signatures for
    both are not made; containers/image would accept these alone, and skopeo no such name.)
    """
    from ..signatures.verdict import SignedImage

    reference = name.reference
    if reference is not None and reference.tag and reference.digest is not None:
        reference = replace(reference, digest=None)
    return SignedImage(manifest.raw, name.image_name, reference)


def _judge_all(
    requirement: SignedBy | SigstoreSigned, image: SignedImage, signatures: Sequence[Signature]
) -> list[Verdict] | None:
    """Return the verdict on each of the signatures, which are all refused; None as soon as one is accepted.

    That a file of keys cannot be read, or a library is missing, is one, too.
    """
    if not signatures:
        return []
    from ..config.policy_keys import load_keys
    from ..signatures.requirements import judge
    from ..signatures.verdict import Verdict

    refused: list[Verdict] = []
    try:
        for verdict in judge(requirement, image, signatures, load_keys(requirement), datetime.now(UTC)):
            if verdict.accepted:
                return None
            refused.append(verdict)
    except PyskopeoError as error:
        refused.append(Verdict(False, str(error)))
    return refused


def check_policy(source: ImageReference, access: Access) -> None:
    """Raise `PolicyRejected` for what the policy does not allow, `InvalidInput` for an invalid policy file.

    For content that is read by its digest, without the manifest that a signature could be for: where a signature is
    required, it is refused.
    """
    rule = _judge(source, access)
    if rule.requirements:
        kind = rule.requirements[0].type
        with prefix_errors(_REFUSED):
            raise rule.refusal(
                f"A signature was required for image {source.image_name} ({kind}, the rule: {rule}), and this command "
                "verifies none: copy the image first, or name another policy with --policy"
            )


def needs_signatures(source: ImageReference, access: Access) -> bool:
    """Return whether an image is allowed only with signatures; raises `PolicyRejected` if it is not allowed at all."""
    return bool(_judge(source, access).requirements)


def _judge(source: ImageReference, access: Access) -> Rule:
    policy = access.policy()
    with prefix_errors(_REFUSED):
        return policy.judge(source.subject(), source.image_name)


def names_blobs(index: Manifest) -> bool:
    """Return whether an index has entries that are no manifests, which no signature of their own can be for."""
    manifests = mediatype.MANIFESTS | mediatype.SCHEMA1_IMAGES | {""}
    return not index.manifests or not all(entry.media_type in manifests for entry in index.manifests)
