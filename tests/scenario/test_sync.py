"""Whole runs against a registry that counts what it is asked, and fails where it is told to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyskopeo.cli import regex_timeout
from tests.support.cli import Done, pyskopeo_here, succeed
from tests.support.commands import PYSKOPEO, environment
from tests.support.faults import Delay, Refuse, Stall
from tests.support.gates import BasicGate, BearerGate
from tests.support.images import BuiltImage, ImageSpec, LayerSpec, build
from tests.support.outputs import write_dir, write_layout
from tests.support.processes import wait_until
from tests.support.pushing import Pushing
from tests.support.simulator import Simulator
from tests.support.token_server import TokenServer
from tests.support.trees import leftovers, tree

RECORD = ".pyskopeo-sync.json"
BASE = LayerSpec("base", base=True)
SOURCE, DEST = "--src-tls-verify=false", "--dest-tls-verify=false"


def numbered(number: int) -> BuiltImage:
    """Images that have their base in common and nothing else."""
    return build(ImageSpec(layers=(BASE, LayerSpec(f"data{number}", size=3000))))


MANY = [numbered(n) for n in range(6)]
COMMON = MANY[0].layer_digests()[0]


@pytest.fixture
def registry() -> Iterator[Simulator]:
    """``team/app`` with the tags v0 to v5."""
    with Simulator() as running:
        for n, image in enumerate(MANY):
            running.add(image, "team/app", f"v{n}")
        yield running
        assert running.failures == []


def to_dir(registry: Simulator, out: Path, *more: object, source: str = "team/app") -> Done:
    return pyskopeo_here("sync", "--src", "docker", "--dest", "dir", SOURCE, f"{registry.host}/{source}", out, *more)


def to_docker(registry: Simulator, mirror: Simulator, *more: object, source: str = "team/app", at: str = "m") -> Done:
    words = ("--src", "docker", "--dest", "docker", SOURCE, DEST, f"{registry.host}/{source}", f"{mirror.host}/{at}")
    return pyskopeo_here("sync", *words, *more)


def images(folder: Path) -> dict[str, bytes]:
    return {name: content for name, content in tree(folder).items() if name != RECORD}


def expected(folder: Path, named: dict[str, BuiltImage]) -> dict[str, bytes]:
    for name, image in named.items():
        write_dir(image, folder / name)
    return tree(folder)


class Asked:
    """What a registry is asked from now on."""

    def __init__(self, registry: Simulator) -> None:
        self._registry, self._from = registry, len(registry.requests)

    @property
    def log(self) -> list[str]:
        return self._registry.log[self._from :]

    @property
    def kinds(self) -> Counter[str]:
        """Requests by method and kind of path, but for the questions whether there is https."""
        return Counter(
            f"{line.split()[0]} {kind}" for line in self.log
            for kind in [next((k for k in ("uploads", "blobs", "manifests", "tags") if f"/{k}/" in line), "")] if kind
        )  # fmt: skip


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
        registry.on("/v2/*/blobs/*", Delay(0.03))
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


class TestChoosing:
    @pytest.mark.parametrize(
        ("flags", "tags"),
        [
            (["--include=^v[12]$"], ["v1", "v2"]),
            (["--include=^v1", "--include=^v2"], ["v1", "v2"]),
            (["--exclude=[0-3]$"], ["v4", "v5"]),
            (["--include=/app:v1$"], ["v1"]),
            (["--latest=2"], ["v4", "v5"]),
            (["--latest=1", "--exclude=v5"], ["v4"]),
        ],
    )
    def test_flags(self, registry: Simulator, tmp_path: Path, flags: list[str], tags: list[str]) -> None:
        succeed(to_dir(registry, tmp_path / "out", *flags))
        assert sorted(p.name for p in (tmp_path / "out").glob("app:*")) == [f"app:{tag}" for tag in tags]

    @pytest.mark.parametrize(
        ("flag", "complaint"),
        [
            ("--include=(", "error parsing regexp"),
            ("--latest=0", "--latest: want 1 or more"),
            ("--jobs=0", "--jobs: want 1 or more"),
            ("--format=docker", "unknown format"),
            ("--include=nothing", "No images to sync found in"),
        ],
    )
    def test_flags_that_make_no_sense(self, registry: Simulator, tmp_path: Path, flag: str, complaint: str) -> None:
        done = to_dir(registry, tmp_path / "out", flag)
        assert done.code == 1
        assert complaint in done.lines[-1]
        assert not (tmp_path / "out").exists()

    def test_an_expression_that_never_ends_is_given_up(
        self, registry: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(regex_timeout, "PATIENCE", 0.3)
        registry.add(MANY[0], "team/app", "a" * 60)
        started = time.monotonic()
        done = to_dir(registry, tmp_path / "out", "--include=^(a+)+$x")
        assert (done.code, time.monotonic() - started < 5) == (1, True)
        assert "want a simpler regular expression" in done.stderr


class TestFailures:
    def test_the_first_failure_ends_it(self, registry: Simulator, tmp_path: Path) -> None:
        registry.on_manifest("v2", Refuse(404))
        done = to_dir(registry, tmp_path / "out", "--jobs=1")
        assert done.code == 1
        assert f'msg="Error copying ref \\"docker://{registry.host}/team/app:v2\\": initializing source ' in done.lines[-1]
        assert sorted(p.name for p in (tmp_path / "out").glob("app:*")) == ["app:v0", "app:v1"]
        assert "6 images: 2 copied, 0 present, 1 failed, 3 skipped;" in done.stderr
        assert leftovers(tmp_path) == []

    def test_the_rest_goes_on_if_it_is_to(self, registry: Simulator, tmp_path: Path) -> None:
        registry.on_manifest("v2", Refuse(404))
        registry.on_blob(MANY[3].layer_digests()[1], Refuse(404))
        done = to_dir(registry, tmp_path / "out", "--keep-going")
        assert done.code == 1
        assert "Sync failed due to previous reported error(s) for one or more images" in done.lines[-1]
        assert 'msg="Synced 4 images from 1 sources"' in done.stderr
        assert sorted(p.name for p in (tmp_path / "out").glob("app:*")) == ["app:v0", "app:v1", "app:v4", "app:v5"]
        assert leftovers(tmp_path) == []
        (line,) = [line for line in done.lines if "level=error" in line and "app:v2" in line]
        assert f'msg="Error copying ref \\"docker://{registry.host}/team/app:v2\\"" error="' in line

    def test_a_list_that_cannot_be_had_is_a_failure_of_the_run(self, registry: Simulator, tmp_path: Path) -> None:
        file = tmp_path / "sync.yml"
        file.write_text(f"{registry.host}:\n  tls-verify: false\n  images: {{team/none: [], team/app: [v1]}}\n")
        done = pyskopeo_here("sync", "--src", "yaml", "--dest", "dir", file, tmp_path / "out")
        assert done.code == 1
        assert (tmp_path / "out/app:v1/manifest.json").exists()
        assert 'msg="Error processing repo, skipping"' in done.stderr
        assert "1 image: 1 copied, 0 present, 1 of the sources not listed;" in done.stderr

    def test_the_blob_that_failed_for_one_is_fetched_for_the_next(self, registry: Simulator, tmp_path: Path) -> None:
        registry.on_blob(COMMON, Refuse(404), times=1)
        done = to_dir(registry, tmp_path / "out", "--keep-going")
        assert done.code == 1
        assert len(list((tmp_path / "out").glob("app:*"))) == 5

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
    def test_an_interrupted_run_goes_on_where_it_was(
        self, registry: Simulator, tmp_path: Path, number: signal.Signals
    ) -> None:
        registry.on_blob(MANY[4].layer_digests()[1], Stall(1000), times=1)
        out = tmp_path / "out"
        words = ("sync", "--src", "docker", "--dest", "dir", SOURCE, f"{registry.host}/team/app", str(out))
        process = subprocess.Popen([*PYSKOPEO, *words], env=environment(), stderr=subprocess.PIPE)
        try:
            assert wait_until(lambda: len(list(out.glob("app:*/manifest.json"))) == 5, 10)
            process.send_signal(number)
            _, said = process.communicate(timeout=5)
        finally:
            process.kill()
        assert process.returncode == (130 if number == signal.SIGINT else -9)
        assert not (out / "app:v4").exists()
        if number == signal.SIGINT:
            assert leftovers(out) == []
            assert b"6 images: 5 copied, 0 present, 1 skipped;" in said
        asked = Asked(registry)
        succeed(to_dir(registry, out))
        assert asked.kinds["GET manifests"] == 1
        assert asked.kinds["GET blobs"] <= 3
        found = {name: content for name, content in images(out).items() if ".partial" not in name}
        assert found == expected(tmp_path / "want", {f"app:v{n}": i for n, i in enumerate(MANY)})


class TestFiles:
    def test_digests_and_report(self, registry: Simulator, tmp_path: Path) -> None:
        out, digests, report = tmp_path / "out", tmp_path / "digests", tmp_path / "report.json"
        digests.write_text("old")
        registry.on_manifest("v2", Refuse(404))
        to_dir(registry, out, "--include=^v[0-3]$", "--keep-going", "--digestfile", digests, "--report", report)
        assert digests.read_text() == "".join(f"{MANY[n].digest} dir:{out}/app:v{n}\n" for n in (0, 1, 3))
        assert digests.stat().st_mode & 0o777 == 0o644 & ~umask()
        first = json.loads(report.read_text())
        assert [entry["status"] for entry in first["images"]] == ["copied", "copied", "failed", "copied"]
        assert (first["copied"], first["present"], first["failed"]) == (3, 0, 1)
        assert first["images"][0] | {"bytes": 0, "seconds": 0} == {
            "source": f"docker://{registry.host}/team/app:v0", "destination": f"dir:{out}/app:v0", "status": "copied",
            "digest": MANY[0].digest, "bytes": 0, "seconds": 0, "error": None,
        }  # fmt: skip
        moved = {d: len(data) for n in (0, 1, 3) for d, data in MANY[n].blobs.items()}
        assert first["bytes"] == sum(entry["bytes"] for entry in first["images"]) == sum(moved.values())
        assert "status 404" in first["images"][2]["error"]
        assert first["images"][2]["digest"] is None
        registry.heal()
        succeed(to_dir(registry, out, "--include=^v[0-3]$", "--report", report))
        again = json.loads(report.read_text())
        assert [entry["status"] for entry in again["images"]] == ["present", "present", "copied", "present"]
        assert again["images"][0]["digest"] == MANY[0].digest

    def test_a_digest_file_that_cannot_be_made_comes_first(self, registry: Simulator, tmp_path: Path) -> None:
        done = to_dir(registry, tmp_path / "out", "--digestfile", tmp_path / "no" / "digests")
        assert done.code == 1
        assert "Error creating digest file: open " in done.lines[-1]
        assert not (tmp_path / "out").exists()


def umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


class TestToRegistries:
    def test_blobs_are_sent_once_and_mounted_elsewhere(self, registry: Simulator) -> None:
        for n in (0, 1):
            registry.add(MANY[n], "team/other", f"o{n}")
        file = f"{registry.host}:\n  tls-verify: false\n  images: {{team/app: [], team/other: []}}\n"
        with Simulator() as mirror:
            path = Path(os.environ["HOME"]) / "sync.yml"
            path.write_text(file)
            succeed(pyskopeo_here("sync", "--src", "yaml", "--dest", "docker", DEST, path, f"{mirror.host}/m"))
            assert mirror.incomplete == []
            assert {mirror.manifest(f"v{n}", "m/app").digest for n in range(6)} == {i.digest for i in MANY}  # type: ignore[union-attr]
            assert mirror.manifest("o1", "m/other").digest == MANY[1].digest  # type: ignore[union-attr]
            sent = Counter(line for line in registry.log if "/blobs/" in line)
            assert set(sent.values()) == {1}
            repositories = {"m/app", "m/other"}
            mounts = [line for line in mirror.log if "mount=" in line]
            shared = {blob for n in (0, 1) for blob in MANY[n].blobs}
            assert len(mounts) == len(shared)
            assert {line.split("from=")[1] for line in mounts} <= repositories

    def test_nothing_new_is_a_head_on_either_side(self, registry: Simulator) -> None:
        with Simulator() as mirror:
            succeed(to_docker(registry, mirror))
            here, there = Asked(registry), Asked(mirror)
            done = succeed(to_docker(registry, mirror))
            assert here.kinds == {"HEAD manifests": 6, "GET tags": 1}
            assert there.kinds == {"HEAD manifests": 6}
            assert "0 copied, 6 present" in done.stderr

    def test_an_image_chosen_from_an_index_is_known_again(self) -> None:
        with Simulator(build("oci-index"), "team/app", "v1") as registry, Simulator() as mirror:
            succeed(to_docker(registry, mirror))
            here, there = Asked(registry), Asked(mirror)
            succeed(to_docker(registry, mirror))
            assert here.kinds == {"HEAD manifests": 1, "GET tags": 1}
            assert there.kinds == {"HEAD manifests": 1}

    def test_all_of_an_index_is_looked_for(self) -> None:
        index = build("oci-index")
        with Simulator(index, "team/app", "v1") as registry, Simulator() as mirror:
            succeed(to_docker(registry, mirror, "--all"))
            here = Asked(registry)
            succeed(to_docker(registry, mirror, "--all"))
            assert here.kinds == {"HEAD manifests": 1, "GET tags": 1}, "only the mirror is asked for the images"
            mirror.on_manifest(index.child(1).digest, Refuse(404), methods=("HEAD",))
            there = Asked(mirror)
            succeed(to_docker(registry, mirror, "--all"))
            assert there.kinds["PUT manifests"] >= 1, "an image that is missing there is brought"

    def test_a_changed_tag_is_moved(self, registry: Simulator) -> None:
        with Simulator() as mirror:
            succeed(to_docker(registry, mirror))
            new = numbered(77)
            registry.add(new, "team/app", "v3")
            done = succeed(to_docker(registry, mirror, "--append-suffix", ""))
            assert mirror.manifest("v3", "m/app").digest == new.digest  # type: ignore[union-attr]
            assert "1 copied, 5 present" in done.stderr

    def test_a_registry_that_mounts_nothing_gets_them_sent(self, registry: Simulator) -> None:
        registry.add(MANY[0], "team/other", "o0")
        with Simulator(pushing=Pushing(mounts=False)) as mirror:
            succeed(to_docker(registry, mirror))
            succeed(to_docker(registry, mirror, source="team/other"))
            assert mirror.incomplete == []
            assert mirror.open_uploads == ()


class TestCredentials:
    def test_tokens_are_had_once_for_a_repository(self, tmp_path: Path) -> None:
        with TokenServer(tmp_path / "tokens") as tokens:
            gate = BearerGate(tokens.realm, tokens.accepts, "test-registry")
            with Simulator(gate=gate) as registry:
                for n, image in enumerate(MANY):
                    registry.add(image, "team/app", f"v{n}")
                succeed(to_dir(registry, tmp_path / "out", "--src-creds=user:pass"))
                assert len(list((tmp_path / "out").glob("app:*"))) == 6
            assert len(tokens.requests) == 1

    def test_a_file_has_credentials_of_its_own(self, tmp_path: Path) -> None:
        with (
            Simulator(MANY[0], "a/one", "v1", gate=BasicGate({"u": "first"})) as first,
            Simulator(MANY[1], "a/two", "v1", gate=BasicGate({"u": "second"})) as second,
        ):
            file = tmp_path / "sync.yml"
            file.write_text("".join(
                f"{registry.host}:\n  images: {{{name}: []}}\n  tls-verify: false\n"
                f"  credentials: {{username: u, password: {password}}}\n"
                for registry, name, password in ((first, "a/one", "first"), (second, "a/two", "second"))
            ))  # fmt: skip
            done = succeed(pyskopeo_here("sync", "--src", "yaml", "--dest", "dir", file, tmp_path / "out"))
            assert sorted(p.name for p in (tmp_path / "out").glob("*:*")) == ["one:v1", "two:v1"]
            assert "first" not in done.stderr
            assert len(set(first.secrets_seen)) == len(set(second.secrets_seen)) == 1
            assert set(first.secrets_seen) != set(second.secrets_seen)


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


class TestConfiguration:
    @pytest.mark.parametrize("before", [False, True])
    def test_what_the_policy_rejects_is_not_synced(self, registry: Simulator, tmp_path: Path, before: bool) -> None:
        if before:
            succeed(to_dir(registry, tmp_path / "out"))
        policy = tmp_path / "policy.json"
        policy.write_text(json.dumps({
            "default": [{"type": "insecureAcceptAnything"}],
            "transports": {"docker": {f"{registry.host}/team/app:v1": [{"type": "reject"}]}},
        }))  # fmt: skip
        asked = Asked(registry)
        done = to_dir(registry, tmp_path / "out", "--keep-going", "--policy", policy)
        assert done.code == 1
        assert "Source image rejected" in done.stderr
        assert f"{5 - 5 * before} copied, {5 * before} present, 1 failed" in done.stderr
        assert (tmp_path / "out" / "app:v1").exists() == before
        assert asked.kinds["GET blobs"] <= 2 * 5 + 1

    def test_mirrors_are_read_in_place_of_the_registry(
        self, registry: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        conf = tmp_path / "registries.conf"
        conf.write_text(
            '[[registry]]\nlocation = "registry.invalid"\n'
            f'[[registry.mirror]]\nlocation = "{registry.host}"\ninsecure = true\n'
        )
        monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(conf))
        words = ("sync", "--src", "docker", "--dest", "dir", "registry.invalid/team/app", tmp_path / "out")
        succeed(pyskopeo_here(*words))
        assert images(tmp_path / "out") == expected(tmp_path / "want", {f"app:v{n}": i for n, i in enumerate(MANY)})
        asked = Asked(registry)
        done = succeed(pyskopeo_here(*words))
        assert asked.kinds == {"HEAD manifests": 6, "GET tags": 1}
        assert "0 copied, 6 present" in done.stderr
