"""Nix: what we pull for a fixed-output derivation has the hash, and the path, that skopeo's has."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pyskopeo.model.digest import Digest
from pyskopeo.model.nix_hash import to_nix_base32
from tests.support.cli import Done, pyskopeo_here, succeed
from tests.support.commands import ROOT, older_skopeo, pyskopeo, skopeo
from tests.support.images import build
from tests.support.nar import nar, sri_of
from tests.support.nix import Nix
from tests.support.peers import Registry
from tests.support.require import require_peer
from tests.support.trees import tree

pytestmark = [pytest.mark.peer("nix-build"), pytest.mark.peer("skopeo")]

NAME = "lib/multi"
# As nixpkgs' pullImage and nix-prefetch-docker call skopeo.
FLAGS = "--insecure-policy --tmpdir=$TMPDIR --override-os linux --override-arch arm64"
DERIVATION = """
derivation {{
  name = "docker-image-multi.tar";
  system = builtins.currentSystem;
  builder = "/bin/sh";
  args = [ "-c" ''{setting} {program} {flags} copy --src-tls-verify=false "{source}" \
"docker-archive://$out:{name}:latest" | {cat}'' ];
  outputHashMode = "flat";
  outputHashAlgo = "sha256";
  outputHash = "{digest}";
}}
"""


@pytest.fixture
def source(registry: Registry) -> str:
    image = build("docker-list")
    registry.push(image, "nix/multi")
    return f"docker://{registry.host}/nix/multi@{image.digest}"


def derivation(program: str, source: str, digest: str) -> str:
    setting = "export HOME=$TMPDIR;"
    if program == "pyskopeo":  # without a home
        setting = f"export PYTHONPATH={os.pathsep.join([str(ROOT), *filter(None, sys.path)])};"
        words = f"{sys.executable} -m pyskopeo"
    else:
        words = require_peer(program)
    return DERIVATION.format(
        setting=setting, program=words, flags=FLAGS, source=source, name=NAME, digest=digest, cat=require_peer("cat")
    )


@pytest.mark.parametrize("theirs", [skopeo, pytest.param(older_skopeo, marks=pytest.mark.peer("skopeo-1.9"))])
def test_pull_image_makes_the_same_path_with_any_program(
    theirs: Callable[..., Done], source: str, tmp_path: Path
) -> None:
    """The hash is computed by one version of skopeo, and used with all programs."""
    target = f"docker-archive:{tmp_path}/image.tar:{NAME}:latest"
    succeed(
        theirs("--override-os", "linux", "--override-arch", "arm64", "copy", "--src-tls-verify=false", source, target)
    )
    archive = (tmp_path / "image.tar").read_bytes()
    digest = hashlib.sha256(archive).hexdigest()
    paths = []
    for program in ("skopeo", "pyskopeo") if theirs is skopeo else ("skopeo-1.9", "pyskopeo"):
        nix = Nix(tmp_path / "nix")  # at the same place: it is part of the path's hash
        (path,) = nix.built(derivation(program, source, digest))
        assert path.read_bytes() == archive
        paths.append(path.name)
        # Built again, with the result compared.
        nix.built(derivation(program, source, digest), "--check")
        nix.folder.rename(tmp_path / f"nix-{program}")
    assert paths[0] == paths[1]


def test_a_wrong_hash_is_answered_with_the_right_one(source: str, tmp_path: Path) -> None:
    done = Nix(tmp_path / "nix").build(derivation("pyskopeo", source, "0" * 64))
    target = f"docker-archive:{tmp_path}/image.tar:{NAME}:latest"
    succeed(
        skopeo("--override-os", "linux", "--override-arch", "arm64", "copy", "--src-tls-verify=false", source, target)
    )
    right = base64.b64encode(hashlib.sha256((tmp_path / "image.tar").read_bytes()).digest()).decode()
    assert done.returncode != 0
    assert f"got:    sha256-{right}" in done.stderr


def test_the_log_of_a_build_has_no_bars(source: str, tmp_path: Path) -> None:
    """The builder's standard error is a terminal there; lines are all that a log can show."""
    done = Nix(tmp_path / "nix").build(derivation("pyskopeo", source, "0" * 64))
    assert "Copying blob sha256:" in done.stderr
    assert "\x1b[" not in done.stderr
    assert "\r" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if "Copying" in line]) <= 2 + 3


def test_a_layout_as_a_folder_has_one_hash(source: str, tmp_path: Path) -> None:
    """Recursive hashes see names, contents and executable bits: the same from a second pull, elsewhere."""
    require_peer("nix-hash")
    hashes = []
    for name in ("one", "two"):
        layout = tmp_path / name
        succeed(pyskopeo("copy", "--all", "--src-tls-verify=false", source, f"oci:{layout}:x"))
        command = [require_peer("nix-hash"), "--type", "sha256", "--base32", str(layout)]
        hashes.append(subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip())
    assert hashes[0] == hashes[1] == to_nix_base32(Digest.of(nar(tmp_path / "one")))
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def prefetched_by_hand(nix: Nix, name: str, arch: str, folder: Path) -> dict[str, str]:
    """What nix-prefetch-docker prints, by its steps: inspect, copy, nix-hash, nix-store."""
    flags = ("--tmpdir", folder, "--override-os", "linux", "--override-arch", arch)
    said = succeed(skopeo(*flags, "inspect", "--tls-verify=false", f"docker://{name}:latest")).stdout
    digest = json.loads(said)["Digest"]
    path = folder / f"docker-image-{name}-latest.tar".replace("/", "-").replace(":", "-")
    target = f"docker-archive://{path}:{name}:latest"
    succeed(skopeo(*flags, "copy", "--src-tls-verify=false", f"docker://{name}@{digest}", target))
    return {
        "digest": digest,
        "base32": nix.run("nix-hash", "--flat", "--type", "sha256", "--base32", str(path)).stdout.strip(),
        "sri": sri_of(path, flat=True),
        "path": nix.run("nix-store", "--add-fixed", "sha256", str(path)).stdout.strip(),
    }


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_prefetching_does_what_nix_prefetch_docker_does(
    arch: str, source: str, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"{registry.host}/nix/multi"
    nix = Nix(tmp_path / "nix")
    for variable, value in nix.environ.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("PATH", os.pathsep.join((os.environ["PATH"], str(Path(require_peer("nix-store")).parent))))
    flags = ("--tls-verify=false", "--arch", arch)
    done = succeed(pyskopeo_here("nix-prefetch", *flags, name))
    (added,) = [line.removeprefix("-> ImagePath: ") for line in done.lines if line.startswith("-> ImagePath: ")]
    assert Path(added).is_file()
    wanted = prefetched_by_hand(nix, name, arch, tmp_path)
    assert added == wanted["path"]
    assert done.stdout.decode() == (
        f'{{\n  imageName = "{name}";\n  imageDigest = "{wanted["digest"]}";\n  hash = "{wanted["sri"]}";\n'
        f'  finalImageName = "{name}";\n  finalImageTag = "latest";\n}}\n'
    )
    older = succeed(pyskopeo_here("nix-prefetch", *flags, "--hash-format=base32", "--json", "--quiet", name))
    assert json.loads(older.stdout)["sha256"] == wanted["base32"]
    shown = nix.run("nix-instantiate", "--eval", "--strict", "--json", "-E", done.stdout.decode())
    assert json.loads(shown.stdout)["imageDigest"] == wanted["digest"]
