"""``sync`` never replaces another image: only an older copy of the same source."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.scenario.sync.running import MANY, RECORD, SOURCE, Asked, expected, images, numbered, to_dir
from tests.support.cli import Done, pyskopeo_here, succeed
from tests.support.faults import Refuse
from tests.support.images import build
from tests.support.outputs import write_dir, write_layout
from tests.support.simulator import Simulator

OTHER = numbered(50)


def to_layout(registry: Simulator, out: Path, *more: object, source: str = "team/app") -> Done:
    return pyskopeo_here("sync", "--src", "docker", "--dest", "oci", SOURCE, f"{registry.host}/{source}", out, *more)


@pytest.fixture
def others(registry: Simulator) -> Simulator:
    """Another repository with an image of the same name and tag."""
    registry.add(OTHER, "other/app", "v1")
    return registry


class TestDirectories:
    def test_another_source_is_refused_and_the_image_stays(self, others: Simulator, tmp_path: Path) -> None:
        out = tmp_path / "out"
        succeed(to_dir(others, out, source="team/app:v1"))
        for flags in (("--dry-run",), ()):
            done = to_dir(others, out, *flags, source="other/app:v1")
            assert done.code == 1
        assert f'Refusing to overwrite destination directory \\"{out}/app:v1\\": it holds a copy of ' in done.lines[-1]
        assert f"docker://{others.host}/team/app:v1" in done.lines[-1]
        assert images(out) == expected(tmp_path / "want", {"app:v1": MANY[1]})
        succeed(to_dir(others, out, "--scoped", source="other/app:v1"))

    def test_not_even_with_the_same_content(self, registry: Simulator, tmp_path: Path) -> None:
        registry.add(MANY[1], "other/app", "v1")
        succeed(to_dir(registry, tmp_path / "out", source="team/app:v1"))
        done = to_dir(registry, tmp_path / "out", source="other/app:v1")
        assert "Refusing to overwrite destination directory" in done.lines[-1]

    def test_the_others_go_on(self, others: Simulator, tmp_path: Path) -> None:
        out = tmp_path / "out"
        succeed(to_dir(others, out, source="other/app:v1"))
        done = to_dir(others, out, "--keep-going")
        assert done.code == 1
        assert "5 copied, 0 present, 1 failed" in done.stderr
        named = {f"app:v{n}": OTHER if n == 1 else image for n, image in enumerate(MANY)}
        assert images(out) == expected(tmp_path / "want", named)

    @pytest.mark.parametrize("origin", ["copied", "made by another tool", "record is gone"])
    def test_of_unknown_origin_it_is_refused_unless_it_is_the_same(
        self, others: Simulator, tmp_path: Path, origin: str
    ) -> None:
        out = tmp_path / "out"
        if origin == "record is gone":
            succeed(to_dir(others, out, source="other/app:v1"))
            (out / RECORD).unlink()
        else:
            write_dir(OTHER, out / "app:v1")
        asked = Asked(others)
        done = to_dir(others, out, source="team/app:v1")
        assert done.code == 1
        assert "Refusing to overwrite destination directory" in done.lines[-1]
        assert asked.kinds["GET blobs"] == 0
        assert images(out) == expected(tmp_path / "want", {"app:v1": OTHER})
        succeed(to_dir(others, out, source="other/app:v1"))

    def test_a_copy_that_was_replaced_by_hand(self, others: Simulator, tmp_path: Path) -> None:
        out = tmp_path / "out"
        succeed(to_dir(others, out, source="team/app:v1"))
        shutil.rmtree(out / "app:v1")
        write_dir(OTHER, out / "app:v1")
        others.add(MANY[2], "team/app", "v1")
        done = to_dir(others, out, source="team/app:v1")
        assert "Refusing to overwrite destination directory" in done.lines[-1]
        assert images(out) == expected(tmp_path / "want", {"app:v1": OTHER})

    def test_what_was_removed_is_copied_from_anywhere(self, others: Simulator, tmp_path: Path) -> None:
        out = tmp_path / "out"
        succeed(to_dir(others, out, source="team/app:v1"))
        shutil.rmtree(out / "app:v1")
        succeed(to_dir(others, out, source="other/app:v1"))
        assert images(out) == expected(tmp_path / "want", {"app:v1": OTHER})

    def test_from_another_directory_it_is_the_same_source(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_layout(MANY[1], tmp_path / "lay", tag="v1")
        monkeypatch.chdir(tmp_path)
        succeed(pyskopeo_here("sync", "--src", "oci", "--dest", "dir", "lay", tmp_path / "out"))
        write_layout(MANY[2], tmp_path / "lay", tag="v1")
        monkeypatch.chdir(tmp_path / "lay")
        succeed(pyskopeo_here("sync", "--src", "oci", "--dest", "dir", tmp_path / "lay", tmp_path / "out"))
        assert images(tmp_path / "out") == expected(tmp_path / "want", {"lay:v1": MANY[2]})

    def test_directories_within_each_other_in_one_run(self, tmp_path: Path) -> None:
        write_layout(MANY[0], tmp_path / "lay", tag="a/b")
        write_layout(MANY[1], tmp_path / "lay", tag="a/b/c")
        done = pyskopeo_here("sync", "--src", "oci", "--dest", "dir", "--scoped", tmp_path / "lay", tmp_path / "out")
        assert done.code == 1
        assert "within the directory of" in done.lines[-1]
        assert not (tmp_path / "out").exists()


class TestLayouts:
    def test_another_source_is_refused_and_the_image_stays(self, others: Simulator, tmp_path: Path) -> None:
        out = tmp_path / "out"
        succeed(to_layout(others, out, source="team/app:v1"))
        done = to_layout(others, out, source="other/app:v1")
        assert "Refusing to overwrite destination image" in done.lines[-1]
        succeed(pyskopeo_here("copy", f"oci:{out}:app:v1", f"dir:{tmp_path / 'copied'}"))
        assert (tmp_path / "copied" / "manifest.json").read_bytes() == MANY[1].root.raw

    def test_an_image_of_unknown_origin_is_refused(self, others: Simulator, tmp_path: Path) -> None:
        write_layout(OTHER, tmp_path / "out", tag="app:v1")
        write_layout(numbered(51), tmp_path / "out", tag="x/app:v2")
        done = to_layout(others, tmp_path / "out", "--keep-going")
        assert "5 copied, 0 present, 1 failed" in done.stderr

    def test_an_older_copy_of_the_same_source_is_replaced(self, registry: Simulator, tmp_path: Path) -> None:
        succeed(to_layout(registry, tmp_path / "out"))
        registry.add(OTHER, "team/app", "v1")
        done = succeed(to_layout(registry, tmp_path / "out"))
        assert "1 copied, 5 present" in done.stderr


class TestRotten:
    """A blob of the right size at the destination, with other bytes."""

    @pytest.mark.parametrize("destination", ["dir", "oci"])
    def test_it_is_repaired(self, registry: Simulator, tmp_path: Path, destination: str) -> None:
        out = tmp_path / "out"
        words = ("sync", "--src", "docker", "--dest", destination, SOURCE, f"{registry.host}/team/app", out)
        succeed(pyskopeo_here(*words))
        digest = MANY[2].layer_digests()[1]
        (path,) = out.rglob(digest[7:])
        path.write_bytes(bytes(path.stat().st_size))
        asked = Asked(registry)
        done = succeed(pyskopeo_here(*words))
        assert path.read_bytes() == MANY[2].blobs[digest]
        assert asked.kinds["GET blobs"] == 1
        assert "1 copied, 5 present" in done.stderr
        (warning,) = [line for line in done.lines if "level=warning" in line]
        assert "but other content, so it is written again" in warning
        asked = Asked(registry)
        succeed(pyskopeo_here(*words))
        assert asked.kinds == {"HEAD manifests": 6, "GET tags": 1}


class TestExitCodes:
    def test_a_tag_that_is_not_there(self, registry: Simulator, tmp_path: Path) -> None:
        done = to_dir(registry, tmp_path / "out", source="team/app:none")
        assert done.code == 2
        assert "manifest unknown" in done.lines[-1]
        assert to_dir(registry, tmp_path / "out", "--keep-going", source="team/app:none").code == 1

    def test_any_other_failure(self, registry: Simulator, tmp_path: Path) -> None:
        registry.on_manifest("v1", Refuse(403))
        assert to_dir(registry, tmp_path / "out", source="team/app:v1").code == 1


class TestSignatures:
    def test_they_are_not_dropped_in_silence(self, tmp_path: Path) -> None:
        source = write_dir(build("oci"), tmp_path / "in" / "app:1")
        (source / "signature-1").write_bytes(b"\x90signature")
        words = ("sync", "--src", "dir", "--dest", "oci", tmp_path / "in", tmp_path / "out")
        done = pyskopeo_here(*words)
        assert done.code == 1
        assert "Can not copy signatures to " in done.lines[-1]
        assert not (tmp_path / "out").exists()
        succeed(pyskopeo_here(*words, "--remove-signatures"))
