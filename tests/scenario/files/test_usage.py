"""``du``: where the bytes of an image are, and what later layers have made useless."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import fatal, pyskopeo_here, succeed
from tests.support.filetrees import directory, file, gone, hard, image, layer, link, opaque
from tests.support.outputs import write_layout
from tests.support.simulator import Simulator

BASE = layer(
    directory("usr"), directory("usr/lib"), file("usr/lib/big", b"b" * 5000), file("usr/lib/small", b"s" * 10), link("lib", "usr/lib"),
    hard("usr/twin", "usr/lib/big"), file("etc/passwd", b"p" * 100), file("cache/one", b"1" * 700), file("cache/two", b"2" * 60),
    file("twice", b"first"), file("twice", b"and again"), file("empty", b""),
)  # fmt: skip
MIDDLE = layer(file("lib/small", b"S" * 20), gone("etc/passwd"), opaque("cache"), file("cache/one", b"n" * 4), directory("cache"))
TOP = layer(file("etc/passwd", b"q" * 30), file("usr/\x1b[31m<b>", b"x" * 40))
IMAGE = image(BASE, MIDDLE, TOP, MIDDLE, compression=("zstd", "gzip", "none", "gzip"))
WASTED = [
    # path, size, layer, by, deleted
    ("cache/one", 700, 1, 2, False),
    ("etc/passwd", 100, 1, 2, True),
    ("cache/two", 60, 1, 2, True),
    ("etc/passwd", 30, 3, 4, True),
    ("lib/small", 20, 2, 4, False),
    ("usr/lib/small", 10, 1, 2, False),
    ("twice", 5, 1, 1, False),
    ("cache/one", 4, 2, 4, False),
]
SEEN = 5000 + 20 + 9 + 4 + 40


@pytest.fixture
def name(tmp_path: Path) -> str:
    return f"oci:{write_layout(IMAGE, tmp_path / 'layout')}:latest"


def stored(tmp_path: Path) -> Path:
    """A store with the image."""
    store = tmp_path / "store"
    with Simulator(IMAGE) as registry:
        succeed(pyskopeo_here("copy", "--store", store, "--src-tls-verify=false", registry.name(), f"oci:{tmp_path}/copy:x"))
    return store


def measured(*words: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(succeed(pyskopeo_here("du", "--json", *words)).stdout)
    return found


def sizes(found: dict[str, Any]) -> dict[str, int]:
    return {one["path"]: one["size"] for one in found["paths"]}


def test_every_byte_is_counted_once(name: str) -> None:
    found = measured(name)
    assert (found["size"], found["wasted"]) == (SEEN, sum(one[1] for one in WASTED))
    assert [(one["path"], one["size"], one["layer"], one["by"], one["deleted"]) for one in found["wastedFiles"]] == WASTED
    assert sizes(found) == {
        "": SEEN, "cache": 4, "cache/one": 4, "empty": 0, "etc": 0, "twice": 9, "usr": 5060, "usr/\x1b[31m<b>": 40, "usr/lib": 5020,
        "usr/lib/big": 5000, "usr/lib/small": 20,
    }  # fmt: skip
    assert found["paths"][0] == {"path": "", "type": "directory", "size": SEEN, "files": found["files"]}
    assert [(one["size"], one["files"], one["wasted"], one["wastedFiles"]) for one in found["layers"]] == [
        (5000 + 10 + 100 + 700 + 60 + 5 + 9, 8, 875, 5), (24, 2, 24, 2), (70, 2, 30, 1), (24, 2, 0, 0),
    ]  # fmt: skip
    stored = {one["digest"]: one["stored"] for one in found["layers"]}
    assert len(stored) == 3  # two layers are the same one
    assert found["stored"] == sum(stored.values())
    assert found["platform"] == "linux/amd64"


def test_a_directory_and_a_depth(name: str) -> None:
    assert sizes(measured(name, "lib", "--depth", "0")) == {"usr/lib": 5020}  # by a symbolic link
    assert sizes(measured(name, "/usr", "--depth", "1")) == {"usr": 5060, "usr/\x1b[31m<b>": 40, "usr/lib": 5020}
    assert sizes(measured(name, "--layer", "2", "--layer", "3")) == {
        "": 94, "cache": 4, "cache/one": 4, "etc": 30, "etc/passwd": 30, "lib": 20, "lib/small": 20, "usr": 40, "usr/\x1b[31m<b>": 40,
    }  # fmt: skip
    assert "no file 'usr/none' in this image" in fatal(pyskopeo_here("du", name, "usr/none"), 2)


@pytest.mark.parametrize(("words", "message"), [
    (["--depth", "-1"], "--depth: want 0 or more"),
    (["--rows", "-1"], "--rows: want a number of rows, or 0 for all"),
    (["--by", "size"], 'invalid argument "size" for "--by" flag: want one of path, layer'),
    (["--html", "x", "--json"], "--html and --json exclude each other"),
])  # fmt: skip
def test_wrong_flags(words: list[str], message: str) -> None:
    assert fatal(pyskopeo_here("du", "oci:none", *words)) == message


def test_text_has_no_escapes_of_the_image(name: str) -> None:
    text = succeed(pyskopeo_here("du", name, "--rows", "3")).stdout.decode()
    assert "\x1b" not in text
    lines = text.splitlines()
    assert lines[0] == f"{name} (linux/amd64)"
    paths = [line.split()[-1] for line in lines if re.match(r" *[0-9.]+ (B|KiB) +[0-9.]+%", line)]
    assert paths == ["/", "/usr/", "/usr/lib/", "/usr/lib/big"]
    assert "and 5 smaller, down to this depth; --rows 0 shows all" in lines
    text = succeed(pyskopeo_here("du", name, "--rows", "0")).stdout.decode()
    assert "/usr/ [31m<b>" in text
    assert "deleted by layer 2" in text
    assert "replaced by the same layer" in text


def test_layers(name: str) -> None:
    text = succeed(pyskopeo_here("du", name, "--by", "layer")).stdout.decode()
    rows = [line.split() for line in text.splitlines() if re.match(r" +[1-4] +[0-9.]+ (B|KiB) ", line)]
    assert [row[0] for row in rows] == ["1", "2", "3", "4"]
    assert [row[3:6] for row in rows][:2] == [["5.7", "KiB", "8"], ["24", "B", "2"]]


def test_a_page(name: str, tmp_path: Path) -> None:
    page = tmp_path / "usage.html"
    assert succeed(pyskopeo_here("du", name, "--html", page)).stdout == b""
    text = page.read_text()
    assert text.startswith("<!DOCTYPE html>")
    assert "/usr/ [31m&lt;b&gt;" in text
    assert "<b>" not in text
    assert "deleted by layer 2" in text
    assert succeed(pyskopeo_here("du", name, "--html", "-")).stdout.decode() == text
    assert "no directory" in fatal(pyskopeo_here("du", name, "--html", tmp_path / "none" / "x"))


def test_layers_are_read_once_and_with_a_store_never_again(tmp_path: Path) -> None:
    with Simulator(IMAGE) as registry:
        words = ("--tls-verify=false", registry.name())

        def layers_requested(since: int = 0) -> list[str]:
            digests = {layer["digest"] for layer in json.loads(IMAGE.manifests[IMAGE.digest].raw)["layers"]}
            return sorted(d for r in registry.requests[since:] if (d := r.path.rpartition("/")[2]) in digests)

        first = measured(*words)
        assert len(layers_requested()) == 3
        store = ("--store", tmp_path / "store")
        assert measured(*store, *words) == first
        for blob in (tmp_path / "store" / "blobs").glob("*/*"):
            blob.unlink()
        since = len(registry.requests)
        assert measured(*store, *words) == first
        listed = succeed(pyskopeo_here("ls", *store, *words)).stdout
        assert layers_requested(since) == []
        assert listed == succeed(pyskopeo_here("ls", *words)).stdout
        part = succeed(pyskopeo_here("ls", *store, *words, "lib/small")).stdout
        assert part == succeed(pyskopeo_here("ls", *words, "lib/small")).stdout


def test_the_store_knows_its_indexes(tmp_path: Path, name: str) -> None:
    store = stored(tmp_path)
    words = ("--store", store)
    size = json.loads(succeed(pyskopeo_here("store", "du", *words, "--json")).stdout)
    assert size["indexes"] == 0
    first = measured(*words, name)
    found = sorted((store / "layer-index" / "sha256").iterdir())
    assert len(found) == 3
    assert f"({sum(path.stat().st_size for path in found)} bytes)\n" in succeed(pyskopeo_here("store", "du", *words)).stdout.decode()
    assert json.loads(succeed(pyskopeo_here("store", "verify", *words, "--json")).stdout)["wrongIndexes"] == []
    found[0].write_bytes(b"damaged")
    assert measured(*words, name) == first  # read again
    found[1].chmod(0o666)
    damaged = pyskopeo_here("store", "verify", *words)
    assert damaged.code == 1
    assert f"damaged index of layer sha256:{found[1].name}, removed" in damaged.stdout.decode()
    assert sorted((store / "layer-index" / "sha256").iterdir()) == [found[0], found[2]]
    pruned = json.loads(succeed(pyskopeo_here("store", "prune", *words, "--max-size", "0", "--json")).stdout)
    assert sorted(one["digest"] for one in pruned["indexes"]) == [f"sha256:{path.name}" for path in (found[0], found[2])]
    assert list((store / "layer-index" / "sha256").iterdir()) == []
    assert measured(*words, name) == first


def test_a_store_that_cannot_be_written_is_a_warning(tmp_path: Path, name: str) -> None:
    store = stored(tmp_path)
    (store / "layer-index").write_text("in the way")
    done = succeed(pyskopeo_here("du", "--store", store, name))
    (line,) = [line for line in done.lines if "level=warning" in line]
    assert "no index of what is in layers is kept" in line
