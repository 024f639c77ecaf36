"""Layers that are not what the configuration says, or far more than they seem, once they are decompressed."""

from __future__ import annotations

import gzip
import json
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from tests.support.cli import fatal, pyskopeo_here, succeed
from tests.support.images import BuiltImage, BuiltManifest, ImageSpec, LayerSpec, build, digest_of
from tests.support.outputs import write_layout
from tests.support.simulator import Simulator
from tests.support.zstd import zstd

pytestmark = pytest.mark.usefixtures("no_machine_policy")
MIB = 1024 * 1024
OCI = "application/vnd.oci.image"
SOURCE, DEST = "--src-tls-verify=false", "--dest-tls-verify=false"


def tar_of(content: bytes) -> bytes:
    out = BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("file")
        info.size = len(content)
        archive.addfile(info, BytesIO(content))
    return out.getvalue()


def image_of(*tars: bytes, said: list[str] | None = None, plain: bool = False) -> BuiltImage:
    """An image with these layers, for which the configuration says the diff IDs ``said``."""
    layers = [tar if plain else gzip.compress(tar, mtime=0) for tar in tars]
    diff_ids = [digest_of(tar) for tar in tars] if said is None else said
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}})
    kind = f"{OCI}.layer.v1.tar" + ("" if plain else "+gzip")
    document = {
        "schemaVersion": 2, "mediaType": f"{OCI}.manifest.v1+json",
        "config": {"mediaType": f"{OCI}.config.v1+json", "digest": digest_of(config.encode()), "size": len(config)},
        "layers": [{"mediaType": kind, "digest": digest_of(layer), "size": len(layer)} for layer in layers],
    }  # fmt: skip
    raw = json.dumps(document).encode()
    root = BuiltManifest(digest_of(raw), f"{OCI}.manifest.v1+json", raw)
    blobs = {digest_of(content): content for content in (config.encode(), *layers)}
    return BuiltImage(root, {root.digest: root}, blobs, {})


SAID, SENT = tar_of(b"said"), tar_of(b"sent")
LIES = image_of(SENT, said=[digest_of(SAID)])
# Wherever a layer's plain bytes pass through our hands.
INFLATED = {
    "zstd": ("oci:{}/out:t", "--dest-compress", "--dest-compress-format=zstd"),
    "zstd, in a dir": ("dir:{}/out", "--dest-compress", "--dest-compress-format=zstd"),
    "plain": ("oci:{}/out:t", "--dest-decompress"),
    "plain, in a dir": ("dir:{}/out", "--dest-decompress"),
    "plain, for docker": ("dir:{}/out", "--dest-decompress", "--format=v2s2"),
    "archive": ("docker-archive:{}/out.tar:a:b",),
}


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("how", INFLATED)
def test_a_layer_with_another_diff_id(how: str, algorithm: str, tmp_path: Path) -> None:
    """CVE-2014-8179 is of this kind: what is run is what the configuration names."""
    name, *flags = INFLATED[how]
    said, sent = digest_of(SAID, algorithm), digest_of(SENT, algorithm)
    lying = image_of(SENT, said=[said])
    with Simulator(lying) as registry:
        message = fatal(
            pyskopeo_here("copy", SOURCE, "--retry-times=0", *flags, registry.name(), name.format(tmp_path))
        )
    assert f"layer decompresses to {sent}, the image configuration says {said}" in message
    assert not list(tmp_path.glob("out/index.json"))
    assert not (tmp_path / "out.tar").exists()
    assert not (tmp_path / "out" / "manifest.json").exists()
    # The truth is taken.
    with Simulator(image_of(SENT, said=[sent])) as registry:
        succeed(pyskopeo_here("copy", SOURCE, *flags, registry.name(), name.format(tmp_path)))


def test_a_layer_with_another_diff_id_is_not_pushed(tmp_path: Path) -> None:
    with Simulator(LIES) as registry, Simulator() as target:
        flags = ("--dest-compress-format=zstd", "--retry-times=0")
        said = fatal(pyskopeo_here("copy", SOURCE, DEST, *flags, registry.name(), target.name()))
        assert "the image configuration says" in said
        assert target.manifest() is None
        assert target.open_uploads == ()


@pytest.mark.parametrize("flags", [(), ("--format=v2s2",), ("--dest-compress-format=gzip",)])
def test_what_is_not_decompressed_is_copied_as_it_is(flags: tuple[str, ...], tmp_path: Path) -> None:
    with Simulator(LIES) as registry:
        succeed(pyskopeo_here("copy", SOURCE, *flags, registry.name(), f"dir:{tmp_path}/out"))


@pytest.mark.parametrize("number", [0, 1, 3])
@pytest.mark.parametrize("how", ["zstd", "plain, in a dir"])
def test_another_number_of_diff_ids(how: str, number: int, tmp_path: Path) -> None:
    """Found before a layer is fetched. Without any, as in artifacts, nothing is said of the layers."""
    name, *flags = INFLATED[how]
    image = image_of(SAID, SENT, said=[digest_of(SAID)] * number)
    with Simulator(image) as registry:
        done = pyskopeo_here("copy", SOURCE, *flags, registry.name(), name.format(tmp_path))
        if number == 0:
            succeed(done)
            return
        assert f"has 2 layers, its configuration names {number}" in fatal(done)
        layers = [digest for digest in image.blobs if digest != image.config_digest()]
        assert not any(digest in line for line in registry.log for digest in layers)


def test_a_configuration_that_is_read_before_is_not_fetched_twice(tmp_path: Path) -> None:
    image = image_of(SAID)
    with Simulator(image) as registry:
        flags = INFLATED["zstd"][1:]
        succeed(pyskopeo_here("copy", SOURCE, *flags, registry.name(), f"oci:{tmp_path}/out"))
        assert sum(image.config_digest() in line for line in registry.log) == 1


BOMB = image_of(tar_of(bytes(3 * MIB)), tar_of(bytes(4 * MIB)))


@pytest.mark.parametrize("limit", ["6.5M", "6710886", "0.005g", "0.006GiB"])
@pytest.mark.parametrize("how", INFLATED)
def test_more_than_all_layers_may_have_in_total(how: str, limit: str, tmp_path: Path) -> None:
    """Decompression bombs whose diff IDs are right."""
    name, *flags = INFLATED[how]
    with Simulator(BOMB) as registry:
        words = ("copy", SOURCE, "--retry-times=0", *flags, registry.name(), name.format(tmp_path))
        said = fatal(pyskopeo_here(*words, f"--max-inflated={limit}"))
        assert "the layers decompress to more than" in said
        assert "--max-inflated" in said
        assert not (tmp_path / "out.tar").exists()
        assert not list(tmp_path.glob("out/index.json"))
        succeed(pyskopeo_here(*words, "--max-inflated=7.1M"))


@pytest.mark.parametrize("how", [None, *INFLATED])
def test_the_limit_is_told_in_the_plan(how: str | None, tmp_path: Path) -> None:
    name, *flags = INFLATED[how] if how else ("oci:{}/out",)
    with Simulator(BOMB) as registry:
        words = ("copy", SOURCE, "--dry-run", *flags, registry.name(), name.format(tmp_path))
        told = succeed(pyskopeo_here(*words)).stdout.decode()
        assert ("decompressed on the way, to at most 16.00 GiB in total (--max-inflated)" in told) is (how is not None)
        told = succeed(pyskopeo_here(*words, "--max-inflated=1G")).stdout.decode()
        assert ("to at most 1.00 GiB" in told) is (how is not None)


@pytest.mark.parametrize("wrong", ["", "x", "-1", "1X", "1e9", "1 G", "1024P"])
def test_limits_that_are_none(wrong: str, tmp_path: Path) -> None:
    said = fatal(pyskopeo_here("copy", f"--max-inflated={wrong}", f"oci:{tmp_path}", f"dir:{tmp_path}/out"))
    assert "want a number of bytes such as 500M or 20G" in said


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_an_archive_with_compressed_layers(compression: str, tmp_path: Path) -> None:
    """As other tools than `docker save` write them."""
    tars = [tar_of(bytes(3 * MIB)), tar_of(bytes(4 * MIB))]
    config = json.dumps({"rootfs": {"type": "layers", "diff_ids": [digest_of(tar) for tar in tars]}}).encode()
    packed = [gzip.compress(tar) if compression == "gzip" else zstd.compress(tar) for tar in tars]
    listed = json.dumps([{"Config": "c.json", "RepoTags": None, "Layers": ["0", "1"]}]).encode()
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, content in (("0", packed[0]), ("1", packed[1]), ("c.json", config), ("manifest.json", listed)):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, BytesIO(content))
    words = ("copy", f"docker-archive:{tmp_path}/a.tar", f"dir:{tmp_path}/out")
    assert "more than 6291456 bytes in total" in fatal(pyskopeo_here(*words, "--max-inflated=6M"))
    assert not (tmp_path / "out").exists()
    succeed(pyskopeo_here(*words, "--max-inflated=8M"))


@pytest.mark.parametrize("kind", ["gz", "xz", "bz2"])
def test_an_archive_that_is_compressed_as_a_whole(kind: str, tmp_path: Path) -> None:
    plain = f"oci-archive:{tmp_path}/plain.tar"
    source = write_layout(build(ImageSpec(layers=(LayerSpec("x", size=100),))), tmp_path / "source")
    succeed(pyskopeo_here("copy", f"oci:{source}", f"{plain}:t"))
    with tarfile.open(tmp_path / "packed", f"w:{kind}") as archive:  # type: ignore[call-overload]
        archive.add(source, ".")
        info = tarfile.TarInfo("filler")
        info.size = 5 * MIB
        archive.addfile(info, BytesIO(bytes(5 * MIB)))
    words = ("copy", f"oci-archive:{tmp_path}/packed", f"dir:{tmp_path}/out")
    assert "the archive is larger than 5242880 bytes when it is decompressed" in fatal(
        pyskopeo_here(*words, "--max-inflated=5M")
    )
    succeed(pyskopeo_here(*words, "--max-inflated=6M"))


def test_files_of_a_tarball(tmp_path: Path) -> None:
    for n in range(2):
        (tmp_path / f"{n}.tgz").write_bytes(gzip.compress(tar_of(bytes(2 * MIB))))
    words = ("copy", f"tarball:{tmp_path}/0.tgz:{tmp_path}/1.tgz", f"dir:{tmp_path}/out")
    assert "more than 3145728 bytes in total" in fatal(pyskopeo_here(*words, "--max-inflated=3M"))
    succeed(pyskopeo_here(*words, "--max-inflated=5M"))
