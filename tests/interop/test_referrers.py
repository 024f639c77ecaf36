"""What refers to an image in a registry without the referrers API, and in a layout."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.interop.programs import real_skopeo
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


def copied(source: str, destination: str, *words: str) -> None:
    succeed(pyskopeo_here("copy", "--src-tls-verify=false", "--dest-tls-verify=false", *words, source, destination))


def referring_to(name: str) -> dict[str, list[str]]:
    (image,) = json.loads(succeed(pyskopeo_here("referrers", "--tls-verify=false", "--json", name)).stdout)["images"]
    return {one["digest"]: [two["digest"] for two in one["referrers"]] for one in image["referrers"]}


@pytest.mark.peer("docker-registry")
def test_referrers_are_copied_into_docker_registry_and_out_of_it(registry: Registry, tmp_path: Path) -> None:
    """It has no referrers API, and gives entity tags without looking at conditions."""
    for one, tag in ((IMAGE, "1.0"), (BOM, None), (SIGNED, None)):
        write_layout(one, tmp_path / "from", tag=tag)
    names = [registry.name("refer/to", "1.0"), registry.name("refer/mirror", "1.0"), f"oci:{tmp_path / 'to'}:1.0"]
    for source, destination in zip([f"oci:{tmp_path / 'from'}:1.0", *names], names, strict=False):
        copied(source, destination, "--referrers")
        assert referring_to(destination) == {BOM.digest: [SIGNED.digest]}
    succeed(pyskopeo_here("layout", "verify", f"oci:{tmp_path / 'to'}"))


def _pushed(command: list[str]) -> subprocess.CompletedProcess[bytes]:
    """Run a command that pushes; again, if docker-registry has read a link that another push was writing."""
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    if b"provided digest did not match uploaded content; manifest blob unknown" in done.stderr:
        done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    return done


@pytest.mark.peer("docker-registry")
def test_several_copies_at_once_into_docker_registry(registry: Registry, tmp_path: Path) -> None:
    """Each has a referrer of its own; what the others have overwritten is added again."""
    boms = [referring(IMAGE, SBOM, b"%d" % number) for number in range(4)]
    for number, bom in enumerate(boms):
        for one, tag in ((IMAGE, "1.0"), (bom, None)):
            write_layout(one, tmp_path / str(number), tag=tag)
    name = registry.name("refer/several", "1.0")
    with ThreadPoolExecutor(len(boms)) as pool:
        words = ("copy", "--dest-tls-verify=false", "--referrers")
        commands = [[sys.executable, "-m", "pyskopeo", *words, f"oci:{tmp_path / str(number)}:1.0", name] for number in range(4)]
        done = list(pool.map(_pushed, commands))
    assert [one.returncode for one in done] == [0] * 4, [one.stderr for one in done]
    assert set(referring_to(name)) == {bom.digest for bom in boms}


@pytest.mark.peer("skopeo")
def test_skopeo_reads_the_image_beside_its_referrers(tmp_path: Path) -> None:
    for one, tag in ((IMAGE, "1.0"), (BOM, None)):
        write_layout(one, tmp_path / "from", tag=tag)
    copied(f"oci:{tmp_path / 'from'}:1.0", f"oci:{tmp_path / 'to'}:1.0", "--referrers")
    found = json.loads(succeed(real_skopeo("inspect", f"oci:{tmp_path / 'to'}:1.0")).stdout)
    assert found["Digest"] == IMAGE.digest
    index = succeed(real_skopeo("inspect", "--raw", f"oci:{tmp_path / 'to'}:{IMAGE.digest.replace(':', '-')}")).stdout
    assert [one["digest"] for one in json.loads(index)["manifests"]] == [BOM.digest]
