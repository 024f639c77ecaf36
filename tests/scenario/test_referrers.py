"""``referrers``: what refers to an image, in registries of all kinds and in layouts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyskopeo
from pyskopeo.errors import TooLarge
from tests.support.access import access_for
from tests.support.cli import fatal, pyskopeo_here, succeed
from tests.support.exchange import Response
from tests.support.faults import Refuse
from tests.support.images import BuiltImage, ImageSpec, IndexSpec, LayerSpec, PlatformSpec, build, edited
from tests.support.listed_referrers import lists
from tests.support.outputs import blob_path, write_layout
from tests.support.referring import INDEX, SBOM, SIGNATURE, described, index_of, referring
from tests.support.simulator import Simulator

pytestmark = pytest.mark.usefixtures("no_machine_policy")

IMAGE = build("oci")
MULTI = build(
    IndexSpec((ImageSpec(), ImageSpec(layers=(LayerSpec("arm"),), platform=PlatformSpec("arm64", variant="v8"))), attestations=True)
)
BOM = referring(IMAGE, title="packages")
SIGNED = referring(BOM, SIGNATURE)


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with Simulator(IMAGE) as running:
        running.add(MULTI, "test/image", "multi")
        yield running


def referrers(name: str, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(succeed(pyskopeo_here("referrers", "--tls-verify=false", "--json", *words, name)).stdout)
    assert found["name"] == name
    return found


def tree(name: str, *words: str) -> str:
    return succeed(pyskopeo_here("referrers", "--tls-verify=false", *words, name)).stdout.decode()


def shape(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The digests with those that refer to them."""
    return {one["digest"]: shape(one["referrers"]) for one in entries}


def test_the_api_in_pages_and_recursively(registry: Simulator) -> None:
    other = referring(IMAGE, SIGNATURE, b"1")
    lists(registry, IMAGE.digest, [described(BOM, artifactType=SBOM, annotations={"title": "packages"})],
          [described(other, artifactType=SIGNATURE)])  # fmt: skip
    lists(registry, BOM.digest, [described(SIGNED, artifactType=SIGNATURE)])
    for leaf in (SIGNED, other):
        lists(registry, leaf.digest, [])
    found = referrers(registry.name())
    (image,) = found["images"]
    assert image["digest"] == IMAGE.digest
    assert shape(image["referrers"]) == {BOM.digest: {SIGNED.digest: {}}, other.digest: {}}
    (bom,) = (one for one in image["referrers"] if one["digest"] == BOM.digest)
    assert bom["artifactType"] == SBOM
    assert (bom["foundBy"], bom["annotations"], bom["size"]) == ("referrers API", {"title": "packages"}, len(BOM.root.raw))
    assert found["unread"] == 0

    lines = tree(registry.name()).splitlines()
    assert lines[0] == f"{registry.name()}  {IMAGE.digest}"
    assert len(lines) == 4
    (at,) = (number for number, line in enumerate(lines) if BOM.digest in line)
    assert SIGNED.digest in lines[at + 1]
    assert lines[at + 1].startswith(("│   └── " + SIGNATURE, "    └── " + SIGNATURE))
    assert lines[at].startswith(("├── " + SBOM, "└── " + SBOM))

    table = tree(registry.name(), "--table").splitlines()
    assert table[0].split() == ["SUBJECT", "TYPE", "DIGEST", "SIZE", "FOUND", "BY"]
    assert {tuple(line.split()[:3]) for line in table[1:]} == {
        (IMAGE.digest, SBOM, BOM.digest), (BOM.digest, SIGNATURE, SIGNED.digest), (IMAGE.digest, SIGNATURE, other.digest),
    }  # fmt: skip


def test_nothing_refers(registry: Simulator) -> None:
    assert tree(registry.name()).splitlines()[1:] == ["nothing refers to it"]
    assert referrers(registry.name())["images"][0]["referrers"] == []


@pytest.mark.parametrize("status", [400, 404, 405, 501])
def test_the_tag_schema_without_the_api(registry: Simulator, status: int) -> None:
    registry.on("/v2/test/image/referrers/*", Refuse(status))
    registry.add(BOM, "test/image", None)
    tag = IMAGE.digest.replace(":", "-")
    # An entry without its type is read.
    registry.routes[f"/v2/test/image/manifests/{tag}"] = Response(200, (("Content-Type", INDEX),), index_of(described(BOM)))
    (found,) = referrers(registry.name(), "--retry-times=0")["images"][0]["referrers"]
    assert (found["digest"], found["artifactType"], found["foundBy"], found["tag"]) == (BOM.digest, SBOM, "tag schema", tag)
    # The API is not asked again for what refers to that.
    assert [one.path for one in registry.requests if "/referrers/" in one.path] == [f"/v2/test/image/referrers/{IMAGE.digest}"]


def cosigned(image: BuiltImage, layer: str) -> BuiltImage:
    """What cosign pushes: an image's manifest with a layer of its own."""
    return edited(image, lambda made: made["layers"][0].update(mediaType=layer))


def test_cosigns_tags(registry: Simulator) -> None:
    name = IMAGE.digest.replace(":", "-")
    types = {
        "sig": "application/vnd.dev.cosign.simplesigning.v1+json", "att": "application/vnd.dsse.envelope.v1+json",
        "sbom": "text/spdx+json",
    }  # fmt: skip
    made = {suffix: cosigned(IMAGE, kind) for suffix, kind in types.items()}
    for suffix, image in made.items():
        registry.add(image, "test/image", f"{name}.{suffix}")
    signed_bom = cosigned(build("oci-zstd"), types["sig"])
    registry.add(signed_bom, "test/image", f"{made['sbom'].digest.replace(':', '-')}.sig")
    (image,) = referrers(registry.name())["images"]
    assert [(one["tag"], one["digest"], one["artifactType"], one["foundBy"]) for one in image["referrers"]] == [
        (f"{name}.{suffix}", made[suffix].digest, types[suffix], "cosign tag") for suffix in types
    ]
    assert shape(image["referrers"])[made["sbom"].digest] == {signed_bom.digest: {}}
    assert f"cosign tag {name}.att" in tree(registry.name())


def test_the_images_of_an_index_and_buildkits_attestations(registry: Simulator) -> None:
    amd, arm, *attestations = (MULTI.child(number) for number in range(4))
    lists(registry, arm.digest, [described(BOM, artifactType=SBOM)])
    lists(registry, MULTI.digest, [described(SIGNED, artifactType=SIGNATURE)])
    name = registry.name(tag="multi")
    found = {one["digest"]: one for one in referrers(name)["images"]}
    assert list(found) == [MULTI.digest, amd.digest, arm.digest]
    assert shape(found[MULTI.digest]["referrers"]) == {SIGNED.digest: {}}
    assert shape(found[arm.digest]["referrers"]) == {attestations[1].digest: {}, BOM.digest: {}}
    (attestation,) = found[amd.digest]["referrers"]
    assert attestation["digest"] == attestations[0].digest
    assert (attestation["artifactType"], attestation["foundBy"]) == ("application/vnd.in-toto+json", "index entry")
    assert found[arm.digest]["platform"] == {"architecture": "arm64", "os": "linux", "variant": "v8"}
    assert f"linux/arm64/v8  {arm.digest}" in tree(name)

    (chosen,) = referrers(name, "--platform=linux/arm64")["images"]
    assert chosen == found[arm.digest]
    filtered = {one["digest"]: shape(one["referrers"]) for one in referrers(name, "--type", SBOM)["images"]}
    assert filtered == {MULTI.digest: {}, amd.digest: {}, arm.digest: {BOM.digest: {}}}


@pytest.mark.parametrize("applied", [False, True])
def test_types(registry: Simulator, applied: bool) -> None:
    """The registry is asked to filter, and what it lists is filtered again; what refers to the rest comes along."""
    other = referring(IMAGE, "a/b", b"1")
    headers = (("OCI-Filters-Applied", "artifactType"),) if applied else ()
    # Without its type, if the registry says that it is the one.
    listed = [described(BOM)] if applied else [described(other, artifactType="a/b"), described(BOM, artifactType=SBOM)]
    lists(registry, IMAGE.digest, listed, headers=headers)
    lists(registry, BOM.digest, [described(SIGNED, artifactType=SIGNATURE)])
    (image,) = referrers(registry.name(), "--type", SBOM)["images"]
    assert shape(image["referrers"]) == {BOM.digest: {SIGNED.digest: {}}}
    asked = {one.path.rpartition("/")[2]: one.query for one in registry.requests if "/referrers/" in one.path}
    assert asked[IMAGE.digest] == {"artifactType": [SBOM]}
    assert asked[BOM.digest] == {}
    if not applied:
        (image,) = referrers(registry.name(), "--type", SBOM, "--type", "a/b")["images"]
        assert set(shape(image["referrers"])) == {BOM.digest, other.digest}


def test_cycles_end(registry: Simulator) -> None:
    first, second = described(BOM, artifactType=SBOM), described(SIGNED, artifactType=SIGNATURE)
    lists(registry, IMAGE.digest, [first, second])
    lists(registry, BOM.digest, [second, first])
    lists(registry, SIGNED.digest, [first, described(IMAGE, artifactType="a/b")])
    (image,) = referrers(registry.name())["images"]
    inner: dict[str, Any] = {BOM.digest: {}, SIGNED.digest: {}}
    found = shape(image["referrers"])
    assert found == {BOM.digest: inner, SIGNED.digest: {BOM.digest: {}, IMAGE.digest: {}}}
    assert tree(registry.name()).count("(see above)") == 4
    assert len([one for one in registry.requests if "/referrers/" in one.path]) == 6


def test_a_long_chain_is_cut(registry: Simulator) -> None:
    def link(number: int) -> dict[str, Any]:
        return {"mediaType": BOM.root.media_type, "digest": f"sha256:{number:064}", "size": 1, "artifactType": SBOM}

    lists(registry, IMAGE.digest, [link(0)])
    for number in range(20):
        lists(registry, str(link(number)["digest"]), [link(number + 1)])
    done = succeed(pyskopeo_here("referrers", "--tls-verify=false", registry.name()))
    assert len(done.stdout.decode().splitlines()) == 9
    assert "1 manifest was not looked into: too many, or too deep" in done.stderr
    assert len([one for one in registry.requests if "/referrers/" in one.path]) == 8


def page_of(first: int, count: int) -> list[dict[str, Any]]:
    return [
        {"mediaType": BOM.root.media_type, "digest": f"sha256:{number:064}", "size": 1, "artifactType": SBOM}
        for number in range(first, first + count)
    ]


@pytest.mark.anyio
async def test_ten_thousand_and_one_more(registry: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyskopeo.engine.referrer_walk._MAX_LOOKUPS", 20)
    access = access_for(tmp_path)
    lists(registry, IMAGE.digest, *(page_of(1000 * number, 1000) for number in range(10)))
    found = await pyskopeo.list_referrers(registry.name(), access=access)
    assert len(found.images[0].referrers) == 10_000
    assert found.unread == 10_000 - 19
    assert len([one for one in registry.requests if "/referrers/" in one.path]) == 10 + 19
    lists(registry, IMAGE.digest, *(page_of(1000 * number, 1000) for number in range(11)))
    with pytest.raises(TooLarge, match="more than 10000: given up"):
        await pyskopeo.list_referrers(registry.name(), access=access)


@pytest.mark.anyio
async def test_annotations_without_end(registry: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyskopeo.engine.referrer_walk._MAX_TEXT", 1000)
    entries = [entry | {"annotations": {"k": "v" * 100}} for entry in page_of(0, 9)]
    lists(registry, IMAGE.digest, entries)
    found = await pyskopeo.list_referrers(registry.name(), access=access_for(tmp_path))
    assert len(found.images[0].referrers) == 9
    lists(registry, IMAGE.digest, entries, page_of(9, 1))
    lists(registry, entries[0]["digest"], [entry | {"annotations": {"k": "v" * 200}} for entry in page_of(20, 1)])
    with pytest.raises(TooLarge, match="annotations"):
        await pyskopeo.list_referrers(registry.name(), access=access_for(tmp_path))


@pytest.mark.anyio
async def test_types_of_too_many_are_not_read(registry: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyskopeo.engine.referrer_walk._MAX_LOOKUPS", 5)
    entries = [{**entry, "artifactType": ""} for entry in page_of(0, 9)]
    lists(registry, IMAGE.digest, entries)
    found = await pyskopeo.list_referrers(registry.name(), types=["a/b"], access=access_for(tmp_path))
    assert (found.images[0].referrers, found.unread) == ((), 4)
    asked = {one.path.rpartition("/")[2] for one in registry.requests if "/manifests/sha256:" in one.path}
    assert len(asked) == 5


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Response(200, (("Content-Type", "text/html"),), b"<html>"), "the registry sent text/html"),
        (Response(200, (("Content-Type", INDEX),), b"<html>"), "listing referrers of "),
        (Response(200, (("Content-Type", INDEX),), IMAGE.root.raw), "listing referrers of "),
        (Response(200, (("Content-Type", INDEX),), b" " * 5_000_000), "listing referrers of "),
        (Response(403, (), b""), "listing referrers of "),
        (Response(200, (("Content-Type", INDEX), ("Link", '<http://evil.example/>; rel="next"')), index_of()),
         "is on http://evil.example: refused"),
        (Response(200, (("Content-Type", INDEX), ("Link", '<?again>; rel="next"')), index_of()), "more than 100 pages"),
        # After the first page, 404 does not say that there is no API: what was listed would be lost.
        (Response(200, (("Content-Type", INDEX), ("Link", '</v2/gone>; rel="next"')), index_of(described(BOM))),
         "listing referrers of "),
    ],
)  # fmt: skip
def test_bad_answers(registry: Simulator, answer: Response, expected: str) -> None:
    registry.routes[f"/v2/test/image/referrers/{IMAGE.digest}"] = answer
    assert expected in fatal(pyskopeo_here("referrers", "--tls-verify=false", "--retry-times=0", registry.name()))


def test_what_is_listed_and_not_there(registry: Simulator) -> None:
    lists(registry, IMAGE.digest, [described(BOM)])
    (found,) = referrers(registry.name())["images"][0]["referrers"]
    assert (found["digest"], found["artifactType"]) == (BOM.digest, "")
    assert f"└── -  {BOM.digest}" in tree(registry.name())


def test_text_of_others_is_one_line(registry: Simulator) -> None:
    lists(registry, IMAGE.digest, [described(BOM, artifactType="a\nb\x1b[2J")])
    shown = tree(registry.name()).splitlines()
    assert len(shown) == 2
    assert "a b [2J" in shown[1]


def test_layouts(tmp_path: Path) -> None:
    """By subjects, by the name of the tag schema, and by cosign's names."""
    layout = tmp_path / "layout"
    write_layout(IMAGE, layout, tag="v1")
    write_layout(BOM, layout, tag=None)
    write_layout(SIGNED, layout, tag=None)
    unlisted = referring(IMAGE, SIGNATURE, b"2")
    name = IMAGE.digest.replace(":", "-")
    listed = edited(build("oci-index"), lambda made: made.update(manifests=[described(unlisted, artifactType=SIGNATURE)]))
    write_layout(unlisted, layout, tag="remove")
    write_layout(listed, layout, tag=name)
    signature = cosigned(IMAGE, "application/vnd.dev.cosign.simplesigning.v1+json")
    write_layout(signature, layout, tag=f"example.com/app:{name}.sig")
    (image,) = referrers(f"oci:{layout}:v1")["images"]
    assert shape(image["referrers"]) == {BOM.digest: {SIGNED.digest: {}}, unlisted.digest: {}, signature.digest: {}}
    assert {one["digest"]: one["foundBy"] for one in image["referrers"]} == {
        BOM.digest: "subject", unlisted.digest: "subject", signature.digest: "cosign tag",
    }  # fmt: skip
    (image,) = referrers(f"oci:{layout}:v1", "--type", SIGNATURE)["images"]
    assert shape(image["referrers"]) == {unlisted.digest: {}}
    # One that is listed and not there is still listed; its subject is not known.
    blob_path(layout, unlisted.digest).unlink()
    found = {one["digest"]: one["foundBy"] for one in referrers(f"oci:{layout}:v1")["images"][0]["referrers"]}
    assert found[unlisted.digest] == "tag schema"


def test_what_cannot_be_listed(registry: Simulator, tmp_path: Path) -> None:
    assert "in registries, layouts and their archives: docker:, oci:, oci-archive:" in fatal(pyskopeo_here("referrers", f"dir:{tmp_path}"))
    assert "exclude each other" in fatal(pyskopeo_here("referrers", "--json", "--table", registry.name()))
    assert "manifest unknown" in fatal(pyskopeo_here("referrers", "--tls-verify=false", registry.name(tag="no")), 2)
    fatal(pyskopeo_here("--offline", "referrers", registry.name()), 3)
    assert [one for one in registry.requests if "/referrers/" in one.path] == []
    fatal(pyskopeo_here("referrers", f"oci:{tmp_path / 'none'}"))
