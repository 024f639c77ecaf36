"""``tree``: what an image consists of, in a registry and in a layout."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyskopeo
from pyskopeo.cli.main import main
from tests.support.access import access_for
from tests.support.cli import fatal, pyskopeo_here, succeed
from tests.support.faults import Body, Refuse
from tests.support.images import ArtifactSpec, BuiltImage, ImageSpec, IndexSpec, LayerSpec, PlatformSpec, build
from tests.support.outputs import blob_path, write_layout
from tests.support.referring import SBOM, referring
from tests.support.simulator import Simulator
from tests.support.terminal import Terminal

ARM = PlatformSpec("arm64", variant="v8")
MULTI = build(IndexSpec((ImageSpec(empty_history=1), ImageSpec(layers=(LayerSpec("arm"),), platform=ARM)), attestations=True))
BOM = referring(MULTI)


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with Simulator(MULTI) as running:
        running.add(BOM, "test/image", f"sha256-{MULTI.digest[7:]}.sbom")
        yield running


def tree(name: str, *words: str) -> str:
    return succeed(pyskopeo_here("tree", "--tls-verify=false", *words, name)).stdout.decode()


def described(name: str, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(tree(name, "--json", *words))
    assert found["name"] == name
    return found


def layout(image: BuiltImage, path: Path) -> str:
    return f"oci:{write_layout(image, path / 'layout')}:latest"


def test_everything_is_below_the_index(registry: Simulator) -> None:
    root = described(registry.name())["root"]
    assert (root["digest"], root["size"]) == (MULTI.digest, len(MULTI.root.raw))
    amd, arm = root["manifests"]
    assert [amd["platform"]["architecture"], arm["platform"]] == ["amd64", {"architecture": "arm64", "os": "linux", "variant": "v8"}]
    assert [layer["digest"] for layer in amd["layers"]] == list(MULTI.layer_digests(amd["digest"]))
    assert [layer["history"]["created_by"] for layer in amd["layers"]] == [
        "/bin/sh -c #(nop) ADD file:base in / ", "/bin/sh -c #(nop) ADD file:data in / ",
    ]  # fmt: skip
    assert len(amd["history"]) == 5
    assert root["contentSize"] == sum(len(blob) for digest, blob in MULTI.blobs.items() if digest in sized(root))
    # BuildKit's attestations are entries of the index, and about the images.
    for image in (amd, arm):
        (attestation,) = image["referrers"]
        assert (attestation["foundBy"], attestation["artifactType"]) == ("index entry", "application/vnd.in-toto+json")
    (bom,) = root["referrers"]
    assert (bom["digest"], bom["artifactType"], bom["foundBy"]) == (BOM.digest, SBOM, "cosign tag")


def sized(root: dict[str, Any]) -> set[str]:
    return {blob["digest"] for image in root["manifests"] for blob in (image["config"], *image["layers"])}


def test_no_layer_is_fetched_and_nothing_twice(registry: Simulator) -> None:
    tree(registry.name(), "--no-referrers")
    paths = [request.path for request in registry.requests if "/v2/test" in request.path]
    manifests = [MULTI.child(0).digest, MULTI.child(1).digest]
    configs = [MULTI.config_digest(digest) for digest in manifests]
    wanted = ["manifests/latest", *(f"manifests/{one}" for one in manifests), *(f"blobs/{one}" for one in configs)]
    assert sorted(paths) == sorted(f"/v2/test/image/{one}" for one in wanted)


def test_one_platform(registry: Simulator) -> None:
    root = described(registry.name(), "--platform", "linux/arm64")["root"]
    assert root["digest"] == MULTI.child(1).digest
    assert len(root["layers"]) == 1


def test_text_in_a_pipe_is_complete(registry: Simulator) -> None:
    lines = tree(registry.name()).splitlines()
    amd, arm = MULTI.child(0).digest, MULTI.child(1).digest
    assert lines[:2] == [registry.name(), MULTI.digest]
    assert lines[2].startswith("index  2 images  ")
    assert [lines[at][:18] for at in (3, 4, 5)] == ["├── linux/amd64  2", "│   ├── 1  2.2 KiB", "│   ├── 2  1.7 KiB"]
    assert lines[3].endswith(f"{amd}  2024-02-03 04:05")
    assert lines[4].endswith(f"{'█' * 20}  {MULTI.layer_digests(amd)[0]}  ADD file:base in /")
    assert lines[6].startswith("│   └── referrer application/vnd.in-toto+json  ")
    assert lines[7].startswith("├── linux/arm64/v8  1 layer  ")
    assert MULTI.layer_digests(arm)[0] in lines[8]
    assert lines[10].startswith(f"└── referrer {SBOM}  ")
    assert len(lines) == 11


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_lines_fit_the_terminal(width: int, registry: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    out = Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr("pyskopeo.cli.text_output._terminal_width", lambda: width)
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(["tree", "--tls-verify=false", registry.name()]) == 0
    name, digest, *lines = out.getvalue().splitlines()
    assert (name, digest) == (registry.name(), MULTI.digest)
    assert max(map(len, lines)) <= width
    assert all(text in out.getvalue() for text in ("linux/arm64/v8  1 layer  ", "ADD file:data in /", f"sha256:{MULTI.child(0).digest[7:19]}"))


def test_the_page_has_all_of_it(registry: Simulator, tmp_path: Path) -> None:
    path = tmp_path / "tree.html"
    assert tree(registry.name(), "--html", str(path)) == ""
    html = path.read_text()
    known = [MULTI.digest, *(MULTI.child(at).digest for at in (0, 1)), MULTI.layer_digests(MULTI.child(1).digest)[0]]
    assert not [text for text in (*known, "linux/arm64/v8", "ADD file:arm in /", "CMD [", SBOM) if text not in html]
    assert html == tree(registry.name(), "--html", "-")


def test_an_image_says_nothing_to_the_terminal(tmp_path: Path) -> None:
    """Build steps, types and titles are from the image."""
    evil = "\x1b]0;evil\x07\u202e<script>"
    name = layout(build(ImageSpec(layers=(LayerSpec(evil),))), tmp_path)
    other = layout(build(ArtifactSpec(evil, evil, annotations={"a": evil})), tmp_path / "artifact")
    for one in (name, other):
        text, html = tree(one), tree(one, "--html", "-")
        assert not [letter for letter in "\x1b\x07\u202e" if letter in text + html]
        assert "<script" not in html
        assert "]0;evil <script>" in text


def test_a_platform_that_was_not_copied(tmp_path: Path) -> None:
    name = layout(MULTI, tmp_path)
    blob_path(tmp_path / "layout", MULTI.child(1).digest).unlink()
    amd, arm = described(name)["root"]["manifests"]
    assert (amd.get("missing"), arm["missing"]) == (None, True)
    assert "layers" not in arm
    assert f"linux/arm64/v8  {arm['digest']}  not here" in tree(name)
    assert "not here" in tree(name, "--html", "-")


def test_what_cannot_be_read_is_said_and_the_rest_is_shown(registry: Simulator) -> None:
    config = MULTI.config_digest(MULTI.child(0).digest)
    registry.on(f"/v2/*/blobs/{config}", Refuse(404))
    registry.on("/v2/*/referrers/*", Refuse(403))
    done = succeed(pyskopeo_here("tree", "--tls-verify=false", "--json", registry.name()))
    found = json.loads(done.stdout)
    assert [problem.partition(":")[0] for problem in found["problems"]] == [
        "the configuration of sha256", "what refers to the image",
    ]  # fmt: skip
    amd, arm = found["root"]["manifests"]
    assert (len(amd["layers"]), amd["history"], len(arm["history"])) == (2, [], 1)
    assert [one["foundBy"] for one in amd["referrers"]] == ["index entry"]
    assert done.stderr.count("shown without it") == 2


@pytest.mark.parametrize("kind", ["oci", "docker", "docker-list", "nested-index", "artifact", "oci-index-attested"])
def test_every_kind_of_image(kind: str, tmp_path: Path) -> None:
    image = build(kind)
    name = layout(image, tmp_path)
    assert image.digest in tree(name)
    assert image.digest in tree(name, "--html", "-")
    digests = json.dumps(described(name))
    assert not [digest for digest in image.manifests if digest not in digests]


def test_an_image_that_is_listed_twice_is_described_once(tmp_path: Path) -> None:
    name = layout(build(IndexSpec((ImageSpec(), ImageSpec()))), tmp_path)
    first, second = described(name)["root"]["manifests"]
    assert (len(first["layers"]), second["repeated"], "layers" in second) == (2, True, False)
    assert (first["contentSize"] > 0, "contentSize" in second) == (True, False)
    assert "(see above)" in tree(name)
    html = tree(name, "--html", "-")
    assert html.count(">see above<") == 2  # in the table of platforms, and below it
    assert ">0 B<" not in html


def test_a_history_that_is_wrong_hides_nothing(registry: Simulator) -> None:
    registry.on("/v2/*/blobs/*", Body(b"no JSON"))
    done = succeed(pyskopeo_here("tree", "--tls-verify=false", "--no-referrers", registry.name()))
    assert "vnd.oci.image.layer.v1.tar+gzip" in done.stdout.decode()
    assert done.stderr.count("shown without it") == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--html", "missing/tree.html"], "no directory missing"),
        (["--html", "a.html", "--json"], "exclude each other"),
        (["--platform", "linux/s390x"], "no image found"),
    ],
)
def test_what_cannot_be_done_is_one_line(words: list[str], said: str, tmp_path: Path) -> None:
    assert said in fatal(pyskopeo_here("tree", *words, layout(MULTI, tmp_path)))


@pytest.mark.anyio
async def test_a_program_gets_values(registry: Simulator, tmp_path: Path) -> None:
    found = await pyskopeo.image_tree(registry.name(), referrers=False, access=access_for(tmp_path))
    assert [str(image.platform) for image in found.images] == ["linux/amd64", "linux/arm64/v8"]
    step = found.images[1].layers[0].step
    assert step is not None
    assert step.instruction == "ADD file:arm in /"
    assert found.root.size == found.to_json()["root"]["contentSize"]
