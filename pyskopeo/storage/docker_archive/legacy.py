"""The per-layer directories of a ``docker save`` archive, which old Docker versions read, as skopeo writes them.

Computed from the image configuration, without I/O (Docker image specification v1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...fast_dataclass import dataclass
from ...gocompat.go_json import dumps
from ...model.digest import Digest
from ...model.raw_json import compact, members, write

_TOP = ("architecture", "config", "container", "container_config", "created", "docker_version", "os")


@dataclass(frozen=True, slots=True)
class LegacyLayer:
    """A directory of the archive: its name and the content of its file ``json``."""

    id: str
    json: bytes


def legacy_layers(config: bytes, diff_ids: Sequence[Digest]) -> Iterator[LegacyLayer]:
    """Yield a directory for each layer, repeated layers included; the last one contains the image configuration.

    A directory's name is the sha256 of its ``json`` with the layer's chain ID added (OCI image specification,
    config.md, "Layer ChainID"), so it depends on all layers below. Raises `InvalidContent` if ``config`` is not a JSON
    object.
    """
    attributes = members(config, "image configuration")
    chain: Digest | None = None
    parent = ""
    for position, diff_id in enumerate(diff_ids):
        chain = diff_id if chain is None else Digest.of(f"{chain} {diff_id}".encode())
        fields = {"parent": dumps(parent)} if parent else {}
        if position == len(diff_ids) - 1:
            fields |= {name: compact(attributes.get(name, "null")) for name in _TOP}
        parent = Digest.of(write({**fields, "layer_id": dumps(str(chain))})).hex
        yield LegacyLayer(parent, write({**fields, "id": dumps(parent)}))
