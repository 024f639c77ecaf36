"""What refers to an image in a registry without the referrers API, and in a layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import pyskopeo_here, succeed
from tests.support.images import BuiltImage, build, edited
from tests.support.outputs import write_layout
from tests.support.peers import Registry
from tests.support.referring import SBOM, SIGNATURE, described, referring

IMAGE = build("oci")
BOM = referring(IMAGE)
SIGNED = referring(BOM, SIGNATURE)


def listed(*entries: dict[str, Any]) -> BuiltImage:
    """The index of the tag schema."""
    return edited(build("oci-index"), lambda made: made.update(manifests=list(entries)))


@pytest.mark.peer("docker-registry")
def test_the_tag_schema_of_docker_registry(registry: Registry, tmp_path: Path) -> None:
    registry.push(IMAGE, "refer/app", "1.0")
    for subject, referrer, kind in ((IMAGE, BOM, SBOM), (BOM, SIGNED, SIGNATURE)):
        registry.push(referrer, "refer/app", None)
        index = listed(described(referrer, artifactType=kind))
        only = BuiltImage(index.root, {index.digest: index.root}, {}, {})
        registry.push(only, "refer/app", subject.digest.replace(":", "-"))
    signature = edited(
        IMAGE, lambda made: made["layers"][0].update(mediaType="application/vnd.dev.cosign.simplesigning.v1+json")
    )
    registry.push(signature, "refer/app", f"{IMAGE.digest.replace(':', '-')}.sig")
    done = succeed(pyskopeo_here("referrers", "--tls-verify=false", "--json", registry.name("refer/app", "1.0")))
    (image,) = json.loads(done.stdout)["images"]
    bom, cosign = image["referrers"]
    assert (bom["digest"], bom["artifactType"], bom["foundBy"]) == (BOM.digest, SBOM, "tag schema")
    assert [(one["digest"], one["artifactType"]) for one in bom["referrers"]] == [(SIGNED.digest, SIGNATURE)]
    assert (cosign["digest"], cosign["foundBy"]) == (signature.digest, "cosign tag")

    # The same from a layout that has the same entries.
    for one, tag in ((IMAGE, "1.0"), (BOM, None), (SIGNED, None)):
        write_layout(one, tmp_path / "layout", tag=tag)
    done = succeed(pyskopeo_here("referrers", "--json", f"oci:{tmp_path / 'layout'}:1.0"))
    (image,) = json.loads(done.stdout)["images"]
    assert [(one["digest"], [inner["digest"] for inner in one["referrers"]]) for one in image["referrers"]] == [
        (BOM.digest, [SIGNED.digest])
    ]
