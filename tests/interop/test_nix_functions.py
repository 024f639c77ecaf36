"""``integrations/nix`` in the Nix of Debian 12, without a sandbox, and in that of sid, with one; without nixpkgs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import pyskopeo_here, succeed
from tests.support.commands import ROOT
from tests.support.images import BuiltImage, ImageSpec, LayerSpec, build, digest_of
from tests.support.nar import sri_of
from tests.support.nix import Nix
from tests.support.peers import Registry
from tests.support.serving_thread import ServedRegistry
from tests.support.sid_root import SidRoot
from tests.support.simulator import Simulator

FUNCTIONS = ROOT / "integrations" / "nix" / "default.nix"
LIST = build("docker-list")
FORMATS = {
    "docker-archive": ("docker-archive:{}:{}:1.0", True),
    "oci-archive": ("oci-archive:{}:1.0", True),
    "oci": ("oci:{}:1.0", False),
}
OF_DEBIAN = pytest.param("debian", marks=pytest.mark.peer("nix-build"))
OF_SID = pytest.param("sid", marks=pytest.mark.peer("sid-nix-build"))


@pytest.fixture(params=[OF_DEBIAN, OF_SID])
def nix(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Nix]:
    if request.param == "debian":
        yield Nix(tmp_path / "nix")
        return
    with SidRoot({tmp_path: tmp_path}) as sid:
        yield Nix(tmp_path / "nix", sid)


@pytest.fixture
def functions(nix: Nix, single_file: Path) -> str:
    """An expression for the functions, with the single file in the store."""
    shutil.copy(FUNCTIONS, nix.folder / "functions.nix")
    shutil.copy(single_file, nix.folder / "pyskopeo.pyz")
    return f'import ./functions.nix {{ pyskopeo = ./pyskopeo.pyz; python = "{nix.python}"; }}'


@pytest.fixture
def pushed(registry: Registry) -> BuiltImage:
    registry.push(LIST, "nix/functions")
    return LIST


def pull(functions: str, registry: Registry, digest: str, hash: str, **more: str) -> str:
    arguments = {
        "imageName": f'"{registry.host}/nix/functions"', "imageDigest": f'"{digest}"', "hash": f'"{hash}"',
        "arch": '"arm64"', "finalImageTag": '"1.0"', "tlsVerify": "false", **more,
    }  # fmt: skip
    return f"({functions}).pullImage {{ {' '.join(f'{name} = {value};' for name, value in arguments.items())} }}"


def hash_of(format: str, registry: Registry, digest: str, folder: Path) -> str:
    """The hash of what `copy` makes."""
    destination, flat = FORMATS[format]
    path, name = folder / f"made-{format}", f"{registry.host}/nix/functions"
    source = f"docker://{name}@{digest}"
    flags = ("--override-os=linux", "--override-arch=arm64")
    succeed(pyskopeo_here(*flags, "copy", "--src-tls-verify=false", source, destination.format(path, name)))
    return sri_of(path, flat=flat)


@pytest.mark.parametrize("format", FORMATS)
def test_an_image_in_each_format(
    format: str, nix: Nix, functions: str, registry: Registry, pushed: BuiltImage, tmp_path: Path
) -> None:
    wanted = hash_of(format, registry, pushed.digest, tmp_path)
    expression = pull(functions, registry, pushed.digest, wanted, format=f'"{format}"')
    (path,) = nix.built(expression)
    assert sri_of(path, flat=FORMATS[format][1]) == wanted
    assert path.name.endswith("-docker-image-{}-nix-functions-1.0{}".format(
        registry.host.replace(":", "-"), "" if format == "oci" else ".tar"
    ))  # fmt: skip
    assert nix.built(expression, "--check") == [path]


@pytest.mark.parametrize("given", ["sha256-" + "A" * 43 + "=", ""])
def test_a_wrong_hash_and_none(
    given: str, nix: Nix, functions: str, registry: Registry, pushed: BuiltImage, tmp_path: Path
) -> None:
    done = nix.build(pull(functions, registry, pushed.digest, given))
    assert done.returncode != 0
    assert f"got:    {hash_of('docker-archive', registry, pushed.digest, tmp_path)}" in done.stderr


def test_a_hash_of_nix_prefetch(nix: Nix, functions: str, registry: Registry, pushed: BuiltImage) -> None:
    """What one prints the other takes, as in nixpkgs."""
    name = f"{registry.host}/nix/functions"
    flags = ("--tls-verify=false", "--no-add", "--quiet", "--hash-format=base32", "--arch=arm64")
    printed = succeed(pyskopeo_here("nix-prefetch", *flags, name)).stdout.decode()
    (path,) = nix.built(f'({functions}).pullImage ({printed} // {{ arch = "arm64"; tlsVerify = false; }})')
    assert path.read_bytes()


def test_all_platforms(nix: Nix, functions: str, registry: Registry, pushed: BuiltImage, tmp_path: Path) -> None:
    source = f"docker://{registry.host}/nix/functions@{pushed.digest}"
    succeed(pyskopeo_here("copy", "--all", "--src-tls-verify=false", source, f"oci:{tmp_path}/all:1.0"))
    wanted = sri_of(tmp_path / "all", flat=False)
    more = {"format": '"oci"', "allPlatforms": "true"}
    (path,) = nix.built(pull(functions, registry, pushed.digest, wanted, **more))
    succeed(pyskopeo_here("layout", "verify", f"oci:{path}"))


DOWNLOADERS = ("pyskopeo", "nix")
ONE = build(ImageSpec("oci", layers=(LayerSpec("base", base=True), LayerSpec("shared"))))
NESTED = build("nested-index")
YAML = """
{host}:
  tls-verify: false
  images:
    nix/one: [{{tag: "1", name: one}}]
    nix/list: [{{tag: "1", name: "two/some:x", platforms: [linux/amd64, linux/arm64]}}]
    nix/nested: ["1"]
"""


@pytest.fixture
def own_registry(tmp_path: Path) -> Iterator[ServedRegistry]:
    """The one of `pyskopeo serve`, which a test may stop."""
    with ServedRegistry(tmp_path / "registry") as running:
        for name, image in (("one", ONE), ("list", LIST), ("nested", NESTED)):
            running.push(image, f"nix/{name}", "1")
        yield running


def locked(functions: str, nix: Nix, registry: ServedRegistry, downloader: str) -> str:
    """An expression for the images of a lock file, which is written."""
    (nix.folder / "images.yaml").write_text(YAML.format(host=registry.host))
    succeed(pyskopeo_here("lock", nix.folder / "images.yaml", "-o", nix.folder / "images.lock"))
    arguments = f'lockFile = ./images.lock; tlsVerify = false; downloader = "{downloader}";'
    return f"({functions}).lockedImages {{ {arguments} }}"


@pytest.mark.parametrize("downloader", DOWNLOADERS)
def test_the_images_of_a_lock(
    downloader: str, nix: Nix, functions: str, own_registry: ServedRegistry, tmp_path: Path
) -> None:
    """One derivation for each blob, then the layouts, when there is no registry any more."""
    images = locked(functions, nix, own_registry, downloader)
    every = f"builtins.concatMap (image: image.blobs) (builtins.attrValues ({images}))"
    blobs = nix.built(every)
    lock = json.loads((nix.folder / "images.lock").read_text())
    assert {digest_of(path.read_bytes()) for path in blobs} == lock["blobs"].keys()
    assert {path.name.partition("-")[2] for path in blobs} == {name.replace(":", "-") for name in lock["blobs"]}
    wanted = {}
    for name in lock["images"]:
        layout = tmp_path / "wanted" / name.replace("/", "-").replace(":", "-")
        flags = ("--tls-verify=false", "--dest", f"oci:{layout}")
        succeed(pyskopeo_here("prefetch", *flags, nix.folder / "images.lock", name))
        wanted[name] = sri_of(layout, flat=False)
    own_registry.stop()
    images = f"builtins.attrValues ({images})"
    layouts = nix.built(images)
    assert {name: sri_of(path, flat=False) for name, path in zip(sorted(wanted), layouts, strict=True)} == wanted
    assert nix.built(images, "--check") == layouts


def test_an_image_stays_where_it_is_when_another_changes(nix: Nix, functions: str, own_registry: ServedRegistry) -> None:
    before = nix.built(f"({locked(functions, nix, own_registry, 'pyskopeo')}).one")
    content = (nix.folder / "images.lock").read_bytes()
    own_registry.push(ONE, "nix/list", "1")
    (nix.folder / "images.lock").unlink()
    images = locked(functions, nix, own_registry, "pyskopeo")
    assert (nix.folder / "images.lock").read_bytes() != content
    assert nix.built(f"({images}).one") == before


def test_a_locked_image_for_docker(nix: Nix, functions: str, own_registry: ServedRegistry, tmp_path: Path) -> None:
    images = locked(functions, nix, own_registry, "pyskopeo")
    call = f'dockerArchive {{ layout = ({images}).one; name = "a/b"; tag = "7"; }}'
    (path,) = nix.built(f"({functions}).{call}")
    source = f"docker://{own_registry.host}/nix/one:1"
    succeed(pyskopeo_here("copy", "--src-tls-verify=false", source, f"docker-archive:{tmp_path}/x.tar:a/b:7"))
    assert path.read_bytes() == (tmp_path / "x.tar").read_bytes()


@pytest.mark.parametrize("downloader", DOWNLOADERS)
def test_a_blob_that_is_another_one(downloader: str, nix: Nix, functions: str) -> None:
    """Whoever downloads it, nothing else than the blob gets its path."""
    digest = ONE.layer_digests()[0]
    with Simulator(ONE, "nix/one") as registry:
        registry.store.add_blob("nix/one", digest, b"something else")
        arguments = f'digest = "{digest}"; sources = [ "{registry.host}/nix/one" ]; tlsVerify = false;'
        blob = f'({functions}).fetchBlob {{ {arguments} downloader = "{downloader}"; }}'
        done = nix.build(blob)
    assert done.returncode != 0
    assert ("hash mismatch" if downloader == "nix" else "digest mismatch") in done.stderr
    (nix.folder / "path.nix").write_text(f"({blob}).outPath")
    path = json.loads(nix.run("nix-instantiate", "--eval", "--json", "path.nix").stdout)
    assert path.startswith(f"{nix.folder}/store/")
    assert nix.run("nix-store", "--check-validity", path).returncode != 0


def test_the_sandbox_hides_the_machine(nix: Nix) -> None:
    """As far as there is one: else the tests above would prove less than they say."""
    (nix.folder / "secret").write_text("x")
    script = f"test -e {nix.folder}/secret && echo seen > $out || echo hidden > $out"
    expression = (
        'derivation { name = "x"; system = builtins.currentSystem; builder = "/bin/sh"; '
        f'args = [ "-c" "{script}" ]; }}'
    )
    (path,) = nix.built(expression)
    assert path.read_text().strip() == ("hidden" if nix.sandboxed else "seen")
