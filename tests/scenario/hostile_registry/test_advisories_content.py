"""Known vulnerabilities of other tools that are about content: manifests, indexes, archives. Named by their ids."""

from __future__ import annotations

import json
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from pyskopeo.engine.schema1_signature import sign
from pyskopeo.model.manifest import Manifest
from pyskopeo.model.mediatype import SCHEMA1_SIGNED
from pyskopeo.model.schema1 import from_docker
from tests.support.caches import INDEX, entry_of
from tests.support.cli import fatal, pyskopeo_here, succeed
from tests.support.exchange import Response
from tests.support.images import BuiltImage, BuiltManifest, ImageSpec, IndexSpec, build, digest_of
from tests.support.outputs import blob_path, write_layout
from tests.support.simulator import Simulator

pytestmark = pytest.mark.usefixtures("no_machine_policy")
SOURCE, DEST = "--src-tls-verify=false", "--dest-tls-verify=false"
INSPECT = "--tls-verify=false"


def chain(length: int, bottom: BuiltImage) -> BuiltImage:
    """Indexes of which each names the next one, and the last one an image."""
    manifests = dict(bottom.manifests)
    below = bottom.root
    for _ in range(length):
        entry = entry_of(below.raw, below.media_type)
        raw = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).encode()
        below = BuiltManifest(digest_of(raw), INDEX, raw)
        manifests[below.digest] = below
    return BuiltImage(below, manifests, bottom.blobs, {})


DEEP = chain(10_000, build("oci"))


@pytest.mark.parametrize(
    "words",
    [("copy", SOURCE, "--all"), ("copy", SOURCE), ("copy", SOURCE, "--dry-run", "--all"), ("inspect", INSPECT),
     ("inspect", INSPECT, "--platforms")],
)  # fmt: skip
def test_ghsa_298f_872v_2rcx_indexes_10000_deep(words: tuple[str, ...], tmp_path: Path) -> None:
    with Simulator(DEEP) as registry:
        out = [f"oci:{tmp_path}/out"] if words[0] == "copy" else []
        assert "nested more than 8 deep" in fatal(pyskopeo_here(*words, registry.name(), *out))
        assert len(registry.log) < 20
    assert not (tmp_path / "out").exists()


def test_ghsa_298f_872v_2rcx_a_deep_destination(tmp_path: Path) -> None:
    """`sync` looks at what is there; a registry that is hostile must not keep it busy either."""
    with Simulator(DEEP, "team/app", "v1") as registry, Simulator(DEEP, "m/app", "v1") as target:
        words = ("--all", "--src", "docker", "--dest", "docker", SOURCE, DEST, f"{registry.host}/team/app")
        done = pyskopeo_here("sync", *words, f"{target.host}/m")
        assert done.code == 1
        assert "nested more than 8 deep" in done.stderr
        assert len(target.log) < 30


@pytest.mark.parametrize("words", [("copy", SOURCE, "--all"), ("copy", SOURCE), ("inspect", INSPECT, "--platforms")])
def test_ghsa_298f_872v_2rcx_two_indexes_that_name_each_other(words: tuple[str, ...], tmp_path: Path) -> None:
    """Digests forbid it; a registry that serves it all the same is found out at the first one."""
    other = "sha256:" + "0" * 64
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [{"mediaType": INDEX, "digest": other, "size": 9}]}
    raw = json.dumps(document).encode()
    first = BuiltManifest(digest_of(raw), INDEX, raw)
    second = json.dumps({**document, "manifests": [entry_of(raw, INDEX)]}).encode()
    with Simulator(BuiltImage(first, {first.digest: first}, {}, {})) as registry:
        registry.routes[f"/v2/test/image/manifests/{other}"] = Response(200, (("Content-Type", INDEX),), second)
        out = [f"oci:{tmp_path}/out"] if words[0] == "copy" else []
        assert "manifest digest mismatch" in fatal(pyskopeo_here(*words, registry.name(), *out))
        assert len(registry.log) < 10


def signed() -> bytes:
    image = build("docker-history")
    plain, _ = from_docker(Manifest.parse(image.root.raw), image.config(), "test/image", "latest")
    return sign(plain, "2026-01-02T03:04:05Z").raw


def test_cve_2014_8179_members_that_are_not_signed(tmp_path: Path) -> None:
    """The digest of a signed manifest does not cover them, so it must not have any."""
    image = build("docker-history")
    good = signed()
    digest = str(Manifest.parse(good, content_type=SCHEMA1_SIGNED).digest)
    other = b'"fsLayers":[{"blobSum":"' + image.layer_digests()[0].encode() + b'"}]'
    for raw in (good[:-1] + b"," + other + b"}", good.replace(b',"signatures"', b"," + other + b',"signatures"')):
        served = BuiltManifest(digest, SCHEMA1_SIGNED, raw)
        with Simulator(BuiltImage(served, {digest: served}, image.blobs, {})) as registry:
            name = f"docker://{registry.host}/test/image@{digest}"
            said = fatal(pyskopeo_here("copy", SOURCE, "--retry-times=0", name, f"dir:{tmp_path}/out"))
            assert any(reason in said for reason in ("duplicate name 'fsLayers'", "behind the signed part", "the bytes are"))
        assert not (tmp_path / "out").exists()


def test_cve_2014_8178_ids_are_not_trusted(tmp_path: Path) -> None:
    """A layer or a configuration is what its content's digest says, whatever it is called."""
    image = build("docker")
    tars = [image.tars[digest] for digest in image.layer_digests()]
    config = json.dumps({"rootfs": {"type": "layers", "diff_ids": [digest_of(tar) for tar in tars]}}).encode()
    wrong = digest_of(b"another")[7:]
    members = {f"{wrong}.json": config} | {f"{wrong[n:]}.tar": tar for n, tar in enumerate(tars)}
    listed = [{"Config": f"{wrong}.json", "Layers": [f"{wrong[n:]}.tar" for n in range(len(tars))]}]
    members["manifest.json"] = json.dumps(listed).encode()
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, BytesIO(content))
    succeed(pyskopeo_here("copy", f"docker-archive:{tmp_path}/a.tar", f"dir:{tmp_path}/out"))
    made = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    assert made["config"]["digest"] == digest_of(config)
    assert not (tmp_path / "out" / wrong).exists()


def test_cve_2014_8178_content_is_hashed_when_it_is_read(tmp_path: Path) -> None:
    image = build("oci")
    layout = write_layout(image, tmp_path / "source")
    victim = blob_path(layout, image.layer_digests()[0])
    victim.write_bytes(victim.read_bytes()[:-1] + b"x")
    with Simulator() as registry:
        said = fatal(pyskopeo_here("copy", DEST, "--retry-times=0", f"oci:{layout}", registry.name()))
        assert image.layer_digests()[0] in said
        assert registry.manifest() is None


def test_moby_20_10_20_a_tag_and_a_digest_that_disagree(tmp_path: Path) -> None:
    """The digest counts, for everything, and the disagreement is said."""
    wanted, other = build("oci"), build(ImageSpec(labels={"other": "image"}))
    with Simulator(other) as registry:
        registry.add(wanted, "test/image", None)
        name = f"docker://{registry.host}/test/image:latest@{wanted.digest}"
        done = succeed(pyskopeo_here("copy", SOURCE, name, f"dir:{tmp_path}/out"))
        assert f"latest is {other.digest} now; copying {wanted.digest}, as asked" in done.stderr
        assert (tmp_path / "out" / "manifest.json").read_bytes() == wanted.root.raw
        shown = json.loads(succeed(pyskopeo_here("inspect", INSPECT, name)).stdout)
        assert shown["Digest"] == wanted.digest
        said = fatal(pyskopeo_here("copy", DEST, f"dir:{tmp_path}/out", f"{registry.name()}@{other.digest}"))
        assert f"the image's digest is {wanted.digest}" in said


def test_moby_20_10_20_without_the_tag(tmp_path: Path) -> None:
    """A tag that is gone is said, too; the digest is there."""
    wanted = build(IndexSpec((ImageSpec(),)))
    with Simulator(wanted, tag="v1") as registry:
        name = f"docker://{registry.host}/test/image:gone@{wanted.digest}"
        done = succeed(pyskopeo_here("copy", SOURCE, "--all", name, f"dir:{tmp_path}/out"))
        assert "could not be compared with its digest" in done.stderr
