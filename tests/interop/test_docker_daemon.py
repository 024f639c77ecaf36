"""A real Docker daemon, spoken to directly: what we put there runs, and comes back as skopeo has it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import pyskopeo
from tests.support.cli import pyskopeo_here, succeed
from tests.support.commands import environment, skopeo
from tests.support.images import PROGRAM, ImageSpec, LayerSpec, build, digest_of
from tests.support.outputs import blob_path, write_dir, write_layout
from tests.support.peers import Dockerd, PeerFailed, Registry
from tests.support.rootfs import GREETING
from tests.support.trees import tree

LAYERS = (LayerSpec("base", base=True), LayerSpec("same"), LayerSpec("between"), LayerSpec("same"))
IMAGES = {
    "docker": build(ImageSpec("docker", layers=LAYERS, empty_history=2, labels={"odd": "<&>"})),
    "oci": build(ImageSpec("oci", layers=LAYERS, empty_history=2, labels={"odd": "<&>"})),
    "oci-zstd": build(ImageSpec("oci", layers=(LayerSpec("zstd", base=True, compression="zstd"),))),
}


@pytest.fixture(params=sorted(IMAGES))
def kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture(autouse=True)
def docker_host(dockerd: Dockerd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", dockerd.address)


def told(dockerd: Dockerd, name: str) -> dict[str, object]:
    (found,) = json.loads(dockerd.docker("image", "inspect", name))
    assert isinstance(found, dict)
    return found


def sources(kind: str, folder: Path) -> dict[str, str]:
    """The same image in several places."""
    directory = write_dir(IMAGES[kind], folder / "dir")
    layout = write_layout(IMAGES[kind], folder / "layout")
    succeed(pyskopeo_here("copy", f"dir:{directory}", f"docker-archive:{folder}/image.tar"))
    return {"dir": f"dir:{directory}", "oci": f"oci:{layout}", "docker-archive": f"docker-archive:{folder}/image.tar"}


def test_in_run_and_out(dockerd: Dockerd, kind: str, tmp_path: Path) -> None:
    config = json.loads(IMAGES[kind].config())
    for source, name in sources(kind, tmp_path).items():
        there = f"in/{source}:{kind}"
        succeed(pyskopeo_here("copy", name, f"docker-daemon:{there}"))
        assert dockerd.docker("images", "--format", "{{.Repository}}:{{.Tag}}", there).split() == [there]
        assert dockerd.docker("run", "--rm", "--network", "none", there).encode() == GREETING
        found = told(dockerd, there)
        assert found["Id"] == IMAGES[kind].config_digest()
        assert found["RootFS"] == {"Type": "layers", "Layers": config["rootfs"]["diff_ids"]}

    succeed(pyskopeo_here("copy", f"docker-daemon:in/dir:{kind}", f"dir:{tmp_path}/out"))
    files = tree(tmp_path / "out")
    manifest = json.loads(files["manifest.json"])
    assert files[manifest["config"]["digest"][7:]] == IMAGES[kind].config()
    assert [layer["digest"] for layer in manifest["layers"]] == config["rootfs"]["diff_ids"]
    assert [digest_of(files[diff_id[7:]]) for diff_id in config["rootfs"]["diff_ids"]] == config["rootfs"]["diff_ids"]


@pytest.mark.peer("skopeo")
def test_out_as_skopeo_has_it(dockerd: Dockerd, kind: str, tmp_path: Path) -> None:
    """Manifest and blobs alike, by name and by ID."""
    name = f"out:{kind}"
    succeed(pyskopeo_here("copy", f"dir:{write_dir(IMAGES[kind], tmp_path / 'source')}", f"docker-daemon:{name}"))
    for number, source in enumerate((name, f"docker.io/library/{name}", str(told(dockerd, name)["Id"]))):
        words = ("copy", "--src-daemon-host", dockerd.address, f"docker-daemon:{source}")
        succeed(skopeo(*words, f"dir:{tmp_path}/theirs{number}"))
        succeed(pyskopeo_here(*words, f"dir:{tmp_path}/ours{number}"))
        assert tree(tmp_path / f"ours{number}") == tree(tmp_path / f"theirs{number}")
    shown = [
        json.loads(succeed(program("inspect", "--daemon-host", dockerd.address, f"docker-daemon:{name}")).stdout)
        for program in (skopeo, pyskopeo_here)
    ]
    assert shown[1] == shown[0]


@pytest.mark.peer("skopeo")
def test_in_as_skopeo_does_it(dockerd: Dockerd, tmp_path: Path) -> None:
    source = write_dir(IMAGES["docker"], tmp_path / "source")
    succeed(skopeo("copy", "--dest-daemon-host", dockerd.address, f"dir:{source}", "docker-daemon:by/skopeo:v1"))
    succeed(pyskopeo_here("copy", f"dir:{source}", "docker-daemon:by/us:v1"))
    theirs, ours = told(dockerd, "by/skopeo:v1"), told(dockerd, "by/us:v1")
    assert theirs == ours
    assert {"by/skopeo:v1", "by/us:v1"} <= set(ours["RepoTags"])  # type: ignore[call-overload]


def test_from_a_registry(dockerd: Dockerd, registry: Registry) -> None:
    registry.push(IMAGES["oci"], "daemon/oci")
    name = registry.name("daemon/oci")
    succeed(pyskopeo_here("copy", "--src-tls-verify=false", name, "docker-daemon:from/registry:v1"))
    assert dockerd.docker("run", "--rm", "--network", "none", "from/registry:v1").encode() == GREETING


def test_into_an_oci_layout(dockerd: Dockerd, tmp_path: Path) -> None:
    source = write_dir(IMAGES["docker"], tmp_path / "source")
    succeed(pyskopeo_here("copy", f"dir:{source}", "docker-daemon:to/layout:v1"))
    succeed(pyskopeo_here("copy", "docker-daemon:to/layout:v1", f"oci:{tmp_path}/layout:x"))
    (entry,) = json.loads((tmp_path / "layout" / "index.json").read_bytes())["manifests"]
    manifest = json.loads(blob_path(tmp_path / "layout", entry["digest"]).read_bytes())
    config = json.loads(blob_path(tmp_path / "layout", manifest["config"]["digest"]).read_bytes())
    assert config["rootfs"] == json.loads(IMAGES["docker"].config())["rootfs"]


def test_a_tarball_becomes_an_image(dockerd: Dockerd, tmp_path: Path) -> None:
    image = IMAGES["oci"]
    first = image.layer_digests()[0]
    (tmp_path / "plain.tar").write_bytes(image.tars[first])
    (tmp_path / "more.tgz").write_bytes(image.blobs[image.layer_digests()[1]])
    succeed(pyskopeo_here("copy", f"tarball:{tmp_path}/plain.tar:{tmp_path}/more.tgz", "docker-daemon:from/tarball:v1"))
    found = told(dockerd, "from/tarball:v1")
    diff_ids = [digest_of(image.tars[digest]) for digest in image.layer_digests()[:2]]
    assert found["RootFS"] == {"Type": "layers", "Layers": diff_ids}
    said = dockerd.docker("run", "--rm", "--network", "none", "from/tarball:v1", PROGRAM).encode()
    assert said == GREETING


def test_what_is_not_there(dockerd: Dockerd, tmp_path: Path) -> None:
    for name in ("no/such:image", "sha256:" + 64 * "a"):
        done = pyskopeo_here("copy", f"docker-daemon:{name}", f"dir:{tmp_path}/out")
        assert done.code == 1
        assert "loading image from docker engine: Error response from daemon: " in done.stderr
        assert len(done.lines) == 1


def test_a_broken_image_is_not_loaded(dockerd: Dockerd, tmp_path: Path) -> None:
    image = build(ImageSpec("oci", layers=tuple(LayerSpec(f"part-{n}", size=300_000) for n in range(3))))
    source = write_dir(image, tmp_path / "source")
    path = source / image.layer_digests()[2][7:]
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    done = pyskopeo_here("copy", "--image-parallel-copies=1", f"dir:{source}", "docker-daemon:broken:v1")
    assert done.code == 1
    time.sleep(0.3)  # what it would do with half an archive it would do now
    with pytest.raises(PeerFailed, match="No such image"):
        dockerd.docker("image", "inspect", "broken:v1")
    with pytest.raises(PeerFailed, match="No such image"):
        dockerd.docker("image", "inspect", image.config_digest())


def test_nothing_is_there_before_it_is_left(dockerd: Dockerd, tmp_path: Path) -> None:
    image = build(ImageSpec("oci", layers=(LayerSpec("one", size=300_000),)))
    source = f"oci:{write_layout(image, tmp_path / 'source')}"

    async def copy() -> None:
        from pyskopeo.streams.progress import uncounted

        async with pyskopeo.open_source(source) as reader, pyskopeo.open_destination("docker-daemon:late:v1") as writer:
            root = await reader.manifest()
            for blob in root.blobs:
                await writer.put_blob(reader.blob(blob), uncounted)
            await writer.commit(root)
            with pytest.raises(PeerFailed, match="No such image"):
                dockerd.docker("image", "inspect", "late:v1")

    import anyio

    anyio.run(copy)
    assert told(dockerd, "late:v1")["Id"] == image.config_digest()


def test_several_at_once(dockerd: Dockerd, tmp_path: Path) -> None:
    access = pyskopeo.Access.from_environ({"DOCKER_HOST": dockerd.address})
    names = {f"docker-daemon:at/once:{kind}": kind for kind in IMAGES}

    async def work() -> None:
        from anyio import create_task_group

        async def one(name: str, kind: str) -> None:
            source = f"dir:{write_dir(IMAGES[kind], tmp_path / kind)}"
            await pyskopeo.copy(source, name, destination_access=access)
            await pyskopeo.copy(name, f"dir:{tmp_path}/back-{kind}", source_access=access)

        async with create_task_group() as tasks:
            for name, kind in names.items():
                tasks.start_soon(one, name, kind)

    import anyio

    anyio.run(work)
    for kind, image in IMAGES.items():
        assert tree(tmp_path / f"back-{kind}")[image.config_digest()[7:]] == image.config()


def test_it_can_be_interrupted(dockerd: Dockerd, tmp_path: Path) -> None:
    """In the middle of sending, by a signal: gone within a second, and nothing loaded."""
    image = build(ImageSpec("oci", layers=tuple(LayerSpec(f"many-{n}", size=2_000_000) for n in range(8))))
    source = write_dir(image, tmp_path / "source")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "pyskopeo", "copy", f"dir:{source}", "docker-daemon:interrupted:v1"],
        env=environment({"TMPDIR": str(scratch)}), stderr=subprocess.PIPE,
    )  # fmt: skip
    end = time.monotonic() + 20
    while not any(path.is_file() for path in scratch.rglob("*")) and time.monotonic() < end:
        time.sleep(0.005)
    begun = time.monotonic()
    process.terminate()
    _, said = process.communicate(timeout=20)
    assert time.monotonic() - begun < 10
    assert process.returncode != 0, said
    assert not os.listdir(scratch)
    with pytest.raises(PeerFailed, match="No such image"):
        dockerd.docker("image", "inspect", "interrupted:v1")
