"""The files old Docker versions read from an archive, as skopeo writes them: pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...fast_dataclass import dataclass
from ...gocompat.go_json import dumps
from ...model.digest import Digest
from ...model.raw_json import compact, members, write

_TOP = ("architecture", "config", "container", "container_config", "created", "docker_version", "os")


@dataclass(frozen=True, slots=True)
class LegacyLayer:
    """One directory of the archive: its name and its ``json``."""

    id: str
    json: bytes


def legacy_layers(config: bytes, diff_ids: Sequence[Digest]) -> Iterator[LegacyLayer]:
    """A directory for each layer, repeated ones included; the last carries the configuration.

    The name is the digest of the ``json`` with the chain ID in it (image specification,
    "Layer ChainID"), so it depends on all layers below.
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
