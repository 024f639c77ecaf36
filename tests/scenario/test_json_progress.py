"""``--progress=json`` of real runs: every line is an event as the schema says, with a time and the names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import fatal, pyskopeo_here, succeed
from tests.support.event_schema import events
from tests.support.faults import Cut, Refuse
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.simulator import Simulator

IMAGE = build(ImageSpec(layers=(LayerSpec("a", size=200_000, base=True), LayerSpec("b", size=5000))))
LARGE = max(IMAGE.blobs, key=lambda digest: len(IMAGE.blobs[digest]))
PULL = ("--src-tls-verify=false", "--retry-delay=0s")


def times(found: list[dict[str, Any]]) -> list[str]:
    return [event["time"] for event in found]


def test_a_copy_that_is_interrupted_and_one_that_finds_it_all(tmp_path: Path) -> None:
    with Simulator(IMAGE) as registry:
        registry.on_blob(LARGE, Cut(3000), times=1)
        words = ("copy", "--progress=json", *PULL, registry.name(), f"oci:{tmp_path}/new:x")
        first = events(succeed(pyskopeo_here(*words)).lines)
        again = events(succeed(pyskopeo_here("--debug", *words)).lines)
    kinds = [event["event"] for event in first]
    assert kinds[0] == "CopyPlanned"
    assert kinds[-1] == "CopyFinished"
    assert "Retrying" in kinds
    assert {"Requested", "Explained"} <= {event["event"] for event in again}
    assert [event["placement"] for event in again if event["event"] == "BlobFinished"] == ["present"] * 3
    for found in (first, again):
        assert {(event["image"], event["destination"]) for event in found if "image" in event} == {
            (registry.name(), f"oci:{tmp_path}/new:x")
        }
        assert times(found) == sorted(times(found))


def test_a_conversion(tmp_path: Path) -> None:
    with Simulator(build("docker")) as registry:
        words = ("--format=oci", *PULL, registry.name(), f"dir:{tmp_path}/new")
        found = events(succeed(pyskopeo_here("copy", "--progress=json", *words)).lines)
    assert [event["event"] for event in found if event["event"] == "Converted"] == ["Converted"]


def test_a_copy_that_fails(tmp_path: Path) -> None:
    with Simulator(IMAGE) as registry:
        words = ("copy", "--progress=json", *PULL, registry.name().replace(":latest", "") + ":none", f"dir:{tmp_path}/new")
        done = pyskopeo_here(*words)
    message = fatal(done, 2)
    (failed,) = events(done.lines[:-1])
    assert failed["event"] == "Failed"
    assert failed["message"] == message
    assert failed["destination"] == f"dir:{tmp_path}/new"


@pytest.mark.parametrize("fails", [False, True])
def test_a_sync(tmp_path: Path, *, fails: bool) -> None:
    with Simulator(IMAGE, "test/image", "one") as registry:
        registry.add(build("docker"), "test/image", "two")
        if fails:
            registry.on("/v2/test/image/manifests/two", Refuse(404))
        words = ("sync", "--progress=json", "--src=docker", "--dest=dir", "--keep-going", *PULL)
        done = pyskopeo_here(*words, f"{registry.host}/test/image", tmp_path / "new")
    assert done.code == (1 if fails else 0)
    found = events([line for line in done.lines if line.startswith("{")])
    assert len(found) == len(done.lines) - fails  # the last line is for people
    (listed,) = (event for event in found if event["event"] == "ImagesListed")
    names = {(f"docker://{registry.host}/test/image:{tag}", f"dir:{tmp_path}/new/image:{tag}") for tag in ("one", "two")}
    assert {(image["image"], image["destination"]) for image in listed["images"]} == names
    assert {(event["image"], event["destination"]) for event in found if event["event"] == "ImageFinished"} == names
    ends = {event["destination"][-3:]: event["status"] for event in found if event["event"] == "ImageFinished"}
    assert ends == {"one": "copied", "two": "failed" if fails else "copied"}
    last = found[-1]
    assert (last["event"], last["copied"], last["failed"]) == ("SyncFinished", 1 if fails else 2, int(fails))
    assert last["moved"] == sum(event["moved"] for event in found if event["event"] == "ImageFinished")
