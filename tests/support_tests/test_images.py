"""The generated images are what they claim to be, by the specifications and by a real skopeo."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.support.images import KINDS, ImageSpec, build, digest_of
from tests.support.outputs import blob_path, write_dir, write_layout
from tests.support.rootfs import GREETING, LayerSpec, static_program
from tests.support.specs import ODD_TEXT


@pytest.mark.parametrize("kind", KINDS)
def test_every_digest_and_size_is_true_and_everything_is_reachable(kind: str) -> None:
    image = build(kind)
    for digest, data in (*image.blobs.items(), *((d, m.raw) for d, m in image.manifests.items())):
        algorithm, _, encoded = digest.partition(":")
        assert hashlib.new(algorithm, data).hexdigest() == encoded

    reached: set[str] = set()

    def visit(entry: dict[str, object]) -> None:
        digest = str(entry["digest"])
        reached.add(digest)
        data = image.manifests[digest].raw if digest in image.manifests else image.blobs[digest]
        assert entry["size"] == len(data)
        if digest in image.manifests:
            parsed = json.loads(data)
            for child in [*parsed.get("manifests", ()), *parsed.get("layers", ())]:
                visit(child)
            if "config" in parsed:
                visit(parsed["config"])

    visit({"digest": image.digest, "size": len(image.root.raw)})
    assert reached == set(image.blobs) | set(image.manifests)
    assert list(image.manifests)[-1] == image.digest


@pytest.mark.parametrize("kind", KINDS)
def test_building_twice_gives_the_same_bytes(kind: str) -> None:
    assert build(kind) == build(kind)


def test_layers_are_tars_whose_digests_the_config_names() -> None:
    for kind in ("docker", "oci", "oci-zstd", "oci-uncompressed", "docker-repeated"):
        image = build(kind)
        tars = [image.tars[digest] for digest in image.layer_digests()]
        assert json.loads(image.config())["rootfs"]["diff_ids"] == [digest_of(tar) for tar in tars]
        with tarfile.open(fileobj=io.BytesIO(tars[0])) as tar:
            assert "bin/hello" in tar.getnames()


def test_odd_text_is_in_the_config_unescaped_or_escaped_as_go_does() -> None:
    assert ODD_TEXT.partition('"')[0].encode() in build("docker-odd-text").config()
    escaped = build("docker-odd-text-go").config()
    assert b"a\\u003cb\\u003e\\u0026c \\u2028" in escaped
    assert json.loads(escaped)["config"]["Labels"]["odd"] == ODD_TEXT


def test_history_has_one_entry_with_a_layer_for_each_layer() -> None:
    image = build("docker-history")
    history = json.loads(image.config())["history"]
    assert len(history) == 3 + 2 * 4
    assert sum(not entry.get("empty_layer") for entry in history) == len(image.layer_digests()) == 3


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="needs an x86_64 machine")
def test_the_static_program_runs(tmp_path: Path) -> None:
    program = tmp_path / "hello"
    program.write_bytes(static_program("amd64"))
    program.chmod(0o755)
    assert subprocess.run([program], capture_output=True, check=True).stdout == GREETING


def test_layouts_take_several_images_and_replace_a_tag(tmp_path: Path) -> None:
    first, second = build("oci"), build(ImageSpec(layers=(LayerSpec("other", compressible=True, size=100_000),)))
    for image, tag in ((first, "a"), (first, "b"), (second, "a")):
        write_layout(image, tmp_path, tag=tag)
    entries = json.loads((tmp_path / "index.json").read_text())["manifests"]
    assert [e["digest"] for e in entries] == [first.digest, second.digest]
    assert blob_path(tmp_path, second.layer_digests()[0]).stat().st_size < 5_000


@pytest.mark.peer("skopeo")
@pytest.mark.parametrize("kind", ["docker", "oci", "docker-repeated", "docker-odd-text", "docker-list", "oci-index"])
def test_skopeo_reads_what_we_write(kind: str, tmp_path: Path) -> None:
    image = build(kind)
    where = f"dir:{write_dir(image, tmp_path / 'dir')}"
    command = ["skopeo", "--insecure-policy", "copy", "-q", "--all", where, f"dir:{tmp_path / 'copy'}"]
    subprocess.run(command, check=True, capture_output=True)
    assert (tmp_path / "copy" / "manifest.json").read_bytes() == image.root.raw
    names = {path.name for path in (tmp_path / "dir").iterdir()}
    assert {path.name for path in (tmp_path / "copy").iterdir()} == names
