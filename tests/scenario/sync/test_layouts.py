"""``sync`` of layouts."""

from __future__ import annotations

import json
from pathlib import Path

from tests.scenario.sync.running import DEST, MANY, SOURCE, Asked, expected, images
from tests.support.cli import pyskopeo_here, succeed
from tests.support.images import build
from tests.support.outputs import write_dir, write_layout
from tests.support.simulator import Simulator


class TestLayouts:
    def test_there_and_back(self, registry: Simulator, tmp_path: Path) -> None:
        layout = tmp_path / "layout"
        words = ("sync", "--src", "docker", "--dest", "oci", SOURCE, f"{registry.host}/team/app", layout)
        succeed(pyskopeo_here(*words))
        entries = json.loads((layout / "index.json").read_bytes())["manifests"]
        assert sorted(e["annotations"]["org.opencontainers.image.ref.name"] for e in entries) == [
            f"app:v{n}" for n in range(6)
        ]
        asked = Asked(registry)
        succeed(pyskopeo_here(*words))
        assert asked.kinds == {"HEAD manifests": 6, "GET tags": 1}
        succeed(pyskopeo_here("sync", "--src", "oci", "--dest", "dir", layout, tmp_path / "out"))
        assert images(tmp_path / "out") == expected(tmp_path / "want", {f"app:v{n}": i for n, i in enumerate(MANY)})
        with Simulator() as mirror:
            succeed(pyskopeo_here("sync", "--src", "oci", "--dest", "docker", DEST, layout, f"{mirror.host}/m"))
            assert mirror.manifest("v5", "m/app").digest == MANY[5].digest  # type: ignore[union-attr]

    def test_what_was_converted_is_known_again(self, tmp_path: Path) -> None:
        with Simulator(build("docker"), "team/app", "v1") as registry:
            words = ("sync", "--src", "docker", "--dest", "oci", SOURCE, f"{registry.host}/team/app", tmp_path / "lay")
            succeed(pyskopeo_here(*words))
            asked = Asked(registry)
            succeed(pyskopeo_here(*words))
            assert asked.kinds == {"HEAD manifests": 1, "GET tags": 1}
            asked = Asked(registry)
            succeed(pyskopeo_here(*words, "--format=oci"))
            assert asked.kinds["GET manifests"] == 1, "asked for otherwise, it is looked at again"

    def test_from_directories(self, tmp_path: Path) -> None:
        write_dir(MANY[0], tmp_path / "root/a/app:1")
        succeed(pyskopeo_here("sync", "--src", "dir", "--dest", "oci", "--scoped", tmp_path / "root", tmp_path / "lay"))
        done = succeed(pyskopeo_here("sync", "--src", "dir", "--dest", "oci", "--scoped", tmp_path / "root", tmp_path / "lay"))
        assert "0 copied, 1 present" in done.stderr
        index = json.loads((tmp_path / "lay/index.json").read_bytes())
        assert index["manifests"][0]["annotations"] == {"org.opencontainers.image.ref.name": "a/app:1"}

    def test_from_one_to_another(self, tmp_path: Path) -> None:
        write_layout(MANY[0], tmp_path / "one", tag="v1")
        write_layout(MANY[1], tmp_path / "one", tag="v2")
        succeed(pyskopeo_here("sync", "--src", "oci", "--dest", "oci", tmp_path / "one", tmp_path / "two"))
        names = [
            e["annotations"]["org.opencontainers.image.ref.name"]
            for e in json.loads((tmp_path / "two/index.json").read_bytes())["manifests"]
        ]
        assert sorted(names) == ["v1", "v2"]
