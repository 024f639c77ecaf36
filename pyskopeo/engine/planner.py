"""Plan a copy from the manifests that were read and what the destination accepts; no I/O.

Raises every error that can be known before blobs are copied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..errors import CannotPreserve, InvalidContent, Unsupported
from ..fast_dataclass import replace
from ..interfaces import Accepts
from ..model.change import Outcome
from ..model.descriptor import Descriptor
from ..model.digest import Digest
from .conversion import ManifestConversion
from .layer_changes import stated_diff_ids
from .plan import DEFAULT_FORM, Form, Graph, Plan, PlanInputs, has_foreign_urls
from .selection import has_only_blobs


def decide(
    graph: Graph,
    accepts: Accepts,
    form: Form = DEFAULT_FORM,
    *,
    outcomes: Mapping[Digest, Outcome] | None = None,
) -> Plan:
    """Return the plan for copying a graph to a destination.

    ``outcomes`` are layers that were changed already, by their digests at the source. Raises `CannotPreserve` when a
    manifest would have to change but must not, `Unsupported` when the destination cannot store it, and
    `InvalidContent` for descriptors that contradict each other, and for configurations that contradict their manifests.
    """
    root = graph.root
    if root.is_index and not accepts.indexes:
        if has_only_blobs(root):
            raise Unsupported(f"{accepts.called} holds images, and this index lists blobs only, as a build cache does")
        raise Unsupported(f"{accepts.called} holds single images: copy one platform, without --all")
    if graph.kept is not None and all(entry.digest in graph.kept for entry in root.manifests):
        graph = replace(graph, kept=None)  # there is nothing to strip: the digest stays
    if not root.is_index and root.config is not None and not root.is_image and not accepts.artifacts:
        raise Unsupported(f"{accepts.called} holds images only, and this artifact's config is no image config")
    _check_contradictions(graph, form)
    conversion = ManifestConversion(PlanInputs(graph, accepts, form, outcomes or {}, stated_diff_ids(graph)))
    new_root = conversion.convert(root)
    if root.platform is not None:
        new_root = replace(new_root, platform=root.platform)
    blobs = _deduplicated(
        blob for blob in conversion.blobs
        if blob.digest not in conversion.contents
        and not (accepts.foreign and has_foreign_urls(blob) and form.format != "v2s1")  # schema 1 has no URLs
    )  # fmt: skip
    manifests = {m.digest: m for m in conversion.converted.values() if m.digest != new_root.digest}
    return Plan(
        root.digest,
        new_root,
        tuple(manifests.values()),
        blobs,
        tuple(conversion.contents.values()),
        conversion.images,
        tuple(conversion.changes.values()),
        conversion.inputs,
    )


def plan_with_outcomes(plan: Plan, outcomes: Mapping[Digest, Outcome]) -> Plan:
    """Return ``plan`` recomputed after its layers were changed; ``outcomes`` are by their digests at the source.

    Raises what `decide` raises.
    """
    assert plan.inputs is not None
    inputs = plan.inputs
    return decide(inputs.graph, inputs.accepts, inputs.form, outcomes={**inputs.outcomes, **outcomes})


def _check_contradictions(graph: Graph, form: Form) -> None:
    """Raise `Unsupported` or `CannotPreserve` for options that exclude each other."""
    if form.compression == "zstd" and form.format in ("v2s1", "v2s2"):
        raise Unsupported(f"--format {form.format} has no layers compressed with zstd: choose oci, or gzip")
    if form.encryption is not None and form.format in ("v2s1", "v2s2"):
        raise Unsupported(
            f"encryption required together with format {form.format}, which does not support encryption: choose oci"
        )
    if not form.preserve_digests:
        return
    if graph.kept is not None:
        raise CannotPreserve("--strip-removed-platforms changes the index, and --preserve-digests forbids it")
    if form.compression or form.compress or form.decompress:
        raise CannotPreserve("layers in another compression have other digests, and --preserve-digests forbids that")
    if form.encryption is not None:
        raise CannotPreserve("encrypted layers have other digests, and --preserve-digests forbids that")


def _deduplicated(blobs: Iterator[Descriptor]) -> tuple[Descriptor, ...]:
    """Return the first descriptor of each digest, in order; raises `InvalidContent` if their sizes differ."""
    found: dict[Digest, Descriptor] = {}
    for blob in blobs:
        known = found.setdefault(blob.digest, blob)
        if known.size != blob.size:
            raise InvalidContent(f"blob {blob.digest} is said to have {known.size} bytes and {blob.size} bytes")
    return tuple(found.values())
