"""Commands with a content store: the flag and the variable, sync, inspect, dry runs, and ``store`` itself."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

import pyskopeo
from pyskopeo.errors import PathNotFound
from tests.scenario.content_store.pulling import IMAGE, NEXT, blob_requests, path_of, pinned, stored
from tests.support.cli import Done, fatal, pyskopeo_here, succeed
from tests.support.pulling import check_layout
from tests.support.simulator import Simulator

LAYER = IMAGE.layer_digests()[0]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def test_images_that_are_synced_share_the_store(store: Path, tmp_path: Path) -> None:
    with Simulator(IMAGE) as registry:
        registry.add(NEXT, "test/image", "next")
        words = ("sync", "--src-tls-verify=false", "--src", "docker", "--dest", "oci", f"{registry.host}/test/image")
        succeed(pyskopeo_here("--store", store, *words, tmp_path / "first"))
        assert len(blob_requests(registry)) == len(set(IMAGE.blobs) | set(NEXT.blobs))
        asked = len(registry.requests)
        succeed(pyskopeo_here("--store", store, *words, tmp_path / "second"))
        assert blob_requests(registry, asked) == []
    names = {e["annotations"]["org.opencontainers.image.ref.name"].rpartition(":")[2] for e in json.loads((store / "index.json").read_bytes())["manifests"]}
    assert names == {"latest", "next"}
    check_layout(tmp_path / "second")


def test_the_store_is_named_by_the_environment(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYSKOPEO_STORE", str(store))
    with Simulator(IMAGE) as registry:
        words = ("copy", "--src-tls-verify=false", registry.name())
        succeed(pyskopeo_here(*words, f"oci:{tmp_path}/first:v1"))
        assert LAYER in stored(store)
        asked = len(registry.requests)
        succeed(pyskopeo_here("--store", "", *words, f"oci:{tmp_path}/second:v1"))
        assert LAYER in blob_requests(registry, asked)
        succeed(pyskopeo_here("copy", "--store", tmp_path / "other", "--src-tls-verify=false", registry.name(), f"dir:{tmp_path}/third"))
        assert LAYER in stored(tmp_path / "other")


def test_inspection_goes_through_the_store(store: Path, tmp_path: Path) -> None:
    with Simulator(IMAGE) as registry:
        words = ("--store", store, "inspect", "--no-tags", "--tls-verify=false", pinned(registry, IMAGE))
        first = succeed(pyskopeo_here(*words)).stdout
        asked = len(registry.requests)
        assert succeed(pyskopeo_here(*words)).stdout == first
        assert registry.log[asked:] == []


def test_a_dry_run_says_what_is_in_the_store(store: Path, tmp_path: Path) -> None:
    with Simulator(IMAGE) as registry:
        registry.add(NEXT, "test/next", "latest")
        words = ("--store", store, "copy", "--src-tls-verify=false")
        succeed(pyskopeo_here(*words, registry.name(), f"oci:{tmp_path}/first:v1"))
        shown = succeed(pyskopeo_here(*words, "--dry-run", registry.name("test/next"), f"oci:{tmp_path}/new")).stdout.decode()
    states = {line.split()[-4]: line[:9].strip() for line in shown.splitlines() if "sha256" in line and "manifest" not in line[:9]}
    assert {digest for digest, state in states.items() if state == "in store"} == set(IMAGE.layer_digests()[:2])
    assert not (tmp_path / "new").exists()


DAY = 24 * 3600
SIZE = sum(map(len, IMAGE.blobs.values()))
BOTH = set(IMAGE.blobs) | set(NEXT.blobs) | {IMAGE.digest, NEXT.digest}


@pytest.fixture
def two(store: Path, tmp_path: Path) -> Iterator[Simulator]:
    """A store with two images that share two layers; the first was used three days ago."""
    with Simulator(IMAGE) as registry:
        registry.add(NEXT, "test/next", "latest")
        words = ("--store", store, "copy", "--src-tls-verify=false")
        succeed(pyskopeo_here(*words, registry.name(), f"oci:{tmp_path}/first:v1"))
        for path in store.glob("blobs/sha256/*"):
            os.utime(path, (time.time() - 3 * DAY, time.time() - 30 * DAY))
        succeed(pyskopeo_here(*words, registry.name("test/next"), f"oci:{tmp_path}/second:v1"))
        yield registry


def command(store: Path, *words: object) -> Done:
    return pyskopeo_here("store", *words, "--store", store)


def as_json(done: Done) -> Any:
    return json.loads(succeed(done).stdout)


def test_ls(two: Simulator, store: Path) -> None:
    lines = succeed(command(store, "ls")).stdout.decode().splitlines()
    assert [line.split()[0] for line in lines] == [IMAGE.digest, NEXT.digest]
    assert [line.split()[-1] for line in lines] == [f"{two.host}/test/{name}:latest" for name in ("image", "next")]
    first, second = as_json(command(store, "ls", "--json"))
    assert (first["digest"], first["complete"], first["size"]) == (IMAGE.digest, True, SIZE + len(IMAGE.root.raw))
    assert second["used"][:10] == time.strftime("%Y-%m-%d", time.gmtime())


def test_ls_of_an_image_of_which_something_is_missing(two: Simulator, store: Path) -> None:
    path_of(store, LAYER).unlink()
    assert [image["complete"] for image in as_json(command(store, "ls", "--json"))] == [False, False]
    assert b"(incomplete)" in succeed(command(store, "ls")).stdout


def test_du(two: Simulator, store: Path, tmp_path: Path) -> None:
    every = sum(path.stat().st_size for path in store.glob("blobs/sha256/*"))
    (store / "blobs" / "sha256" / ("0" * 64)).write_bytes(b"of no image")
    (store / "blobs" / "sha256" / f".{'0' * 40}.{'0' * 12}.kept.partial").write_bytes(b"begun")
    (store / "blobs" / "sha256" / ("1" * 64)).symlink_to("/etc/passwd")
    shutil.rmtree(tmp_path / "second")
    linked = SIZE
    assert as_json(command(store, "du", "--json")) == {
        "images": 2, "files": len(BOTH) + 1, "size": every + 11, "linked": linked, "unnamed": 11, "partial": 5,
        "indexes": 0,
    }  # fmt: skip
    assert f"size:     {(every + 11) / 1024:.1f} KiB ({every + 11} bytes)\n".encode() in succeed(command(store, "du")).stdout


def test_verify(two: Simulator, store: Path) -> None:
    assert b": 0 wrong\n" in succeed(command(store, "verify")).stdout
    wrong = path_of(store, LAYER)
    before = wrong.stat()
    wrong.write_bytes(b"x" * before.st_size)
    os.utime(wrong, ns=(before.st_atime_ns, before.st_mtime_ns))
    done = command(store, "verify", "--dry-run", "--json")
    assert done.code == 1
    found = json.loads(done.stdout)
    assert ([file["digest"] for file in found["wrong"]], found["removed"]) == ([LAYER], False)
    assert wrong.exists()
    done = command(store, "verify")
    assert (done.code, done.stdout.decode().splitlines()[0]) == (1, f"wrong content: {LAYER}, removed")
    assert not wrong.exists()
    assert as_json(command(store, "ls", "--json")) == []
    succeed(command(store, "verify"))


def test_verify_is_no_use(two: Simulator, store: Path) -> None:
    before = {path: path.stat().st_atime_ns for path in store.glob("blobs/sha256/*")}
    succeed(command(store, "verify"))
    assert {path: path.stat().st_atime_ns for path in store.glob("blobs/sha256/*")} == before


def test_prune_by_age(two: Simulator, store: Path, tmp_path: Path) -> None:
    """What the two images share was used today."""
    gone = BOTH - set(NEXT.blobs) - {NEXT.digest}
    shown = succeed(command(store, "prune", "--older-than", "2d", "--dry-run")).stdout.decode()
    assert shown.splitlines()[0] == f"would remove image {two.host}/test/image:latest"
    assert stored(store) == BOTH
    document = as_json(command(store, "prune", "--older-than", "2d", "--json"))
    assert {file["digest"] for file in document["removed"]} == gone
    assert document["names"] == [f"{two.host}/test/image:latest"]
    assert stored(store) == BOTH - gone
    (image,) = as_json(command(store, "ls", "--json"))
    assert image["digest"] == NEXT.digest
    check_layout(tmp_path / "first")
    assert path_of(tmp_path / "first", IMAGE.config_digest()).exists()
    assert b"removed 0 files" in succeed(command(store, "prune", "--older-than", "2d")).stdout


def test_prune_by_size(two: Simulator, store: Path) -> None:
    """The least recently used goes first."""
    size = sum(map(len, NEXT.blobs.values())) + len(NEXT.root.raw)
    succeed(command(store, "prune", "--max-size", size))
    assert stored(store) == set(NEXT.blobs) | {NEXT.digest}
    succeed(command(store, "prune", "--max-size", "1K"))
    assert sum(path.stat().st_size for path in store.glob("blobs/sha256/*")) <= 1024
    assert as_json(command(store, "ls", "--json")) == []


def test_a_use_is_noted(two: Simulator, store: Path, tmp_path: Path) -> None:
    """Of whatever is needed of an image: also its manifest, and what a destination streams."""
    for number, place in enumerate(("oci:{}", "docker-archive:{}", "dir:{}")):
        for path in store.glob("blobs/sha256/*"):
            os.utime(path, (time.time() - 9 * DAY, time.time() - 30 * DAY))
        words = ("--store", store, "copy", "--src-tls-verify=false", pinned(two, IMAGE), place.format(tmp_path / str(number)))
        succeed(pyskopeo_here(*words))
        unused = {file["digest"] for file in as_json(command(store, "prune", "--older-than", "1w", "--dry-run", "--json"))["removed"]}
        assert unused == BOTH - set(IMAGE.blobs) - {IMAGE.digest}


def test_prune_removes_what_interrupted_downloads_have_left(two: Simulator, store: Path) -> None:
    parts = [store / "blobs" / "sha256" / f".{str(n) * 40}.{str(n) * 12}.kept.partial" for n in range(2)]
    for part in parts:
        part.write_bytes(b"x" * 100_000)
    os.utime(parts[0], (time.time() - 9 * DAY, time.time() - 9 * DAY))
    succeed(command(store, "prune", "--max-size", "1T"))
    assert [part.exists() for part in parts] == [False, True]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("prune",), "store prune: want --older-than or --max-size, or both"),
        (("prune", "--older-than", "1y"), 'invalid argument "1y" for "--older-than" flag: want a duration such as 30d, 2w or 12h'),
        (("ls", "extra"), "No arguments expected, got 1"),
        (("remove",), "The commands are ls, du, verify, prune."),
    ],
)
def test_wrong_command_lines(store: Path, words: tuple[str, ...], message: str) -> None:
    done = command(store, *words)
    assert done.code == 1
    assert json.dumps(message)[1:-1] in done.stderr


def test_names_of_images_stay_in_their_line(store: Path) -> None:
    layout = {"imageLayoutVersion": "1.0.0"}
    entry = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": f"sha256:{'0' * 64}", "size": 5,
        "annotations": {"org.opencontainers.image.ref.name": "a\nforged \x1b[2J"},
    }  # fmt: skip
    (store / "blobs").mkdir(parents=True)
    (store / "oci-layout").write_text(json.dumps(layout))
    (store / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (line,) = succeed(command(store, "ls")).stdout.decode().splitlines()
    assert r"  a\nforged \x1b[2J" in line


def test_without_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ls", "du", "verify"):
        assert "use --store DIR, or set PYSKOPEO_STORE" in fatal(pyskopeo_here("store", name))
        assert fatal(command(tmp_path / "none", name)) == f"{tmp_path}/none: there is no content store; a copy with --store makes one"
    monkeypatch.setenv("PYSKOPEO_STORE", str(tmp_path))
    assert fatal(pyskopeo_here("store", "ls")) == f"{tmp_path}: there is no content store; a copy with --store makes one"


def test_the_library_does_the_same(two: Simulator, store: Path, tmp_path: Path) -> None:
    assert [str(image.digest) for image in pyskopeo.list_store(store)] == [IMAGE.digest, NEXT.digest]
    assert pyskopeo.measure_store(store).files == len(BOTH)

    async def run() -> None:
        assert (await pyskopeo.verify_store(store)).wrong == ()
        pruned = await pyskopeo.prune_store(store, older_than=2 * DAY)
        assert {str(file.digest) for file in pruned.removed} == BOTH - set(NEXT.blobs) - {NEXT.digest}

    anyio.run(run)
    with pytest.raises(PathNotFound):
        pyskopeo.list_store(tmp_path / "none")


def test_an_image_is_verified_where_it_is(two: Simulator, store: Path) -> None:
    """That the store has it says nothing about the registry."""
    asked = len(two.requests)
    succeed(pyskopeo_here("--store", store, "verify", "--tls-verify=false", pinned(two, IMAGE)))
    assert set(blob_requests(two, asked)) == set(IMAGE.blobs)
