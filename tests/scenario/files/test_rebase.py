"""``rebase``: another base below an image, from registries and layouts; refused where that would be wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pyskopeo.model.rebase import BASE_DIGEST, BASE_NAME
from tests.support.cli import Done, fatal, pyskopeo_here, succeed
from tests.support.filetrees import contents, directory, file, image, layer
from tests.support.gates import BasicGate
from tests.support.images import BuiltImage, BuiltManifest, digest_of
from tests.support.outputs import blob_path, write_layout
from tests.support.simulator import Simulator

OLD_TARS = (layer(directory("etc"), file("etc/os", b"old")), layer(file("old")))
NEW_TARS = (layer(directory("etc"), file("etc/os", b"new")), layer(file("new")), layer(file("newer")))
APP_TAR = layer(file("app"), file("etc/app"))
KIND = "application/vnd.oci.image.index.v1+json"


def app(old: BuiltImage, repository: str = "", architecture: str = "amd64") -> BuiltImage:
    """An image on the old base, which it names if there is a repository."""
    named = {BASE_NAME: f"{repository}:latest", BASE_DIGEST: old.digest} if repository else {}
    return image(*OLD_TARS, APP_TAR, annotations={**named, "mine": "1"}, config={"config": {"Cmd": ["app"]}}, architecture=architecture)


OLD, NEW = image(*OLD_TARS), image(*NEW_TARS)


def index(*images: tuple[str, BuiltImage]) -> BuiltImage:
    """An index of images for these architectures, with an attestation."""
    entries: list[dict[str, Any]] = [
        {"mediaType": made.root.media_type, "digest": made.digest, "size": len(made.root.raw),
         "platform": {"os": "linux", "architecture": arch}} for arch, made in images
    ]  # fmt: skip
    attestation = image(layer(file("sbom")), architecture="unknown")
    entries.append({"mediaType": attestation.root.media_type, "digest": attestation.digest, "size": len(attestation.root.raw),
                    "platform": {"os": "unknown", "architecture": "unknown"},
                    "annotations": {"vnd.docker.reference.digest": images[0][1].digest}})  # fmt: skip
    raw = json.dumps({"schemaVersion": 2, "mediaType": KIND, "manifests": entries}).encode()
    root, every = BuiltManifest(digest_of(raw), KIND, raw), [*(made for _, made in images), attestation]
    manifests = {root.digest: root} | {made.digest: made.root for made in every}
    return BuiltImage(root, manifests, {d: data for made in every for d, data in made.blobs.items()}, {})


@pytest.fixture
def layouts(tmp_path: Path) -> Path:
    for name, made in (("old", OLD), ("new", NEW), ("app", app(OLD))):
        write_layout(made, tmp_path / name)
    return tmp_path


def rebase(folder: Path, *words: object) -> Done:
    bases = ("--old-base", f"oci:{folder}/old", "--new-base", f"oci:{folder}/new")
    return pyskopeo_here("rebase", *bases, f"oci:{folder}/app:latest", f"oci:{folder}/out:v2", *words)


def written(layout: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The manifest and the configuration of the only image of a layout."""
    (entry,) = json.loads((layout / "index.json").read_bytes())["manifests"]
    manifest = json.loads(blob_path(layout, entry["digest"]).read_bytes())
    return manifest, json.loads(blob_path(layout, manifest["config"]["digest"]).read_bytes())


def test_between_layouts(layouts: Path) -> None:
    done = succeed(rebase(layouts, "--digestfile", layouts / "digest"))
    manifest, config = written(layouts / "out")
    assert [entry["digest"] for entry in manifest["layers"]] == [*NEW.layer_digests(), app(OLD).layer_digests()[-1]]
    assert config["rootfs"]["diff_ids"] == [digest_of(tar) for tar in (*NEW_TARS, APP_TAR)]
    assert config["config"] == {"Cmd": ["app"]}
    assert manifest["annotations"] == {"mine": "1", BASE_DIGEST: NEW.digest}
    (entry,) = json.loads((layouts / "out" / "index.json").read_bytes())["manifests"]
    assert done.stdout.decode().strip().splitlines()[-1] == entry["digest"] == (layouts / "digest").read_text()
    succeed(pyskopeo_here("layout", "verify", "--deep", f"oci:{layouts}/out"))
    succeed(pyskopeo_here("extract", f"oci:{layouts}/out:v2", "--dest", layouts / "files"))
    assert contents(layouts / "files") == {
        "app": b"x", "etc": "directory", "etc/app": b"x", "etc/os": b"new", "new": b"x", "newer": b"x",
    }  # fmt: skip


def test_from_scratch(layouts: Path) -> None:
    succeed(rebase(layouts, "--old-base", "scratch"))
    manifest, _ = written(layouts / "out")
    assert len(manifest["layers"]) == 6


def test_without_annotations_the_bases_have_to_be_named(layouts: Path) -> None:
    words = f"oci:{layouts}/app:latest", f"oci:{layouts}/out:v2"
    assert f"has no annotation {BASE_NAME}: name its new base with --new-base" in fatal(pyskopeo_here("rebase", *words))
    message = fatal(pyskopeo_here("rebase", "--new-base", f"oci:{layouts}/new", *words))
    assert f"has no annotation {BASE_DIGEST}: name its old base with --old-base" in message
    assert not (layouts / "out").exists()


def test_another_base_is_refused(layouts: Path) -> None:
    message = fatal(rebase(layouts, "--old-base", f"oci:{layouts}/new"))
    assert "is not based on oci:" in message
    assert not (layouts / "out").exists()


@pytest.mark.parametrize("base", ["old", "new"])
def test_a_base_that_is_not_there(base: str, layouts: Path) -> None:
    message = fatal(rebase(layouts, f"--{base}-base", f"oci:{layouts}/nothing"))
    assert "reading the base image oci:" in message
    assert "Invalid base image name" in fatal(rebase(layouts, f"--{base}-base", "nothing"))


def test_an_image_that_is_not_there_is_named(layouts: Path) -> None:
    words = ("--new-base", f"oci:{layouts}/new", f"oci:{layouts}/nothing:x", f"oci:{layouts}/out:v2")
    assert fatal(pyskopeo_here("rebase", *words)).startswith(f"reading oci:{layouts}/nothing:x: open ")
    assert not (layouts / "out").exists()


def test_an_index_without_images_or_within_another(layouts: Path) -> None:
    def names(*entries: dict[str, Any]) -> str:
        raw = json.dumps({"schemaVersion": 2, "mediaType": KIND, "manifests": entries}).encode()
        root = BuiltManifest(digest_of(raw), KIND, raw)
        write_layout(BuiltImage(root, {root.digest: root}, {}, {}), layouts / "odd")
        return root.digest

    words = ("--all", "--new-base", f"oci:{layouts}/new", f"oci:{layouts}/odd:latest", f"oci:{layouts}/out:v2")
    inner = names()
    assert "this index has no images" in fatal(pyskopeo_here("rebase", *words))
    size = blob_path(layouts / "odd", inner).stat().st_size
    names({"mediaType": KIND, "digest": inner, "size": size, "platform": {"os": "linux", "architecture": "amd64"}})
    assert f"an index in an index cannot be rebased: {inner}" in fatal(pyskopeo_here("rebase", *words))


@pytest.mark.parametrize("name", ["no name", "UPPER/case:1"])
def test_annotations_that_name_no_base(name: str, layouts: Path) -> None:
    write_layout(image(*OLD_TARS, annotations={BASE_NAME: name, BASE_DIGEST: OLD.digest}), layouts / "odd")
    words = f"oci:{layouts}/odd:latest", f"oci:{layouts}/out:v2"
    assert "name its new base with --new-base" in fatal(pyskopeo_here("rebase", *words))
    assert "use --old-base" in fatal(pyskopeo_here("rebase", "--new-base", f"oci:{layouts}/new", *words))


def test_a_name_of_no_image(layouts: Path) -> None:
    assert "Invalid destination name out" in fatal(pyskopeo_here("rebase", f"oci:{layouts}/app", "out"))


def test_an_artifact_has_no_base(layouts: Path) -> None:
    from tests.support.images import build

    write_layout(build("artifact"), layouts / "artifact")
    message = fatal(rebase(layouts, "--new-base", f"oci:{layouts}/artifact"))
    assert "is no image that can be rebased" in message


def test_in_a_registry_nothing_is_transferred_but_manifests(tmp_path: Path) -> None:
    """The bases are those that the annotations name: the new one by its tag, the old one by its digest."""
    with Simulator() as registry:
        host = registry.name().removeprefix("docker://").partition("/")[0]
        made = app(OLD, f"{host}/library/base")
        registry.add(OLD, "library/base", "old")
        registry.add(NEW, "library/base", "latest")
        registry.add(made, "team/app", "1")
        name = f"docker://{host}/team/app"
        done = succeed(pyskopeo_here(
            "rebase", "--src-tls-verify=false", "--dest-tls-verify=false", f"{name}:1", f"{name}:2", "--quiet",
        ))  # fmt: skip
        result = registry.manifest("2", "team/app")
        assert result is not None
        assert done.stdout.decode().strip() == result.digest
        assert result.json["annotations"] == {"mine": "1", BASE_NAME: f"{host}/library/base:latest", BASE_DIGEST: NEW.digest}
        assert [entry["digest"] for entry in result.json["layers"]] == [  # type: ignore[attr-defined]
            *NEW.layer_digests(), made.layer_digests()[-1],
        ]
        blobs = [request for request in registry.requests if "/blobs/" in request.path]
        read = {request.path.rpartition("/")[2] for request in blobs if request.method == "GET"}
        assert read == {OLD.config_digest(), NEW.config_digest(), made.config_digest()}
        mounted = {request.path for request in blobs if "mount=" in request.path or "from=" in str(request)}
        assert mounted
        assert registry.incomplete == []


def test_again_is_no_change(tmp_path: Path) -> None:
    """The annotations of the result are what the next rebase needs."""
    with Simulator() as registry:
        host = registry.name().removeprefix("docker://").partition("/")[0]
        registry.add(OLD, "library/base", "old")
        registry.add(NEW, "library/base", "latest")
        registry.add(app(OLD, f"{host}/library/base"), "team/app", "1")
        words = ("rebase", "--src-tls-verify=false", "--dest-tls-verify=false", "--quiet")
        first = succeed(pyskopeo_here(*words, f"docker://{host}/team/app:1", f"docker://{host}/team/app:2")).stdout
        again = succeed(pyskopeo_here(*words, f"docker://{host}/team/app:2", f"docker://{host}/team/app:3")).stdout
    assert again == first


def test_credentials_of_the_image_are_not_for_another_registry(tmp_path: Path) -> None:
    """One that would accept them, and is asked without them."""
    with Simulator() as ours, Simulator(gate=BasicGate({"user": "secret"})) as theirs:
        host = theirs.name().removeprefix("docker://").partition("/")[0]
        theirs.add(OLD, "library/base", "old")
        theirs.add(NEW, "library/base", "latest")
        ours.add(app(OLD, f"{host}/library/base"), "team/app", "1")
        name = ours.name("team/app", "1")
        words = ("--src-creds", "user:secret", "--src-tls-verify=false", name, f"oci:{tmp_path}/out:v2")
        assert "reading the base image docker://" in fatal(pyskopeo_here("rebase", *words))
        assert theirs.requests
        assert "authorization" not in {header.lower() for request in theirs.requests for header, _ in request.headers}


class TestIndexes:
    @pytest.fixture
    def several(self, tmp_path: Path) -> Path:
        archs = ("amd64", "arm64")
        for name, made in (
            ("old", index(*((arch, image(*OLD_TARS, architecture=arch)) for arch in archs))),
            ("new", index(*((arch, image(*NEW_TARS, architecture=arch)) for arch in archs))),
            ("app", index(*((arch, app(OLD, architecture=arch)) for arch in archs))),
        ):
            write_layout(made, tmp_path / name)
        return tmp_path

    def test_all_platforms(self, several: Path) -> None:
        succeed(rebase(several, "--all"))
        (entry,) = json.loads((several / "out" / "index.json").read_bytes())["manifests"]
        assert entry["mediaType"] == KIND
        found = json.loads(blob_path(several / "out", entry["digest"]).read_bytes())
        assert [one["platform"]["architecture"] for one in found["manifests"]] == ["amd64", "arm64"]
        for one in found["manifests"]:
            manifest = json.loads(blob_path(several / "out", one["digest"]).read_bytes())
            config = json.loads(blob_path(several / "out", manifest["config"]["digest"]).read_bytes())
            assert config["architecture"] == one["platform"]["architecture"]
            assert len(manifest["layers"]) == 4
            # The digest of what the name of the base leads to, with all platforms.
            (base,) = json.loads((several / "new" / "index.json").read_bytes())["manifests"]
            assert manifest["annotations"][BASE_DIGEST] == base["digest"]
        succeed(pyskopeo_here("layout", "verify", "--deep", f"oci:{several}/out"))

    def test_one_platform(self, several: Path) -> None:
        succeed(rebase(several, "--platform", "linux/arm64"))
        _, config = written(several / "out")
        assert config["architecture"] == "arm64"

    def test_a_base_without_that_platform(self, several: Path) -> None:
        write_layout(index(("amd64", NEW)), several / "new")
        assert "no image found in image index for architecture" in fatal(rebase(several, "--all"))

    def test_one_or_all(self, several: Path) -> None:
        assert "does not go with --all" in fatal(rebase(several, "--all", "--platform", "linux/arm64"))


def test_a_docker_image_to_a_layout_keeps_the_annotations(layouts: Path) -> None:
    """An OCI image is written there, and it is made before the base is put below it."""
    for name in ("old", "new", "app"):
        succeed(pyskopeo_here("copy", "--format", "v2s2", f"oci:{layouts}/{name}:latest", f"dir:{layouts}/{name}.dir"))
    done = succeed(pyskopeo_here(
        "rebase", "--old-base", f"dir:{layouts}/old.dir", "--new-base", f"dir:{layouts}/new.dir", f"dir:{layouts}/app.dir",
        f"oci:{layouts}/out:v2",
    ))  # fmt: skip
    manifest, _ = written(layouts / "out")
    assert manifest["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert BASE_DIGEST in manifest["annotations"]
    assert done.stdout
