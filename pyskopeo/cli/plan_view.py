"""The output of a dry run: a table of blobs and manifests, or the whole graph as JSON."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..model.descriptor import platform_json
from ..model.events import Placement
from .quantities import quantity, size
from .verification_view import print_json

if TYPE_CHECKING:
    from ..access import Access
    from ..engine.plan import Plan
    from ..engine.referrer_reading import CopiedReferrer
    from ..engine.run import CopyResult
    from ..interfaces import ImageReference
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from ..signatures.signer import Signer

# The state of a blob in a dry run. A registry can decline to mount a blob, which then is fetched.
_STATES = {
    Placement.PRESENT: "present", Placement.MOUNTED: "to mount", Placement.LINKED: "in store",
    Placement.WRITTEN: "to fetch",
}  # fmt: skip


def print_dry_run(
    result: CopyResult, source: ImageReference, destination: ImageReference, source_access: Access,
    signers: Sequence[Signer] = (), *, as_json: bool,
) -> None:  # fmt: skip
    """Print the result of a dry run to standard output, as a table or as JSON; ``signers`` would sign the image."""
    if as_json:
        print_json(dry_run_document(result, source, destination, source_access, signers))
    else:
        _print_table(result.plan, result.placements, result.referrers, signers)


def _print_table(
    plan: Plan, placements: Mapping[Digest, Placement], referrers: Sequence[CopiedReferrer], signers: Sequence[Signer]
) -> None:
    """Print a table of the blobs and the manifests to standard output."""
    descriptors = plan.all_blobs
    for descriptor in descriptors:
        state = _STATES[placements[descriptor.digest]]
        print(f"{state:<9} {descriptor.digest}  {size(descriptor.size):>10}  {descriptor.media_type}")
    for manifest in (*plan.manifests, plan.root):
        print(f"{'manifest':<9} {manifest.digest}  {size(len(manifest.raw)):>10}  {manifest.media_type}")
    for digest, format, count in _signatures(plan):
        print(f"{'signature':<9} {digest}  {quantity(count, 'signature'):>10}  {format}")
    for signer in signers:
        print(f"{'to sign':<9} by {signer.called}")
    for one in referrers:
        whole = len(one.manifest.raw) + sum(blob.size for blob in one.blobs)
        kind = one.tag or ascii(one.artifact_type)[1:-1][:100]
        print(f"{'referrer':<9} {one.manifest.digest}  {size(whole):>10}  {kind} of {one.subject}")
    if plan.inflates:
        print(f"layers are decompressed on the way, to at most {size(plan.max_inflated)} in total (--max-inflated)")
    if plan.converted:
        print(f"converted: the image's digest changes from {plan.source}")
    print(total_line(plan.images, [(blob.size, placements[blob.digest]) for blob in descriptors]))
    sys.stdout.flush()


def total_line(images: int, blobs: Collection[tuple[int, Placement]]) -> str:
    """Return how many images there are and what becomes of their ``blobs``, which are sizes in bytes and placements."""
    sums = [f"{quantity(images, 'image')}, {_sum([length for length, _ in blobs])}"]
    for placement in (Placement.WRITTEN, Placement.LINKED, Placement.MOUNTED):
        those = [length for length, found in blobs if found is placement]
        if those or placement is Placement.WRITTEN:
            sums.append(f"{_STATES[placement]}: {_sum(those)}")
    return "; ".join(sums)


def _signatures(plan: Plan) -> list[tuple[Digest, str, int]]:
    """Return how many signatures of each format are copied with which manifest."""
    found = plan.inputs.graph.signatures if plan.inputs else {}
    return [
        (digest, format, count)
        for digest, signatures in found.items()
        for format, count in Counter(one.format for one in signatures).items()
    ]


def _sum(sizes: Sequence[int]) -> str:
    total = sum(sizes)
    return f"{quantity(len(sizes), 'blob')}, {size(total)} ({total} bytes)"


def dry_run_document(
    result: CopyResult, source: ImageReference, destination: ImageReference, source_access: Access,
    signers: Sequence[Signer] = (),
) -> dict[str, Any]:  # fmt: skip
    """Return the graph of a dry run as JSON: manifests, the root first, and blobs, with sizes and places."""
    plan, placements = result.plan, result.placements
    reference = source.reference
    endpoints = () if reference is None else source_access.registries().endpoints(reference)
    places = [endpoint.reference.name for endpoint in endpoints]
    changed = {descriptor.digest for descriptor, _ in plan.changes}
    generated = {descriptor.digest for descriptor, _ in plan.contents}
    manifests = (plan.root, *plan.manifests)
    copied = [
        {"manifest": str(digest), "format": format, "count": count} for digest, format, count in _signatures(plan)
    ]
    configs = {manifest.config.digest for manifest in manifests if manifest.config is not None}
    return {
        "source": source.image_name,
        "destination": destination.image_name,
        "sourceDigest": str(result.source_digest),
        # Where layers are converted, the digest is known when that is done.
        "digest": None if plan.changes else str(plan.root.digest),
        "images": plan.images,
        "size": plan.total,
        "toFetch": sum(blob.size for blob in plan.all_blobs if placements[blob.digest] is Placement.WRITTEN),
        "manifests": [_manifest(manifest, _platforms(manifests)) for manifest in manifests],
        "blobs": [
            _described(blob) | {
                "kind": "config" if blob.digest in configs else "layer",
                "placement": placements[blob.digest].value,
                "converted": blob.digest in changed or blob.digest in generated,
                "sources": [] if blob.digest in generated else places,
            }
            for blob in plan.all_blobs
        ],
        **({"signatures": copied} if copied else {}),
        **({"signers": [signer.called for signer in signers]} if signers else {}),
        **({"referrers": [_referrer(one) for one in result.referrers]} if result.referrers else {}),
    }  # fmt: skip


def _referrer(one: CopiedReferrer) -> dict[str, Any]:
    described = _described(one.manifest.descriptor) | {
        "artifactType": one.artifact_type, "subject": str(one.subject),
        "blobs": [str(blob.digest) for blob in one.blobs],
    }  # fmt: skip
    return described | ({"tag": one.tag} if one.tag else {})


def _platforms(manifests: Sequence[Manifest]) -> dict[Digest, dict[str, Any]]:
    """Return the platforms that indexes state for their entries, by digest."""
    entries = (entry for manifest in manifests for entry in manifest.manifests)
    return {entry.digest: platform_json(entry.platform) for entry in entries if entry.platform is not None}


def _manifest(manifest: Manifest, platforms: Mapping[Digest, dict[str, Any]]) -> dict[str, Any]:
    described = _described(manifest.descriptor)
    if manifest.digest in platforms:
        described["platform"] = platforms[manifest.digest]
    if manifest.is_index:
        return described | {"manifests": [str(entry.digest) for entry in manifest.manifests]}
    config = None if manifest.config is None else str(manifest.config.digest)
    return described | {"config": config, "layers": [str(layer.digest) for layer in manifest.layers]}


def _described(descriptor: Descriptor) -> dict[str, Any]:
    return {"mediaType": descriptor.media_type, "digest": str(descriptor.digest), "size": descriptor.size}
