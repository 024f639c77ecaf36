"""``sync`` into directories."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.scenario.sync.running import COMMON, MANY, RECORD, SOURCE, Asked, expected, images, numbered, to_dir
from tests.support.cli import pyskopeo_here, succeed
from tests.support.faults import Delay
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.simulator import Simulator
from tests.support.trees import leftovers, tree


class TestToDirectories:
    def test_every_tag_and_each_blob_once(self, registry: Simulator, tmp_path: Path) -> None:
        done = succeed(to_dir(registry, tmp_path / "out"))
        assert images(tmp_path / "out") == expected(tmp_path / "want", {f"app:v{n}": i for n, i in enumerate(MANY)})
        assert leftovers(tmp_path) == []
        fetched = Counter(line for line in registry.log if "/blobs/" in line)
        assert set(fetched.values()) == {1}
        assert len(fetched) == len({blob for image in MANY for blob in image.blobs})
        assert done.stdout == b""
        assert len({(tmp_path / "out" / f"app:v{n}" / COMMON[7:]).stat().st_ino for n in range(6)}) == 1

    def test_nothing_new_is_one_head_for_each_image(self, registry: Simulator, tmp_path: Path) -> None:
        succeed(to_dir(registry, tmp_path / "out"))
        before, asked = tree(tmp_path / "out"), Asked(registry)
        done = succeed(to_dir(registry, tmp_path / "out"))
        assert asked.kinds == {"HEAD manifests": 6, "GET tags": 1}
        assert tree(tmp_path / "out") == before
        assert "6 images: 0 copied, 6 present; 0 B moved" in done.stderr

    def test_one_connection_after_the_other_is_used_again(self, registry: Simulator, tmp_path: Path) -> None:
        succeed(to_dir(registry, tmp_path / "out", "--jobs=1"))
        # Two blobs and a configuration at once, and one that tries https first.
        assert registry.connections_seen <= 5

    def test_an_image_chosen_from_an_index_is_known_again(self, tmp_path: Path) -> None:
        index, other = build("oci-index"), build("oci-index-attested")
        with Simulator(index, "team/app", "v1") as registry:
            succeed(to_dir(registry, tmp_path / "out"))
            asked = Asked(registry)
            succeed(to_dir(registry, tmp_path / "out"))
            assert asked.kinds == {"HEAD manifests": 1, "GET tags": 1}
            asked = Asked(registry)
            succeed(to_dir(registry, tmp_path / "out", "--override-arch=arm64"))
            assert asked.kinds["GET manifests"] == 2, "another platform is another image"
            registry.add(other, "team/app", "v1")
            asked = Asked(registry)
            succeed(to_dir(registry, tmp_path / "out", "--override-arch=arm64"))
            assert asked.kinds["GET manifests"] == 2
            (tmp_path / "out" / RECORD).unlink()
            asked = Asked(registry)
            succeed(to_dir(registry, tmp_path / "out", "--override-arch=arm64"))
            assert asked.kinds["GET blobs"] == 0, "without a record only manifests are read"

    def test_all_of_an_index_is_known_without_a_record(self, tmp_path: Path) -> None:
        with Simulator(build("oci-index"), "team/app", "v1") as registry:
            succeed(to_dir(registry, tmp_path / "out", "--all"))
            (tmp_path / "out" / RECORD).unlink()
            asked = Asked(registry)
            succeed(to_dir(registry, tmp_path / "out", "--all"))
            assert asked.kinds == {"HEAD manifests": 1, "GET tags": 1}
            succeed(to_dir(registry, tmp_path / "out"))
            root = json.loads((tmp_path / "out/app:v1/manifest.json").read_bytes())
            assert "layers" in root, "one image is another thing than all of them"

    def test_an_older_copy_is_brought_up_to_date(self, registry: Simulator, tmp_path: Path) -> None:
        succeed(to_dir(registry, tmp_path / "out"))
        new = numbered(99)
        registry.add(new, "team/app", "v3")
        asked = Asked(registry)
        succeed(to_dir(registry, tmp_path / "out"))
        assert asked.kinds["GET blobs"] == 2, "its base is there"
        assert images(tmp_path / "out" / "app:v3") == expected(tmp_path / "want", {"": new})

    @pytest.mark.parametrize("damage", ["gone", "cut", "manifest"])
    def test_what_is_damaged_is_not_taken_for_present(self, registry: Simulator, tmp_path: Path, damage: str) -> None:
        succeed(to_dir(registry, tmp_path / "out"))
        before = tree(tmp_path / "out")
        victim = tmp_path / "out/app:v2" / MANY[2].layer_digests()[1][7:]
        if damage == "gone":
            victim.unlink()
        elif damage == "cut":
            victim.write_bytes(victim.read_bytes()[:-1])
        else:
            (tmp_path / "out/app:v2/manifest.json").write_bytes(b"{}")
        succeed(to_dir(registry, tmp_path / "out"))
        assert tree(tmp_path / "out") == before

    def test_what_is_no_image_is_left_alone(self, registry: Simulator, tmp_path: Path) -> None:
        mine = tmp_path / "out/app:v1/mine"
        mine.parent.mkdir(parents=True)
        mine.write_text("important")
        done = to_dir(registry, tmp_path / "out", "--keep-going")
        assert done.code == 1
        assert "is not a containers image directory, don't want to overwrite important data" in done.stderr
        assert mine.read_text() == "important"
        assert len(list((tmp_path / "out").glob("app:*/manifest.json"))) == 5

    def test_what_a_destination_does_not_take_is_said_of_it(self, registry: Simulator, tmp_path: Path) -> None:
        words = ("--src", "docker", "--dest", "oci", SOURCE, "--format", "v2s1", f"{registry.host}/team/app:v0")
        done = pyskopeo_here("sync", *words, tmp_path / "out")
        assert done.code == 1
        assert f'Error copying ref \\"docker://{registry.host}/team/app:v0\\": oci:{tmp_path}/out:' in done.lines[-1]
        assert "takes nothing of type" in done.lines[-1]

    def test_a_dry_run_creates_nothing(self, registry: Simulator, tmp_path: Path) -> None:
        done = succeed(to_dir(registry, tmp_path / "out", "--dry-run", "--digestfile", tmp_path / "digests"))
        assert list(tmp_path.iterdir()) == []
        assert 'level=warning msg="Running in dry-run mode"' in done.stderr
        assert f'msg="Would have copied image ref 2/6" from="docker://{registry.host}/team/app:v1"' in done.stderr
        assert 'msg="Would have synced 6 images from 1 sources"' in done.stderr
        assert Asked(registry)._from == len([line for line in registry.log if "/tags/" in line or line == "GET /v2/"])

    def test_images_share_what_may_move_at_once(self, registry: Simulator, tmp_path: Path) -> None:
        for n in range(6, 12):
            registry.add(build(ImageSpec(layers=tuple(LayerSpec(f"l{n}-{m}") for m in range(20)))), "team/app", f"v{n}")
        registry.on("/v2/*/blobs/*", Delay(0.15))
        succeed(to_dir(registry, tmp_path / "out", "--jobs=12"))
        # 18 small blobs; manifests come before the blobs of their image, of 12 images at most.
        assert 12 < registry.most_at_once <= 18 + 12

    def test_images_are_copied_at_once_or_not(self, registry: Simulator, tmp_path: Path) -> None:
        registry.on("/v2/*/manifests/*", Delay(0.5))
        for jobs, most in ((1, 1), (3, 3)):
            registry.most_at_once = 0
            succeed(to_dir(registry, tmp_path / f"out{jobs}", f"--jobs={jobs}", "--include=^v[0-2]$"))
            manifests = [r for r in registry.requests if "/manifests/" in r.path]
            starts = sorted(r.received for r in manifests[-3:])
            at_once = starts[-1] - starts[0] < 0.5
            assert at_once == (most == 3)
