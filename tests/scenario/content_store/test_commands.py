"""Commands with a content store: the flag and the variable, sync, inspect, dry runs, and ``store`` itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.scenario.content_store.pulling import IMAGE, NEXT, blob_requests, pinned, stored
from tests.support.cli import pyskopeo_here, succeed
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
