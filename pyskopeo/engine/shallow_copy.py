"""Copy an image without its layers: manifests and configurations only. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Unsupported
from ..fast_dataclass import replace

if TYPE_CHECKING:
    from ..interfaces import Accepts
    from .plan import Form, Graph, Plan


def shallow_form(form: Form, accepts: Accepts) -> Form:
    """Return the format of a copy without layers: uncompressed ones are not compressed, so that no digest changes.

    Raises `Unsupported` for a destination that cannot hold an image without its layers.
    """
    if not accepts.sparse:
        raise Unsupported(f"{accepts.called}: --layers none writes an OCI layout: want oci: or oci-archive:")
    return replace(form, keep_plain=True)


def without_layers(plan: Plan) -> Plan:
    """Return the plan with the configurations as its only blobs.

    Raises `Unsupported` if a manifest depends on layers that would have to be converted.
    """
    if plan.changes:
        digests = ", ".join(str(descriptor.digest) for descriptor, _ in plan.changes[:3])
        raise Unsupported(
            f"--layers none copies no layers, and the manifest to write depends on layers that would have to be "
            f"converted: {digests}"
        )
    configs = {manifest.config.digest for manifest in (plan.root, *plan.manifests) if manifest.config is not None}
    return replace(plan, blobs=tuple(blob for blob in plan.blobs if blob.digest in configs))


def only_configs(graph: Graph) -> Graph:
    """Return a graph whose images have no layers, to look up what a copy without them needs."""
    children = {digest: replace(child, layers=()) for digest, child in graph.children.items()}
    return replace(graph, root=replace(graph.root, layers=()), children=children, entry_blobs={})
