"""Copies that encrypt and decrypt layers, between layouts, directories and registries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import fatal, pyskopeo_here, succeed
from tests.support.commands import pyskopeo
from tests.support.images import BuiltImage, ImageSpec, LayerSpec, build, digest_of
from tests.support.keys import private_pem, write_keys
from tests.support.outputs import write_dir, write_layout
from tests.support.pulling import check_layout
from tests.support.simulator import Simulator
from tests.support.trees import tree

pytestmark = pytest.mark.usefixtures("no_machine_policy")
PLAIN = ("--src-tls-verify=false", "--dest-tls-verify=false")
KEYS, OPTIONS = "org.opencontainers.image.enc.keys.jwe", "org.opencontainers.image.enc.pubopts"
IMAGE = ImageSpec(
    layers=(LayerSpec("gzip", base=True), LayerSpec("zstd", compression="zstd"), LayerSpec("plain", compression="none"))
)


@pytest.fixture
def image() -> BuiltImage:
    return build(IMAGE)


@pytest.fixture
def source(image: BuiltImage, tmp_path: Path) -> Path:
    return write_layout(image, tmp_path / "source")


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    return write_keys(tmp_path, "P-256")


def copied(*words: object) -> None:
    succeed(pyskopeo_here("copy", "-q", *PLAIN, *words))


def manifest(layout: Path) -> dict[str, Any]:
    index = json.loads((layout / "index.json").read_bytes())
    return read(layout, index["manifests"][0]["digest"])


def read(layout: Path, digest: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((layout / "blobs" / digest.replace(":", "/")).read_bytes())
    return found


def test_there_and_back(source: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    public, private = keys
    copied("--encryption-key", f"jwe:{public}", f"oci:{source}", f"oci:{tmp_path}/new:x")
    check_layout(tmp_path / "new")
    old, new = manifest(source), manifest(tmp_path / "new")
    assert new["config"] == old["config"]
    for before, after in zip(old["layers"], new["layers"], strict=True):
        assert after["mediaType"] == before["mediaType"] + "+encrypted"
        assert after["annotations"].keys() == {KEYS, OPTIONS}
        assert after["digest"] != before["digest"]
    copied("--decryption-key", private, f"oci:{tmp_path}/new", f"oci:{tmp_path}/back:latest")
    assert tree(tmp_path / "back/blobs") == tree(source / "blobs")
    # Without a key, encrypted layers are copied as they are, and verified as far as that is possible.
    copied(f"oci:{tmp_path}/new", f"oci:{tmp_path}/same:x")
    assert tree(tmp_path / "same/blobs") == tree(tmp_path / "new/blobs")
    succeed(pyskopeo_here("verify", "--deep", f"oci:{tmp_path}/new:x"))


def test_from_registry_to_registry(image: BuiltImage, keys: tuple[Path, Path], tmp_path: Path) -> None:
    public, private = keys
    with Simulator(image) as registry:
        copied("--encryption-key", f"jwe:{public}", registry.name(), registry.name("test/secret", "x"))
        written = registry.manifest("x", "test/secret")
        assert written is not None
        assert not set(image.layer_digests()) & set(registry.blobs("test/secret"))  # also not mounted
        assert [layer for layer in image.layer_digests() if layer.encode() in written.raw] == []
        copied("--decryption-key", private, registry.name("test/secret", "x"), registry.name("test/back", "y"))
        copied(registry.name("test/back", "y"), f"oci:{tmp_path}/back:latest")
        assert registry.open_uploads == ()
    assert tree(tmp_path / "back/blobs") == tree(write_layout(image, tmp_path / "wanted") / "blobs")


@pytest.mark.parametrize("flags", [["--dest-precompute-digests"], ["--dest-compress-format=zstd"], ["--dest-decompress"]])
def test_with_other_flags(source: Path, keys: tuple[Path, Path], tmp_path: Path, flags: list[str]) -> None:
    public, private = keys
    with Simulator() as registry:
        copied(*flags, "--encryption-key", f"jwe:{public}", f"oci:{source}", registry.name("test/secret", "x"))
        copied("--decryption-key", private, registry.name("test/secret", "x"), f"oci:{tmp_path}/back:latest")
    copied(*flags, f"oci:{source}", f"oci:{tmp_path}/wanted:latest")
    assert tree(tmp_path / "back/blobs") == tree(tmp_path / "wanted/blobs")


def test_docker_becomes_oci_and_one_layer_is_encrypted(keys: tuple[Path, Path], tmp_path: Path) -> None:
    public, private = keys
    source = write_dir(build("docker"), tmp_path / "docker")
    copied("--encryption-key", f"jwe:{public}", "--encrypt-layer=-1", f"dir:{source}", f"dir:{tmp_path}/new")
    layers = json.loads((tmp_path / "new/manifest.json").read_bytes())["layers"]
    assert [layer["mediaType"].endswith("+encrypted") for layer in layers] == [False] * (len(layers) - 1) + [True]
    copied("--decryption-key", private, f"dir:{tmp_path}/new", f"dir:{tmp_path}/back")
    copied("--format=oci", f"dir:{source}", f"dir:{tmp_path}/wanted")
    assert tree(tmp_path / "back") == tree(tmp_path / "wanted")


def test_all_platforms(keys: tuple[Path, Path], tmp_path: Path) -> None:
    public, private = keys
    source = write_layout(build("oci-index"), tmp_path / "source")
    copied("--all", "--encryption-key", f"jwe:{public}", f"oci:{source}", f"oci:{tmp_path}/new:x")
    assert not set(build("oci-index").tars) & {digest_of(b.read_bytes()) for b in (tmp_path / "new/blobs/sha256").iterdir()}
    copied("--all", "--decryption-key", private, f"oci:{tmp_path}/new", f"oci:{tmp_path}/back:latest")
    assert tree(tmp_path / "back/blobs") == tree(source / "blobs")


def test_a_second_copy_is_another_one(source: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    for name in "ab":
        copied("--encryption-key", f"jwe:{keys[0]}", f"oci:{source}", f"oci:{tmp_path}/{name}:x")
    digests = [{layer["digest"] for layer in manifest(tmp_path / name)["layers"]} for name in "ab"]
    assert not digests[0] & digests[1]


def test_a_dry_run(source: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    words = ("copy", "--dry-run", "--encryption-key", f"jwe:{keys[0]}", f"oci:{source}")
    succeed(pyskopeo_here(*words, f"oci:{tmp_path}/new:x"))
    assert not (tmp_path / "new").exists()


class TestWhatIsRefused:
    @pytest.fixture
    def layout(self, source: Path, keys: tuple[Path, Path], tmp_path: Path) -> Path:
        copied("--encryption-key", f"jwe:{keys[0]}", f"oci:{source}", f"oci:{tmp_path}/secret:x")
        return tmp_path / "secret"

    def refused(self, layout: Path, key: object, folder: Path) -> str:
        said = fatal(pyskopeo_here("copy", "-q", "--decryption-key", key, f"oci:{layout}", f"oci:{folder}/out:x"))
        assert "\n" not in said
        assert not (folder / "out/index.json").exists() or b'manifests":[]' in (folder / "out/index.json").read_bytes()
        blobs = list((folder / "out").glob("blobs/*/*"))
        config = manifest(layout)["config"]["digest"].partition(":")[2]
        assert [path.name for path in blobs if path.name != config] == []
        return said

    def rewrite(self, layout: Path, change: Any) -> None:
        """Change the manifest, and the digests that lead to it."""
        index = json.loads((layout / "index.json").read_bytes())
        document = manifest(layout)
        change(document)
        raw = json.dumps(document).encode()
        (layout / "blobs" / digest_of(raw).replace(":", "/")).write_bytes(raw)
        index["manifests"][0] |= {"digest": digest_of(raw), "size": len(raw)}
        (layout / "index.json").write_text(json.dumps(index))

    def test_another_key(self, layout: Path, tmp_path: Path) -> None:
        _, other = write_keys(tmp_path, "P-256", 1)
        assert "none of the private keys could be used for decryption" in self.refused(layout, other, tmp_path)

    def test_a_changed_ciphertext(self, layout: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
        def change(document: Any) -> None:
            for layer in document["layers"]:
                content = bytearray((layout / "blobs" / layer["digest"].replace(":", "/")).read_bytes())
                content[len(content) // 2] ^= 1
                layer["digest"] = digest_of(bytes(content))
                (layout / "blobs" / layer["digest"].replace(":", "/")).write_bytes(content)

        self.rewrite(layout, change)
        assert "could not properly decrypt byte stream" in self.refused(layout, keys[1], tmp_path)

    def test_annotations_of_another_layer(self, layout: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
        def change(document: Any) -> None:
            first, second, third = (layer["annotations"] for layer in document["layers"])
            for layer, others in zip(document["layers"], (second, third, first), strict=True):
                layer["annotations"] = others

        self.rewrite(layout, change)
        assert "could not properly decrypt byte stream" in self.refused(layout, keys[1], tmp_path)

    @pytest.mark.parametrize("name", [KEYS, OPTIONS])
    def test_a_missing_annotation(self, name: str, layout: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
        def change(document: Any) -> None:
            for layer in document["layers"]:
                del layer["annotations"][name]

        self.rewrite(layout, change)
        assert f"the annotation {name} is missing" in self.refused(layout, keys[1], tmp_path)

    def test_a_layer_with_another_diff_id(self, layout: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
        """Whoever has the public key can encrypt what they like, but not what the configuration names."""

        def change(document: Any) -> None:
            document["layers"].append(document["layers"].pop(0))

        self.rewrite(layout, change)
        assert "the image configuration says" in self.refused(layout, keys[1], tmp_path)

    @pytest.mark.parametrize("place", ["docker-archive:{}/new.tar:a:b", "oci-archive:{}/new.tar:x"])
    def test_archives(self, place: str, layout: Path, source: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
        name = place.format(tmp_path)
        words = ("copy", "-q", "--encryption-key", f"jwe:{keys[0]}", f"oci:{source}", name)
        if place.startswith("oci"):
            succeed(pyskopeo_here(*words))
            return
        assert "so it cannot hold encrypted ones" in fatal(pyskopeo_here(*words))
        said = fatal(pyskopeo_here("copy", "-q", "--decryption-key", keys[1], f"oci:{layout}", name))
        assert said.endswith("decrypt it into a registry, oci: or dir: first")

    def test_no_passphrase_is_shown(self, layout: Path, tmp_path: Path) -> None:
        (tmp_path / "locked.pem").write_bytes(private_pem("P-256", passphrase="opensesame"))
        words = ("--debug", "copy", "--decryption-key", f"{tmp_path}/locked.pem:opensesame", f"oci:{layout}")
        done = succeed(pyskopeo(*words, f"oci:{tmp_path}/out:x"))
        assert "opensesame" not in done.stderr + done.stdout.decode()
