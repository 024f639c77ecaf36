"""``integrations/nix`` in the Nix of Debian 12, without a sandbox, and in that of sid, with one; without nixpkgs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import pyskopeo_here, succeed
from tests.support.commands import ROOT
from tests.support.images import BuiltImage, build
from tests.support.nar import sri_of
from tests.support.nix import Nix
from tests.support.peers import Registry
from tests.support.sid_root import SidRoot

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
