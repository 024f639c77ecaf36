"""The referrers API of the read-only registry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.images import BuiltImage
from tests.support.outputs import blob_path, write_layout
from tests.support.referring import SBOM, SIGNATURE, described, referring
from tests.support.serving import INDEX_TYPE, edit_index, get, put_blob

pytestmark = pytest.mark.anyio


def digests(entries: list[dict[str, Any]]) -> list[str]:
    return [str(one["digest"]) for one in entries]


async def test_what_refers_to_a_digest(layout: Path, image: BuiltImage) -> None:
    bom, signature = referring(image, title="packages"), referring(image, SIGNATURE)
    deep = referring(bom, SIGNATURE)
    for one in (bom, signature, deep):
        write_layout(one, layout, tag=None)
    path = f"/v2/x/referrers/{image.digest}"
    answer, head = await get(layout, path), await get(layout, path, "HEAD")
    assert (answer.status_code, answer.headers["content-type"]) == (200, INDEX_TYPE)
    assert "oci-filters-applied" not in answer.headers
    assert (head.status_code, head.content, head.headers["content-type"]) == (200, b"", INDEX_TYPE)
    found = answer.json()
    assert (found["schemaVersion"], found["mediaType"]) == (2, INDEX_TYPE)
    assert found["manifests"] == sorted(
        [described(bom, artifactType=SBOM, annotations={"title": "packages"}), described(signature, artifactType=SIGNATURE)],
        key=lambda entry: str(entry["digest"]),
    )
    assert digests((await get(layout, f"/v2/x/referrers/{bom.digest}")).json()["manifests"]) == [deep.digest]

    filtered = await get(layout, f"{path}?artifactType={SIGNATURE.replace('/', '%2F')}")
    assert filtered.headers["oci-filters-applied"] == "artifactType"
    assert digests(filtered.json()["manifests"]) == [signature.digest]
    none = await get(layout, f"{path}?artifactType=a%2Fb")
    assert (none.status_code, none.json()["manifests"]) == (200, [])


async def test_nothing_refers_to_it(layout: Path) -> None:
    answer = await get(layout, f"/v2/x/referrers/sha256:{'0' * 64}")
    assert (answer.status_code, answer.headers["content-type"], answer.json()["manifests"]) == (200, INDEX_TYPE, [])


async def test_a_manifest_below_an_index_and_one_that_is_damaged(layout: Path, image: BuiltImage) -> None:
    inside, damaged = referring(image), referring(image, SIGNATURE)
    for one in (inside, damaged):
        write_layout(one, layout, tag=None)
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [described(inside)]}).encode()
    nested = put_blob(layout, index)

    def change(entries: list[dict[str, Any]]) -> None:
        entries[1] = {"mediaType": INDEX_TYPE, "digest": nested, "size": len(index)}

    edit_index(layout, change)
    blob_path(layout, damaged.digest).write_bytes(b"{}")
    answer = await get(layout, f"/v2/x/referrers/{image.digest}")
    assert digests(answer.json()["manifests"]) == [inside.digest]


async def test_large_lists_are_in_pages(layout: Path, image: BuiltImage) -> None:
    every = [referring(image, note=str(number) * 1_500_000) for number in range(3)]
    for one in every:
        write_layout(one, layout, tag=None)
    other = referring(image, SIGNATURE)
    write_layout(other, layout, tag=None)
    found: list[str] = []
    path = f"/v2/x/referrers/{image.digest}?artifactType={SBOM.replace('+', '%2B')}"
    pages = 0
    while path:
        answer = await get(layout, path)
        assert len(answer.content) < 4 * 1024 * 1024
        found += digests(answer.json()["manifests"])
        pages += 1
        link = answer.headers.get("link", "")
        assert not link or link.endswith('; rel="next"')
        path = link.partition(">")[0].removeprefix("<")
    assert pages > 1
    assert found == sorted(one.digest for one in every)
