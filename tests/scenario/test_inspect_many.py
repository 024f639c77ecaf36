"""``inspect`` of several images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.cli import pyskopeo_here, succeed
from tests.support.faults import Delay
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.outputs import write_layout
from tests.support.simulator import Simulator

IMAGES = [build(ImageSpec(layers=(LayerSpec(f"layer {number}"),))) for number in range(20)]
PLAIN = "--tls-verify=false"


def test_each_is_a_line_in_the_order_of_the_names(tmp_path: Path) -> None:
    with Simulator(IMAGES[0]) as registry:
        for number, image in enumerate(IMAGES):
            registry.add(image, f"team/app{number}", "v1")
        names = [f"docker://{registry.host}/team/app{number}:v1" for number in range(20)]
        layout = f"oci:{write_layout(IMAGES[3], tmp_path / 'layout')}"
        done = succeed(pyskopeo_here("inspect", PLAIN, *names, layout))
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert [one["Image"] for one in found] == [*names, layout]
        assert [one["Digest"] for one in found] == [*(str(image.root.digest) for image in IMAGES), str(IMAGES[3].root.digest)]
        alone = json.loads(succeed(pyskopeo_here("inspect", PLAIN, names[7])).stdout)
        assert found[7] == {"Image": names[7], **alone}
        # Connections are shared: there are fewer than images.
        assert registry.connections_seen < 30


def test_one_that_is_missing_does_not_stop_the_others() -> None:
    with Simulator(IMAGES[0]) as registry:
        good, bad = registry.name(), registry.name(tag="none")
        done = pyskopeo_here("inspect", PLAIN, "--no-tags", good, bad, good)
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert done.code == 2
        assert [one["Image"] for one in found] == [good, bad, good]
        assert "manifest none" in found[1]["Error"]
        assert [line for line in done.stderr.splitlines() if "manifest none" in line]
        formatted = pyskopeo_here("inspect", PLAIN, "--no-tags", "--format={{.Digest}}", good, bad, good)
        assert formatted.stdout.splitlines() == [str(IMAGES[0].root.digest).encode()] * 2
        assert formatted.code == 2


def test_configurations_and_platforms(tmp_path: Path) -> None:
    names = [f"oci:{write_layout(image, tmp_path / str(number))}" for number, image in enumerate(IMAGES[:2])]
    configs = [json.loads(line) for line in succeed(pyskopeo_here("inspect", "--config", *names)).stdout.splitlines()]
    assert [one["Image"] for one in configs] == names
    assert all(one["Config"]["rootfs"]["diff_ids"] for one in configs)
    platforms = [json.loads(line) for line in succeed(pyskopeo_here("inspect", "--platforms", *names)).stdout.splitlines()]
    assert [len(one["Platforms"]) for one in platforms] == [1, 1]


def test_called_skopeo_it_takes_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["skopeo"])
    done = pyskopeo_here("inspect", "dir:a", "dir:b")
    assert done.code == 1
    assert "Exactly one argument expected" in done.stderr


def test_a_field_that_one_image_does_not_have_does_not_lose_the_others(tmp_path: Path) -> None:
    """Also when the others were read before it, and wait to be printed."""
    images = (IMAGES[0], build("artifact"), IMAGES[1])
    names = [f"oci:{write_layout(image, tmp_path / str(number))}" for number, image in enumerate(images)]
    with Simulator(IMAGES[2]) as registry:
        registry.on_manifest("latest", Delay(0.3))
        done = pyskopeo_here("inspect", PLAIN, "--no-tags", "--format={{.Architecture}}", registry.name(), *names)
    assert done.stdout.splitlines() == [b"amd64"] * 3
    assert done.code == 1
    assert len([line for line in done.stderr.splitlines() if "level=error" in line]) == 1
