"""``attach``, ``download`` and ``detach``: files that refer to an image, in registries of all kinds and in layouts."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pyskopeo
from pyskopeo.model.referrer import referrers_tag
from tests.support.access import access_for
from tests.support.cli import Done, fatal, pyskopeo_here, succeed
from tests.support.commands import PYSKOPEO, environment
from tests.support.commands import pyskopeo as pyskopeo_process
from tests.support.faults import Refuse
from tests.support.images import (
    ArtifactSpec,
    BuiltImage,
    BuiltManifest,
    ImageSpec,
    IndexSpec,
    LayerSpec,
    PlatformSpec,
    build,
    digest_of,
    edited,
)
from tests.support.outputs import blob_path, write_layout
from tests.support.pushing import Pushing
from tests.support.referring import INDEX, SBOM, SIGNATURE, described, index_of, referring
from tests.support.schema1 import IDS, document
from tests.support.simulator import Simulator

pytestmark = pytest.mark.usefixtures("no_machine_policy")

IMAGE = build("oci")
MULTI = build(
    IndexSpec((ImageSpec(), ImageSpec(layers=(LayerSpec("arm"),), platform=PlatformSpec("arm64", variant="v8"))), attestations=True)
)
CYCLONE = "application/vnd.cyclonedx+json"
KINDS = {
    "api": Pushing(referrers=True), "tag schema": Pushing(), "conditions ignored": Pushing(conditions="ignored"),
    "conditions honoured": Pushing(conditions="honoured"),
}  # fmt: skip


@pytest.fixture
def sbom(tmp_path: Path) -> Path:
    path = tmp_path / "app.spdx.json"
    path.write_bytes(b'{"spdxVersion": "SPDX-2.3"}')
    return path


@pytest.fixture(params=[*KINDS, "layout"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[BuiltImage], str]]:
    """Where images are, in each kind of place: a function that puts one there and returns its name."""
    if request.param == "layout":
        yield lambda image: f"oci:{write_layout(image, tmp_path / 'layout')}:latest"
        return
    with Simulator(pushing=KINDS[request.param]) as registry:

        def put(image: BuiltImage) -> str:
            registry.add(image, "test/image", "latest")
            return registry.name()

        yield put
        # Lists that have been replaced have no tag any more.
        assert [line for line in registry.incomplete if not line.startswith("test/image sha256:")] == []
        assert registry.open_uploads == ()


def run(command: str, name: str, *words: object) -> Done:
    return pyskopeo_here(command, "--tls-verify=false", name, *words)


def attach(name: str, *words: object) -> str:
    """The digest of the artifact."""
    digest = succeed(run("attach", name, *words)).stdout.decode().strip()
    assert digest.startswith("sha256:")
    return digest


def referrers(name: str, *words: object) -> list[dict[str, Any]]:
    """What refers to the image, or to those in its list."""
    report = json.loads(succeed(run("referrers", name, "--json", *words)).stdout)
    return [one for image in report["images"] for one in image["referrers"]]


def manifest_of(registry: Simulator, digest: str) -> dict[str, Any]:
    found = registry.manifest(digest)
    assert found is not None
    document: dict[str, Any] = json.loads(found.raw)
    return document


class TestAttach:
    def test_it_is_found_and_has_the_content(self, place: Callable[[BuiltImage], str], sbom: Path, tmp_path: Path) -> None:
        name = place(IMAGE)
        digest = attach(name, sbom, "--type", SBOM, "--annotation", "made.by=syft")
        (found,) = referrers(name)
        assert (found["digest"], found["artifactType"]) == (digest, SBOM)
        assert found["annotations"] == {"made.by": "syft"}
        output = tmp_path / "out"
        done = succeed(run("download", name, "--type", SBOM, "--output", f"{output}/"))
        assert done.stdout.decode().split() == [str(output / "app.spdx.json"), SBOM, digest]
        assert (output / "app.spdx.json").read_bytes() == sbom.read_bytes()
        assert len(list(output.iterdir())) == 1

    def test_the_manifest(self, sbom: Path) -> None:
        with Simulator(IMAGE) as registry:
            digest = attach(registry.name(), sbom, "--type", SBOM, "--annotation", "b=2", "--annotation", "a=ü")
            empty = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest_of(b"{}"), "size": 2}
            content = sbom.read_bytes()
            assert manifest_of(registry, digest) == {
                "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "artifactType": SBOM,
                "config": empty | {"data": "e30="},
                "layers": [{
                    "mediaType": SBOM, "digest": digest_of(content), "size": len(content),
                    "annotations": {"org.opencontainers.image.title": "app.spdx.json"},
                }],
                "subject": described(IMAGE), "annotations": {"a": "ü", "b": "2"},
            }  # fmt: skip
            assert registry.blobs()[digest_of(b"{}")] == b"{}"
            found = registry.manifest(f"sha256-{IMAGE.digest.removeprefix('sha256:')}")
            assert found is not None
            (entry,) = json.loads(found.raw)["manifests"]
            assert entry["artifactType"] == SBOM
            assert found.media_type == INDEX

    def test_again_changes_nothing(self, place: Callable[[BuiltImage], str], sbom: Path) -> None:
        name = place(IMAGE)
        first = attach(name, sbom, "--type", SBOM)
        assert attach(name, sbom, "--type", SBOM) == first
        assert [one["digest"] for one in referrers(name)] == [first]

    def test_several_stay_beside_each_other(self, place: Callable[[BuiltImage], str], sbom: Path, tmp_path: Path) -> None:
        name = place(IMAGE)
        other = tmp_path / "other.json"
        other.write_bytes(b"{}")
        digests = {attach(name, sbom, "--type", SBOM), attach(name, other, "--type", CYCLONE)}
        assert {one["digest"] for one in referrers(name)} == digests
        assert {one["artifactType"] for one in referrers(name, "--type", CYCLONE)} == {CYCLONE}

    def test_to_one_that_is_attached_itself(self, place: Callable[[BuiltImage], str], sbom: Path) -> None:
        name = place(IMAGE)
        digest = attach(name, sbom, "--type", SBOM)
        if name.startswith("oci:"):
            return  # a layout has no name for it
        signed = attach(f"{name.rpartition(':')[0]}@{digest}", sbom, "--type", SIGNATURE)
        (found,) = referrers(name)
        assert [one["digest"] for one in found["referrers"]] == [signed]

    def test_a_list_and_one_of_its_images(self, place: Callable[[BuiltImage], str], sbom: Path, tmp_path: Path) -> None:
        name = place(MULTI)
        whole = attach(name, sbom, "--type", SBOM)
        arm = attach(name, sbom, "--type", SBOM, "--platform", "linux/arm64")
        assert whole != arm
        report = json.loads(succeed(run("referrers", name, "--json", "--type", SBOM)).stdout)
        found = {image["digest"]: [one["digest"] for one in image["referrers"]] for image in report["images"]}
        assert found[MULTI.digest] == [whole]
        (platform,) = (image["digest"] for image in report["images"] if image.get("platform", {}).get("architecture") == "arm64")
        assert found[platform] == [arm]
        assert sum(map(len, found.values())) == 2
        output = tmp_path / "out"
        paths = {
            line.split()[0] for line in
            succeed(run("download", name, "--type", SBOM, "--output", f"{output}/")).stdout.decode().splitlines()
        }  # fmt: skip
        assert paths == {str(output / "app.spdx.json")}  # the same content

    def test_several_files_and_their_type(self, sbom: Path, tmp_path: Path) -> None:
        other = tmp_path / "notes.txt"
        other.write_bytes(b"notes")
        with Simulator(IMAGE) as registry:
            digest = attach(registry.name(), sbom, other, "--type", "application/vnd.example.release", "--media-type", "text/plain")
            layers = manifest_of(registry, digest)["layers"]
            assert [(one["mediaType"], one["annotations"]["org.opencontainers.image.title"]) for one in layers] == [
                ("text/plain", "app.spdx.json"), ("text/plain", "notes.txt")
            ]  # fmt: skip
            output = tmp_path / "out"
            succeed(run("download", registry.name(), digest, "--output", f"{output}/"))
            assert {path.name: path.read_bytes() for path in output.iterdir()} == {
                "app.spdx.json": sbom.read_bytes(), "notes.txt": b"notes"
            }  # fmt: skip

    @pytest.mark.parametrize("kind", ["layout", "registry"])
    def test_standard_input(self, kind: str, tmp_path: Path) -> None:
        with Simulator(IMAGE) as registry:
            name = registry.name() if kind == "registry" else f"oci:{write_layout(IMAGE, tmp_path / 'layout')}:latest"
            words = ("attach", "--tls-verify=false", name, "-", "--type", SBOM)
            command = [*PYSKOPEO, *words]
            run_ = subprocess.run(command, input=b"from a pipe", env=environment(), capture_output=True, check=True, timeout=60)
            assert run_.stdout.startswith(b"sha256:")
            done = succeed(pyskopeo_process("download", "--tls-verify=false", name, "--type", SBOM, "--output", "-"))
        assert done.stdout == b"from a pipe"

    def test_others_that_write_the_list_lose_nothing(self, sbom: Path) -> None:
        theirs = referring(IMAGE, SIGNATURE)
        with Simulator(IMAGE) as registry:
            registry.add(theirs, "test/image", None)
            tag = f"sha256-{IMAGE.digest.removeprefix('sha256:')}"
            listed = referring(IMAGE, SBOM, b"listed", x="y")
            registry.add(listed, "test/image", None)
            raw = index_of(described(listed, artifactType=SBOM, annotations={"kept": "as it is"}))
            registry.store.add_manifest("test/image", tag, BuiltManifest(digest_of(raw), INDEX, raw))
            digest = attach(registry.name(), sbom, "--type", SBOM)
            entries = json.loads(_raw(registry, tag))["manifests"]
        assert [one["digest"] for one in entries] == [listed.digest, digest]
        assert entries[0]["annotations"] == {"kept": "as it is"}

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("--type", "sbom"), "--type: sbom is no media type: want TYPE/SUBTYPE"),
            (("--type", "a/b\n"), "no media type"),
            (("--type", SBOM, "--media-type", "x y/z"), "--media-type: x y/z is no media type"),
            ((), "--type is required"),
            (("--type", SBOM, "--annotation", "x"), "want NAME=VALUE"),
            (("-", "-", "--type", SBOM), "standard input"),
        ],
    )
    def test_what_is_refused(self, words: tuple[str, ...], said: str, sbom: Path, tmp_path: Path) -> None:
        layout = write_layout(IMAGE, tmp_path / "layout")
        before = (layout / "index.json").read_bytes()
        assert said in fatal(run("attach", f"oci:{layout}:latest", sbom, *words))
        assert (layout / "index.json").read_bytes() == before

    @pytest.mark.parametrize("name", ["dir:x", "docker-archive:x", "oci-archive:x"])
    def test_where_it_is_not_possible(self, name: str, sbom: Path) -> None:
        assert "registries and layouts: docker:, oci:" in fatal(run("attach", name, sbom, "--type", SBOM))

    def test_what_is_not_there(self, sbom: Path, tmp_path: Path) -> None:
        layout = write_layout(IMAGE, tmp_path / "layout")
        before = _blobs(layout)
        for name, file, code, said in (
            (f"oci:{layout}:latest", tmp_path / "none", 1, "no such file"), (f"oci:{layout}:other", sbom, 2, '"other"'),
            (f"oci:{tmp_path / 'none'}", sbom, 1, "no such file"),
        ):  # fmt: skip
            done = run("attach", name, file, "--type", SBOM)
            assert done.code == code
            assert said in done.stderr.replace('\\"', '"')
        assert _blobs(layout) == before
        assert not (tmp_path / "none").exists()
        with Simulator(IMAGE) as registry:
            assert "manifest unknown" in run("attach", registry.name(tag="no"), sbom, "--type", SBOM).stderr
            assert all(request.reads for request in registry.requests)

    def test_nothing_is_listed_if_the_registry_refuses_the_artifact(self, sbom: Path) -> None:
        with Simulator(IMAGE) as registry:
            registry.on("/v2/*/manifests/*", Refuse(400, "MANIFEST_INVALID"), methods=("PUT",))
            assert "the simulator refuses" in fatal(run("attach", registry.name(), sbom, "--type", SBOM))
            assert [name for name in registry.store.manifests("test/image") if name.startswith("sha256-")] == []

    def test_offline_nothing_is_sent(self, sbom: Path) -> None:
        with Simulator(IMAGE) as registry:
            done = pyskopeo_here("--offline", "attach", "--tls-verify=false", registry.name(), sbom, "--type", SBOM)
            assert done.code == 3
            assert not registry.requests

    def test_a_layout_without_names_stays_usable(self, sbom: Path, tmp_path: Path) -> None:
        layout = write_layout(IMAGE, tmp_path / "layout", tag=None)
        attach(f"oci:{layout}", sbom, "--type", SBOM)
        attach(f"oci:{layout}", sbom, "--type", SIGNATURE)
        assert {one["artifactType"] for one in referrers(f"oci:{layout}")} == {SBOM, SIGNATURE}
        succeed(pyskopeo_here("layout", "verify", f"oci:{layout}"))
        succeed(pyskopeo_here("copy", f"oci:{layout}", f"dir:{tmp_path / 'dir'}"))


    def test_a_flat_layout(self, sbom: Path, tmp_path: Path) -> None:
        """Its list is a file that changes, so nothing can refer to it."""
        layout = tmp_path / "layout"
        for image in (IMAGE, build(ImageSpec(layers=(LayerSpec("arm"),), platform=PlatformSpec("arm64")))):
            write_layout(image, layout, tag=None)
        index = json.loads((layout / "index.json").read_bytes())
        for entry, machine in zip(index["manifests"], ("amd64", "arm64"), strict=True):
            entry["platform"] = {"os": "linux", "architecture": machine}
        (layout / "index.json").write_text(json.dumps(index))
        assert "choose one of its images" in fatal(run("attach", f"oci:{layout}", sbom, "--type", SBOM))
        digest = attach(f"oci:{layout}", sbom, "--type", SBOM, "--platform", "linux/arm64")
        assert [one["digest"] for one in referrers(f"oci:{layout}", "--platform", "linux/arm64")] == [digest]

    def test_schema_1(self, sbom: Path) -> None:
        raw = json.dumps(document({"id": IDS[0]})).encode()
        with Simulator() as registry:
            made = BuiltManifest(digest_of(raw), "application/vnd.docker.distribution.manifest.v1+json", raw)
            registry.store.add_manifest("test/image", "latest", made)
            assert "nothing can refer to it" in fatal(run("attach", registry.name(), sbom, "--type", SBOM))




def _raw(registry: Simulator, name: str) -> bytes:
    found = registry.manifest(name)
    assert found is not None
    return found.raw


class TestDownload:
    def test_to_a_file_or_standard_output(self, place: Callable[[BuiltImage], str], sbom: Path, tmp_path: Path) -> None:
        name = place(IMAGE)
        digest = attach(name, sbom, "--type", SBOM)
        output = tmp_path / "sbom.json"
        output.write_text("old")
        done = succeed(run("download", name, digest, "--output", output, "--json"))
        assert output.read_bytes() == sbom.read_bytes()
        assert json.loads(done.stdout) == [{
            "path": str(output), "mediaType": SBOM, "digest": digest_of(sbom.read_bytes()), "size": sbom.stat().st_size,
            "artifactType": SBOM, "referrer": digest, "subject": IMAGE.digest,
        }]  # fmt: skip
        again = succeed(pyskopeo_process("download", "--tls-verify=false", name, "--type", SBOM, "--output", "-"))
        assert again.stdout == sbom.read_bytes()

    def test_by_default_into_this_directory(
        self, sbom: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        layout = write_layout(IMAGE, tmp_path / "layout")
        attach(f"oci:{layout}:latest", sbom, "--type", SBOM)
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        assert succeed(run("download", f"oci:{layout}:latest", "--type", SBOM)).stdout.startswith(b"app.spdx.json ")
        assert os.listdir() == ["app.spdx.json"]

    def test_two_of_one_name(self, tmp_path: Path) -> None:
        name = f"oci:{write_layout(IMAGE, tmp_path / 'layout')}:latest"
        digests = []
        for number in range(2):
            file = tmp_path / str(number) / ("SBOM.json" if number else "sbom.json")
            file.parent.mkdir()
            file.write_text(str(number))
            digests.append(attach(name, file, "--type", SBOM))
        succeed(run("download", name, "--type", SBOM, "--output", f"{tmp_path}/out/"))
        found = {path.read_text(): path.name for path in (tmp_path / "out").iterdir()}
        for number, digest in enumerate(digests):
            assert found[str(number)].startswith(f"{digest[7:19]}-")
            assert found[str(number)].endswith(("-sbom.json", "-SBOM.json"))
        assert "2 files for one" in fatal(run("download", name, "--type", SBOM, "--output", tmp_path / "one"))
        assert not (tmp_path / "one").exists()

    def test_nothing_there_is_overwritten(self, sbom: Path, tmp_path: Path) -> None:
        name = f"oci:{write_layout(IMAGE, tmp_path / 'layout')}:latest"
        attach(name, sbom, "--type", SBOM)
        output = tmp_path / "out"
        output.mkdir()
        (output / "app.spdx.json").write_bytes(b"mine")
        assert "with other content" in fatal(run("download", name, "--type", SBOM, "--output", output))
        assert (output / "app.spdx.json").read_bytes() == b"mine"
        (output / "app.spdx.json").unlink()
        (output / "app.spdx.json").symlink_to(tmp_path / "elsewhere")
        assert "with other content" in fatal(run("download", name, "--type", SBOM, "--output", output))
        assert not (tmp_path / "elsewhere").exists()
        (output / "app.spdx.json").unlink()
        succeed(run("download", name, "--type", SBOM, "--output", output))
        succeed(run("download", name, "--type", SBOM, "--output", output))  # it is there already

    @pytest.mark.parametrize(
        "title", ["../../escape", "/etc/passwd", "..", ".bashrc", "a\0b", "a\nb", "", "\u202egnp.exe", "x" * 5000, "C:\\x", " ", "_"]
    )
    def test_names_lead_nowhere_else(self, title: str, tmp_path: Path) -> None:
        def change(made: dict[str, Any]) -> None:
            made["subject"] = described(IMAGE)
            made["layers"][0]["annotations"] = {"org.opencontainers.image.title": title}

        evil = edited(build(ArtifactSpec(SBOM, content=b"evil")), change)
        with Simulator(IMAGE, pushing=Pushing(referrers=True)) as registry:
            registry.add(evil, "test/image", None)
            output = tmp_path / "deep" / "out"
            done = succeed(run("download", registry.name(), "--type", SBOM, "--output", f"{output}/"))
        assert done.stdout.decode().count("\n") == 1
        (path,) = (found for found in tmp_path.rglob("*") if not found.is_dir())
        assert path.parent == output
        assert path.read_bytes() == b"evil"
        assert not path.name.startswith(".")
        assert path.name.isprintable()

    def test_damaged_content_gets_no_name(self, tmp_path: Path) -> None:
        bom = referring(IMAGE, content=b"good")
        with Simulator(IMAGE, pushing=Pushing(referrers=True)) as registry:
            registry.add(bom, "test/image", None)
            registry.store.add_blob("test/image", digest_of(b"good"), b"evil")
            assert "digest" in fatal(run("download", registry.name(), "--type", SBOM, "--output", f"{tmp_path}/out/"))
        assert list((tmp_path / "out").iterdir()) == []

    def test_what_is_not_there(self, tmp_path: Path) -> None:
        name = f"oci:{write_layout(IMAGE, tmp_path / 'layout')}:latest"
        done = run("download", name, "--type", SBOM)
        assert done.code == 2
        assert f"nothing of type {SBOM} is attached to {name}" in done.stderr
        assert "want a digest or a --type" in fatal(run("download", name))
        assert "DIGEST" in fatal(run("download", name, "x"))

    @pytest.mark.parametrize("made", [IMAGE, MULTI], ids=["image", "list"])
    @pytest.mark.parametrize("requirement", [{"type": "reject"}, {"type": "signedBy", "keyType": "GPGKeys", "keyPath": "none"}])
    def test_the_policy_is_honoured(
        self, made: BuiltImage, requirement: dict[str, str], sbom: Path, tmp_path: Path
    ) -> None:
        name = f"oci:{write_layout(made, tmp_path / 'layout')}:latest"
        attach(name, sbom, "--type", SBOM)
        policy = tmp_path / "policy.json"
        policy.write_text(json.dumps({"default": [requirement]}))
        done = pyskopeo_here("--policy", policy, "download", name, "--type", SBOM, "--output", f"{tmp_path}/out/")
        assert "Source image rejected" in fatal(done)
        assert not (tmp_path / "out").exists()

    def test_attestations_of_buildkit(self, tmp_path: Path) -> None:
        with Simulator(MULTI) as registry:
            found = referrers(registry.name(), "--platform", "linux/arm64")
            (kind,) = {one["artifactType"] for one in found}
            words = ("--platform", "linux/arm64", "--type", kind, "--output", f"{tmp_path}/out/")
            succeed(run("download", registry.name(), *words))
        assert len(list((tmp_path / "out").iterdir())) >= 1


class TestDetach:
    def test_by_digest(self, place: Callable[[BuiltImage], str], sbom: Path) -> None:
        name = place(IMAGE)
        kept, removed = attach(name, sbom, "--type", SIGNATURE), attach(name, sbom, "--type", SBOM)
        dry = succeed(run("detach", name, removed, "--dry-run"))
        assert dry.stdout.decode() == f"Would detach {removed} ({SBOM}) from {IMAGE.digest}\n"
        assert {one["digest"] for one in referrers(name)} == {kept, removed}
        done = succeed(run("detach", name, removed))
        assert done.stdout == b""
        assert f"Detached {removed}" in done.stderr
        assert [one["digest"] for one in referrers(name)] == [kept]
        assert run("detach", name, removed).code == 2

    def test_by_type(self, place: Callable[[BuiltImage], str], sbom: Path) -> None:
        name = place(MULTI)
        attach(name, sbom, "--type", SBOM)
        attach(name, sbom, "--type", SBOM, "--platform", "linux/arm64")
        kept = attach(name, sbom, "--type", SIGNATURE)
        succeed(run("detach", name, "--type", SBOM, "--platform", "linux/arm64"))
        assert len(referrers(name, "--type", SBOM)) == 1
        succeed(run("detach", name, "--type", SBOM))
        assert referrers(name, "--type", SBOM) == []
        assert [one["digest"] for one in referrers(name, "--type", SIGNATURE)] == [kept]
        done = run("detach", name, "--type", SBOM)
        assert done.code == 2
        assert f"nothing of type {SBOM} refers to" in done.stderr

    @pytest.mark.parametrize("kind", KINDS)
    def test_what_refers_to_it_goes_too(self, kind: str, sbom: Path) -> None:
        with Simulator(IMAGE, pushing=KINDS[kind]) as registry:
            digest = attach(registry.name(), sbom, "--type", SBOM)
            signed = attach(f"docker://{registry.host}/test/image@{digest}", sbom, "--type", SIGNATURE)
            succeed(run("detach", registry.name(), digest))
            assert registry.manifest(digest) is None
            assert registry.manifest(signed) is None
            assert referrers(registry.name()) == []

    def test_a_registry_that_deletes_nothing(self, sbom: Path) -> None:
        with Simulator(IMAGE, pushing=Pushing(deletes=False)) as registry:
            digest = attach(registry.name(), sbom, "--type", SBOM)
            done = succeed(run("detach", registry.name(), digest))
            assert "is not listed any more, but its manifest stays" in done.stderr
            assert registry.manifest(digest) is not None
            assert referrers(registry.name()) == []
        with Simulator(IMAGE, pushing=Pushing(deletes=False, referrers=True)) as registry:
            digest = attach(registry.name(), sbom, "--type", SBOM)
            assert "does not allow deleting" in fatal(run("detach", registry.name(), digest))

    def test_a_layout_loses_what_nothing_else_needs(self, sbom: Path, tmp_path: Path) -> None:
        layout = write_layout(IMAGE, tmp_path / "layout")
        name = f"oci:{layout}:latest"
        before, index = _blobs(layout), (layout / "index.json").read_bytes()
        first = attach(name, sbom, "--type", SBOM)
        second = attach(name, sbom, "--type", SIGNATURE)
        succeed(run("detach", name, first))
        assert blob_path(layout, digest_of(sbom.read_bytes())).exists()  # the second one needs it
        assert not blob_path(layout, first).exists()
        succeed(pyskopeo_here("layout", "verify", f"oci:{layout}"))
        succeed(run("detach", name, second))
        assert not {first, second, digest_of(sbom.read_bytes())} & {f"sha256:{digits}" for digits in _blobs(layout)}
        succeed(pyskopeo_here("layout", "gc", f"oci:{layout}"))  # the list of both is one that nothing needs
        assert _blobs(layout) == before
        assert json.loads((layout / "index.json").read_bytes())["manifests"] == json.loads(index)["manifests"]

    def test_blobs_that_layouts_share_stay(self, sbom: Path, tmp_path: Path) -> None:
        shared, layout = tmp_path / "shared", tmp_path / "layout"
        source = f"oci:{write_layout(IMAGE, tmp_path / 'source')}:latest"
        succeed(pyskopeo_here("copy", source, f"oci:{layout}:latest", "--dest-shared-blob-dir", shared))
        words = (f"oci:{layout}:latest", "--shared-blob-dir", shared)
        digest = attach(*words, sbom, "--type", SBOM)
        assert (shared / "sha256" / digest[7:]).exists()
        succeed(run("download", *words, digest, "--output", tmp_path / "out"))
        succeed(run("detach", *words, digest))
        assert referrers(*words) == []
        assert (shared / "sha256" / digest[7:]).exists()

    def test_one_that_another_index_needs_stays(self, tmp_path: Path) -> None:
        bom = referring(IMAGE)
        layout = write_layout(IMAGE, tmp_path / "layout")
        write_layout(bom, layout, tag=None)
        raw = index_of(described(bom))
        index = BuiltImage(made := BuiltManifest(digest_of(raw), INDEX, raw), {made.digest: made}, {}, {})
        write_layout(index, layout, tag="release")
        before = (layout / "index.json").read_bytes(), _blobs(layout)
        assert "it stays" in fatal(run("detach", f"oci:{layout}:latest", bom.digest))
        assert ((layout / "index.json").read_bytes(), _blobs(layout)) == before

    def test_a_manifest_that_cannot_be_read_keeps_everything(self, sbom: Path, tmp_path: Path) -> None:
        layout = write_layout(IMAGE, tmp_path / "layout")
        digest = attach(f"oci:{layout}:latest", sbom, "--type", SBOM)
        other = build(ImageSpec(layers=(LayerSpec("other"),)))
        write_layout(other, layout, tag="other")
        blob_path(layout, other.digest).write_bytes(b"{")
        before = (layout / "index.json").read_bytes(), _blobs(layout)
        fatal(run("detach", f"oci:{layout}:latest", digest))
        assert ((layout / "index.json").read_bytes(), _blobs(layout)) == before

    def test_a_part_of_the_list_cannot_be(self) -> None:
        with Simulator(MULTI) as registry:
            (found, *_) = referrers(registry.name(), "--platform", "linux/amd64")
            said = fatal(run("detach", registry.name(), found["digest"]))
        assert "is an entry of the list of images itself" in said

    def test_what_is_refused(self, tmp_path: Path) -> None:
        name = f"oci:{write_layout(IMAGE, tmp_path / 'layout')}:latest"
        assert "want the digest of what to detach, or its --type" in fatal(run("detach", name))
        assert "DIGEST" in fatal(run("detach", name, "sha256:x"))
        assert "does not refer to" in run("detach", name, IMAGE.digest).stderr
        assert "registries and layouts" in fatal(run("detach", "dir:x", IMAGE.digest))


def _blobs(layout: Path) -> set[str]:
    return {path.name for path in (layout / "blobs" / "sha256").iterdir()}


@pytest.mark.anyio
async def test_as_a_library(sbom: Path, tmp_path: Path) -> None:
    access = access_for(tmp_path)
    name = f"oci:{write_layout(IMAGE, tmp_path / 'layout')}:latest"
    manifest = await pyskopeo.attach(name, [sbom], artifact_type=SBOM, annotations={"a": "b"}, access=access)
    assert manifest.subject is not None
    assert str(manifest.subject.digest) == IMAGE.digest
    (file,) = await pyskopeo.download(name, tmp_path / "out", types=[SBOM], access=access)
    assert (file.path, file.referrer) == (tmp_path / "out" / "app.spdx.json", manifest.digest)
    (gone,) = await pyskopeo.detach(name, digests=[manifest.digest], access=access)
    assert (str(gone.subject), gone.referrer.descriptor.digest) == (IMAGE.digest, manifest.digest)
    with pytest.raises(pyskopeo.InvalidInput, match="is not valid Unicode"):
        await pyskopeo.attach(name, [sbom], artifact_type=SBOM, annotations={"a": "\ud800"}, access=access)
    with pytest.raises(pyskopeo.InvalidInput, match="want a file"):
        await pyskopeo.attach(name, [], artifact_type=SBOM, access=access)
    with pytest.raises(pyskopeo.InvalidInput, match="want the digests"):
        await pyskopeo.detach(name, access=access)
    assert referrers_tag(manifest.subject.digest) not in (tmp_path / "layout" / "index.json").read_text()
