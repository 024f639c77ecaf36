"""``inspect`` on a terminal: a summary for people, and JSON where programs expect it."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import pytest

from pyskopeo.cli.main import main
from tests.support.cli import pyskopeo_here, succeed
from tests.support.images import (
    ArtifactSpec,
    BuiltImage,
    ImageSpec,
    IndexSpec,
    LayerSpec,
    PlatformSpec,
    build,
    digest_of,
    edited,
)
from tests.support.outputs import write_layout
from tests.support.referring import SBOM, referring
from tests.support.simulator import Simulator
from tests.support.terminal import Terminal

ARM = PlatformSpec("arm64", variant="v8")
EVIL = "\x1b]0;evil\x07\u202e"
IMAGE = build(ImageSpec(labels={"vendor": f"ACME{EVIL}", "a": "1\n2"}, env=("PATH=/bin", "LANG=C.UTF-8")))
MULTI = build(IndexSpec((ImageSpec(), ImageSpec(layers=(LayerSpec("arm"),), platform=ARM)), attestations=True))

IMAGES = (IMAGE, MULTI, build(ArtifactSpec(EVIL, annotations={EVIL: "x" * 300})))


@pytest.fixture
def out(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setattr("pyskopeo.cli.text_output._terminal_width", lambda: 80)
    monkeypatch.setenv("NO_COLOR", "1")
    return Terminal()


def inspect(out: Terminal, *words: str) -> list[str]:
    with redirect_stdout(out):
        assert main(["inspect", "--tls-verify=false", "--override-arch", "amd64", *words]) == 0
    return out.getvalue().splitlines()


def layout(image: BuiltImage, path: Path) -> str:
    return f"oci:{write_layout(image, path / 'layout')}:latest"


def test_an_image(out: Terminal, tmp_path: Path) -> None:
    name = layout(IMAGE, tmp_path)
    lines = inspect(out, name)
    assert lines[1] == IMAGE.digest
    rows = dict(line.strip().split(maxsplit=1) for line in lines[2:] if " " in line.strip())
    size = len(IMAGE.config()) + sum(len(IMAGE.blobs[one]) for one in IMAGE.layer_digests())
    assert rows["Size"] == f"{size / 1024:.1f} KiB in 2 layers"
    assert (rows["Platform"], rows["Created"], rows["Command"]) == ("linux/amd64", "2024-02-03 04:05", "/bin/hello")
    assert rows["Environment"] == "PATH=/bin"
    assert "               LANG=C.UTF-8" in lines
    assert rows["Labels"] == "a=1 2"
    assert "               vendor=ACME ]0;evil" in lines
    assert [line.split()[:3] for line in lines[-2:]] == [["1", "2.2", "KiB"], ["2", "1.7", "KiB"]]
    assert lines[-1].endswith("ADD file:data in /")


def test_a_configuration_that_is_wrong_is_an_error_and_no_half_of_a_summary(out: Terminal, tmp_path: Path) -> None:
    config = json.dumps(json.loads(IMAGE.config()) | {"config": {"Labels": [1]}}).encode()
    stated = {"digest": digest_of(config), "size": len(config)}
    image = edited(IMAGE, lambda manifest: manifest["config"].update(stated))
    image = replace(image, blobs={**image.blobs, digest_of(config): config})
    with redirect_stdout(out):
        assert main(["inspect", layout(image, tmp_path)]) == 1
    assert out.getvalue() == ""


def test_a_list_in_a_registry(out: Terminal) -> None:
    with Simulator(MULTI) as registry:
        for tag in ("1.9", "1.10"):
            registry.add(MULTI, "test/image", tag)
        registry.add(referring(MULTI), "test/image", f"sha256-{MULTI.digest[7:]}.sbom")
        lines = inspect(out, registry.name())
    assert lines[1:5] == [
        MULTI.digest,
        "  List         2 images: linux/amd64 linux/arm64/v8",
        "  Shown        linux/amd64",
        f"  Digest       {MULTI.child(0).digest}",
    ]
    assert "  Tags         3: latest 1.10 1.9" in lines


def test_platforms_are_a_table(out: Terminal, tmp_path: Path) -> None:
    lines = inspect(out, "--platforms", layout(MULTI, tmp_path))
    assert lines[1] == MULTI.digest
    assert lines[2].startswith("2 images and 2 attestations, ")
    assert lines[3].split() == ["PLATFORM", "LAYERS", "SIZE", "DIGEST"]
    assert [line.split()[:2] for line in lines[4:]] == [
        ["linux/amd64", "2"], ["linux/arm64/v8", "1"], ["attestation", "1"], ["attestation", "1"],
    ]  # fmt: skip
    assert lines[4].split()[-1] == MULTI.child(0).digest[:19]


def test_an_artifact(out: Terminal, tmp_path: Path) -> None:
    image = referring(IMAGE, title="packages")
    lines = inspect(out, layout(image, tmp_path))
    assert lines[1:4] == [image.digest, f"  Type         {SBOM}", f"  Refers to    {IMAGE.digest}"]
    assert "  Annotations  title=packages" in lines


def test_an_image_of_schema_1_states_no_sizes(out: Terminal, tmp_path: Path) -> None:
    succeed(pyskopeo_here("copy", "--format", "v2s1", layout(build("docker"), tmp_path), f"dir:{tmp_path}/old"))
    lines = inspect(out, f"dir:{tmp_path}/old")
    assert "  Command      /bin/hello" in lines
    assert not [line for line in lines if line.startswith("  Size")]
    assert "-1 B" not in out.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("number", range(len(IMAGES)))
def test_lines_fit_the_terminal_and_are_printable(
    width: int, number: int, out: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyskopeo.cli.text_output._terminal_width", lambda: width)
    for words in ([], ["--platforms"]):
        inspect(out, *words, layout(IMAGES[number], tmp_path))
    shown = [line for line in out.getvalue().splitlines() if "sha256:" not in line or len(line) > 90]
    assert max(map(len, shown)) <= width
    assert not [letter for letter in EVIL if letter in "\x1b\x07\u202e" and letter in out.getvalue()]


@pytest.mark.parametrize(
    ("program", "words"),
    [("skopeo", []), ("pyskopeo", ["--json"]), ("skopeo", ["--platforms"]), ("pyskopeo", ["--platforms", "--json"])],
)
def test_json_is_for_programs(
    program: str, words: list[str], out: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [program])
    inspect(out, *words, layout(MULTI, tmp_path))
    assert json.loads(out.getvalue())["Digest"] == MULTI.digest


def test_templates_raw_and_config_are_what_they_are_elsewhere(out: Terminal, tmp_path: Path) -> None:
    name = layout(IMAGE, tmp_path)
    assert inspect(out, "--format", "{{.Architecture}}", name) == ["amd64"]
    out.truncate(out.seek(0))
    assert json.loads("".join(inspect(out, "--config", name)))["architecture"] == "amd64"
