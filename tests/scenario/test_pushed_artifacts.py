"""Files that are pushed as an artifact with a name, and pulled again: registries, layouts, archives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import pyskopeo
from tests.support.access import access_for
from tests.support.faults import Flip
from tests.support.images import build
from tests.support.outputs import write_layout
from tests.support.simulator import Simulator

pytestmark = pytest.mark.anyio
KIND = "application/vnd.example.config"


@pytest.fixture
def files(tmp_path: Path) -> dict[Path, str]:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a.json").write_bytes(b'{"a": 1}')
    (folder / "big.bin").write_bytes(bytes(3_000_000))
    (folder / "same.json").write_bytes(b'{"a": 1}')
    return {folder / "a.json": "application/json", folder / "big.bin": KIND, folder / "same.json": "application/json"}


@pytest.mark.parametrize("place", ["docker", "oci", "oci-archive"])
async def test_there_and_back(place: str, files: dict[Path, str], tmp_path: Path) -> None:
    access = access_for(tmp_path)
    with Simulator() as registry:
        name = registry.name("team/config", "v1") if place == "docker" else f"{place}:{tmp_path / 'out'}:v1"
        manifest = await pyskopeo.push_artifact(
            name, files, artifact_type=KIND, annotations={"b": "2", "a": "1"}, access=access
        )
        assert (manifest.artifact_type, dict(manifest.annotations)) == (KIND, {"a": "1", "b": "2"})
        assert manifest.subject is None
        assert [layer.media_type for layer in manifest.layers] == list(files.values())
        pulled = await pyskopeo.pull_artifact(name, tmp_path / "pulled", access=access)
        assert [one.path for one in pulled] == [tmp_path / "pulled" / path.name for path in files]
        assert [one.path.read_bytes() for one in pulled] == [path.read_bytes() for path in files]
        assert await pyskopeo.pull_artifact(name, tmp_path / "pulled", access=access) == pulled, "what is there, stays"
        assert registry.incomplete == []


async def test_the_same_files_give_the_same_manifest(files: dict[Path, str], tmp_path: Path) -> None:
    access, paths = access_for(tmp_path), list(files)
    one = await pyskopeo.push_artifact(f"oci:{tmp_path / 'one'}", paths, artifact_type=KIND, access=access)
    other = await pyskopeo.push_artifact(f"oci:{tmp_path / 'other'}", paths, artifact_type=KIND, access=access)
    assert one.raw == other.raw
    assert {layer.media_type for layer in one.layers} == {KIND}


async def test_without_files_it_has_annotations_alone(tmp_path: Path) -> None:
    name, access = f"oci:{tmp_path / 'out'}:v1", access_for(tmp_path)
    await pyskopeo.push_artifact(name, [], artifact_type=KIND, annotations={"a": "1"}, access=access)
    assert await pyskopeo.pull_artifact(name, tmp_path / "pulled", access=access) == ()


async def test_what_is_refused_leaves_nothing_behind(files: dict[Path, str], tmp_path: Path) -> None:
    access, out = access_for(tmp_path), f"oci:{tmp_path / 'out'}:v1"
    twin = tmp_path / "a.json"
    twin.write_bytes(b"other")
    for name, pushed, kind, error in [
        (out, [*files, twin], KIND, pyskopeo.InvalidInput),
        (out, list(files), "no media type", pyskopeo.InvalidInput),
        (out, [tmp_path / "missing"], KIND, pyskopeo.NotFound),
        (f"dir:{tmp_path / 'out'}", list(files), KIND, pyskopeo.Unsupported),
    ]:
        with pytest.raises(error):
            await pyskopeo.push_artifact(name, pushed, artifact_type=kind, access=access)
    assert not (tmp_path / "out").exists()


async def test_an_image_is_no_artifact(tmp_path: Path) -> None:
    for kind in ("oci", "oci-index"):
        name = f"oci:{write_layout(build(kind), tmp_path / kind)}"
        with pytest.raises(pyskopeo.Unsupported, match="no artifact: copy it"):
            await pyskopeo.pull_artifact(name, tmp_path / "pulled", access=access_for(tmp_path))
    assert not (tmp_path / "pulled").exists()


async def test_hostile_titles_and_wrong_bytes(tmp_path: Path) -> None:
    """No title leads out of the directory, and a file of another content is not overwritten."""
    access, layout = access_for(tmp_path), tmp_path / "layout"
    name = f"oci:{layout}:v1"
    for path, content in {"one": b"1", "two": b"2"}.items():
        (tmp_path / path).write_bytes(content)
    manifest = await pyskopeo.push_artifact(name, [tmp_path / "one", tmp_path / "two"], artifact_type=KIND, access=access)
    document = json.loads(manifest.raw)
    for layer in document["layers"]:
        layer["annotations"]["org.opencontainers.image.title"] = "../../etc/passwd"
    with Simulator() as registry:
        target = f"{registry.host}/a/b"
        for path in ("one", "two"):
            await pyskopeo.put_blob(target, tmp_path / path, access=access)
        (tmp_path / "empty").write_bytes(b"{}")
        await pyskopeo.put_blob(target, tmp_path / "empty", access=access)
        await pyskopeo.put_manifest(f"{target}:v1", json.dumps(document).encode(), access=access)
        pulled = await pyskopeo.pull_artifact(f"docker://{target}:v1", tmp_path / "pulled", access=access)
        assert {one.path.parent for one in pulled} == {tmp_path / "pulled"}
        assert sorted(one.path.name[12:] for one in pulled) == ["-passwd", "-passwd"]
        pulled[0].path.write_bytes(b"mine")
        with pytest.raises(pyskopeo.DestinationRefused):
            await pyskopeo.pull_artifact(f"docker://{target}:v1", tmp_path / "pulled", access=access)
        registry.on_blob(str(manifest.layers[0].digest), Flip(0))
        with pytest.raises(pyskopeo.ContentMismatch):
            await pyskopeo.pull_artifact(f"docker://{target}:v1", tmp_path / "again", access=access)
        assert sorted(path.name[12:] for path in (tmp_path / "again").iterdir() if ".partial" not in path.name) in (
            [], ["-passwd"],
        )  # fmt: skip
