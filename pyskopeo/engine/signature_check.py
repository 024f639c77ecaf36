"""Check the signatures of an image, and report all that was found: by a policy, or by keys that the user names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Protocol

from ..errors import PolicyRejected, PyskopeoError
from ..streams.cancellation import run_in_thread
from ..streams.concurrency import each
from .children import read_children
from .graph import find_image, ignore_warning
from .policy_check import names_blobs, signed_image
from .referring_signatures import read_referring_signatures
from .selection import has_only_blobs

if TYPE_CHECKING:
    from ..access import Access
    from ..config.policy_requirements import SignedBy, SigstoreSigned
    from ..interfaces import ImageReference, ImageSource
    from ..model.choice import Choice
    from ..model.descriptor import Descriptor
    from ..model.manifest import Manifest
    from ..model.platform import Platform
    from ..model.signature import Signature
    from ..signatures.given_trust import GivenTrust
    from ..signatures.report import CheckedManifest, CheckedRequirement
    from ..signatures.verdict import SignedImage, Verdict

_MANIFESTS_AT_ONCE = 8


class SignatureCheck(Protocol):
    """Checks the signatures of one manifest.

    ``covers_images`` is whether the signature of an index is one of the images in it, too.
    """

    covers_images: bool

    async def __call__(self, manifest: Manifest, descriptor: Descriptor | None, /) -> tuple[CheckedRequirement, ...]:
        """Return what was found for each requirement; ``descriptor`` None: it is the source's root.

        Raises the errors of reading signatures.
        """
        ...


class GivenCheck:
    """Checks by keys or certificates that the user names, in the place of a policy.

    A signature of an index is enough for the images in it, since the index contains their digests.
    """

    covers_images = True

    def __init__(self, name: ImageReference, source: ImageSource, trust: GivenTrust) -> None:
        self._name, self._source, self._trust = name, source, trust

    async def __call__(self, manifest: Manifest, descriptor: Descriptor | None, /) -> tuple[CheckedRequirement, ...]:
        """Read all signatures of the manifest, also those that refer to it by themselves, and judge them."""
        from ..signatures.given_trust import judge

        found = [*await self._source.signatures(descriptor, required=True)]
        referring = await read_referring_signatures(self._source, manifest.digest)
        found += [one for one in referring if one not in found]  # attachments are in cosign's tags
        image, now = signed_image(manifest, self._name), datetime.now(UTC)
        return (await run_in_thread(partial(judge, self._trust, image, found, now)),)


class PolicyCheck:
    """Checks by the policy of ``access``, as a copy does: every image by signatures of its own.

    containers-policy.json(5).
    """

    covers_images = False

    def __init__(self, name: ImageReference, source: ImageSource, access: Access) -> None:
        self._name, self._source, self._policy = name, source, access.policy()

    async def __call__(self, manifest: Manifest, descriptor: Descriptor | None, /) -> tuple[CheckedRequirement, ...]:
        """Check every requirement for signatures, also those after one that is not satisfied."""
        from ..config.policy_requirements import InsecureAcceptAnything, SignedBy, SigstoreSigned
        from ..signatures.report import CheckedRequirement

        name = self._name.image_name
        try:
            rule = self._policy.judge(self._name.subject(), name)
        except PolicyRejected as error:
            return (CheckedRequirement("policy", error.scope, str(error)),)
        if not rule.requirements:
            return (CheckedRequirement(InsecureAcceptAnything.type, rule.scope),)
        signatures = await self._source.signatures(descriptor, required=True)
        if any(isinstance(requirement, SigstoreSigned) for requirement in rule.requirements):
            signatures += await read_referring_signatures(self._source, manifest.digest, cosign_tags=False)
        image, found = signed_image(manifest, self._name), []
        for requirement in rule.requirements:
            if isinstance(requirement, SignedBy | SigstoreSigned):
                found.append(await run_in_thread(partial(_judge, requirement, rule.scope, image, signatures)))
                continue
            reason = ""
            try:
                rule.check(requirement, name)
            except PolicyRejected as error:
                reason = str(error)
            found.append(CheckedRequirement(requirement.type, rule.scope, reason))
        return tuple(found)


def _judge(
    requirement: SignedBy | SigstoreSigned, scope: str, image: SignedImage, signatures: Sequence[Signature]
) -> CheckedRequirement:
    """Judge all signatures; that a file of keys cannot be read, or a package is missing, is the reason then."""
    from ..config.policy_keys import load_keys
    from ..signatures.report import CheckedRequirement
    from ..signatures.requirements import judge

    verdicts: list[Verdict] = []
    try:
        verdicts += judge(requirement, image, signatures, load_keys(requirement), datetime.now(UTC))
    except PyskopeoError as error:
        return CheckedRequirement(requirement.type, scope, str(error), tuple(verdicts))
    return CheckedRequirement.of(requirement.type, scope, verdicts)


async def check_manifests(
    source: ImageSource,
    root: Manifest,
    check: SignatureCheck,
    platform: Platform | Choice | None,
    warn: Callable[[str], None] = ignore_warning,
) -> tuple[CheckedManifest, ...]:
    """Check the image for a platform, or without one every image below the ``root`` manifest, in their order there.

    An index is checked, too, if it names anything that cannot have signatures, or first of all if the ``check`` covers
    the images in it: if it is accepted then, nothing else is checked, and if its images are, it is not in the result.
    ``warn`` is called with a message if several images match. Raises the source's errors, and `NoMatchingPlatform`.
    """
    if not root.is_index or not check.covers_images:
        return await _check_images(source, root, check, platform, warn)
    whole = await _checked(check, root, None)
    if whole.accepted:
        return (whole,)
    images = await _check_images(source, root, check, platform, warn)
    if all(one.accepted for one in images):
        return images
    return whole, *(one for one in images if one.digest != root.digest)


async def _check_images(
    source: ImageSource,
    root: Manifest,
    check: SignatureCheck,
    platform: Platform | Choice | None,
    warn: Callable[[str], None],
) -> tuple[CheckedManifest, ...]:
    manifests = await _manifests(source, root, platform, warn)
    found: dict[int, CheckedManifest] = {}

    async def check_one(item: tuple[int, tuple[Manifest, Descriptor | None]]) -> None:
        position, (manifest, descriptor) = item
        found[position] = await _checked(check, manifest, descriptor)

    await each(enumerate(manifests), check_one, at_once=_MANIFESTS_AT_ONCE)
    return tuple(found[position] for position in range(len(manifests)))


async def _checked(check: SignatureCheck, manifest: Manifest, descriptor: Descriptor | None) -> CheckedManifest:
    from ..signatures.report import CheckedManifest

    platform = manifest.platform if descriptor is None else descriptor.platform
    return CheckedManifest(manifest.digest, manifest.media_type, await check(manifest, descriptor), platform)


async def _manifests(
    source: ImageSource, root: Manifest, platform: Platform | Choice | None, warn: Callable[[str], None]
) -> Sequence[tuple[Manifest, Descriptor | None]]:
    """Return the manifests to check, with their descriptors, None for the root; no index that names images only."""
    if platform is not None and not has_only_blobs(root):
        image = await find_image(source, root, platform, warn)
        return ((image, None if image is root else image.descriptor),)
    below = (await read_children(source, root)).manifests if root.is_index else {}
    ordered = {entry.digest: entry for entry in root.manifests if entry.digest in below}
    ordered |= {digest: one.descriptor for digest, one in below.items() if digest not in ordered}
    every = [(root, None), *((below[digest], entry) for digest, entry in ordered.items())]
    checked = [(one, entry) for one, entry in every if not one.is_index or names_blobs(one)]
    return checked or ((root, None),)
