"""The plan of a copy: what is refused, what moves, what is written. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from ..errors import CannotPreserve, InvalidContent, Unsupported
from ..interfaces import Accepts
from ..model.change import Outcome
from ..model.descriptor import Descriptor
from ..model.digest import Digest
from .conversion import Rewriting
from .plan import AS_IT_IS, Basis, Form, Graph, Plan, stays_away


def decide(
    graph: Graph,
    accepts: Accepts,
    form: Form = AS_IT_IS,
    *,
    outcomes: Mapping[Digest, Outcome] | None = None,
) -> Plan:
    """The plan for a graph and a destination.

    Raises `CannotPreserve` when a manifest would have to change and may not, `Unsupported` when
    the destination cannot hold it at all.
    """
    root = graph.root
    if root.is_index and not accepts.indexes:
        raise Unsupported(f"{accepts.called} holds single images: copy one platform, without --all")
    if graph.kept is not None and all(entry.digest in graph.kept for entry in root.manifests):
        graph = replace(graph, kept=None)  # nothing to strip, so nothing changes
    if not root.is_index and root.config is not None and not root.is_image and not accepts.artifacts:
        raise Unsupported(f"{accepts.called} holds images only, and this artifact's config is no image config")
    _check_form(graph, form)
    rewriting = Rewriting(Basis(graph, accepts, form, outcomes or {}))
    new_root = rewriting.manifest(root)
    blobs = _distinct(
        blob for blob in rewriting.blobs
        if blob.digest not in rewriting.contents
        and not (accepts.foreign and stays_away(blob) and form.format != "v2s1")  # which has no URLs
    )  # fmt: skip
    manifests = {m.digest: m for m in rewriting.done.values() if m.digest != new_root.digest}
    return Plan(
        root.digest,
        new_root,
        tuple(manifests.values()),
        blobs,
        tuple(rewriting.contents.values()),
        sum(not manifest.is_index for manifest in rewriting.sources),
        tuple(rewriting.changes.values()),
        rewriting.basis,
    )


def settle(plan: Plan, outcomes: Mapping[Digest, Outcome]) -> Plan:
    """The plan once its changed layers are what ``outcomes`` says, by their digests before."""
    assert plan.basis is not None
    basis = plan.basis
    return decide(basis.graph, basis.accepts, basis.form, outcomes={**basis.outcomes, **outcomes})


def _check_form(graph: Graph, form: Form) -> None:
    if form.compression == "zstd" and form.format in ("v2s1", "v2s2"):
        raise Unsupported(f"--format {form.format} has no layers compressed with zstd: choose oci, or gzip")
    if not form.preserve_digests:
        return
    if graph.kept is not None:
        raise CannotPreserve("--strip-removed-platforms changes the index, and --preserve-digests forbids it")
    if form.compression or form.compress or form.decompress:
        raise CannotPreserve("layers in another compression have other digests, and --preserve-digests forbids that")


def _distinct(blobs: Iterator[Descriptor]) -> tuple[Descriptor, ...]:
    """One per digest, in order; raises `InvalidContent` if two say different sizes."""
    found: dict[Digest, Descriptor] = {}
    for blob in blobs:
        known = found.setdefault(blob.digest, blob)
        if known.size != blob.size:
            raise InvalidContent(f"blob {blob.digest} is said to have {known.size} bytes and {blob.size} bytes")
    return tuple(found.values())
