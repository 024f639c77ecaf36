"""Nix: a fixed-output derivation that we build has the hash, and the path, that skopeo's has."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli import succeed
from tests.support.commands import ROOT, pyskopeo, skopeo
from tests.support.images import build
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
  args = [ "-c" ''export HOME=$TMPDIR; {setting} exec {program} {flags} copy --src-tls-verify=false "{source}" \
"docker-archive://$out:{name}:latest"'' ];
  outputHashMode = "flat";
  outputHashAlgo = "sha256";
  outputHash = "{digest}";
}}
"""


class Nix:
    """A store of this test's own, for one user, that reaches for nothing outside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # A sticky or shared folder above would do no harm, a link would: nix wants real paths.
        root = folder.resolve()
        self._environ = os.environ | {
            "NIX_STORE_DIR": f"{root}/store",
            "NIX_STATE_DIR": f"{root}/var/nix",
            "NIX_LOG_DIR": f"{root}/var/log",
            "NIX_CONF_DIR": f"{root}/etc",
        }
        (root / "etc").mkdir(parents=True)
        (root / "etc" / "nix.conf").write_text("build-users-group =\nsandbox = false\nsubstitute = false\n")

    def build(self, text: str, *more: str) -> subprocess.CompletedProcess[str]:
        path = self.folder / "image.nix"
        path.write_text(text)
        command = [require_peer("nix-build"), "--no-out-link", *more, str(path)]
        return subprocess.run(
            command, env=self._environ, capture_output=True, text=True, errors="replace", timeout=60, check=False
        )


@pytest.fixture
def source(registry: Registry) -> str:
    image = build("docker-list")
    registry.push(image, "nix/multi")
    return f"docker://{registry.host}/nix/multi@{image.digest}"


def derivation(program: str, source: str, digest: str) -> str:
    setting, words = "", require_peer("skopeo")
    if program == "pyskopeo":
        setting = f"export PYTHONPATH={os.pathsep.join([str(ROOT), *filter(None, sys.path)])};"
        words = f"{sys.executable} -m pyskopeo"
    return DERIVATION.format(setting=setting, program=words, flags=FLAGS, source=source, name=NAME, digest=digest)


def test_the_same_path_whoever_builds_it(source: str, tmp_path: Path) -> None:
    target = f"docker-archive:{tmp_path}/image.tar:{NAME}:latest"
    succeed(
        skopeo("--override-os", "linux", "--override-arch", "arm64", "copy", "--src-tls-verify=false", source, target)
    )
    archive = (tmp_path / "image.tar").read_bytes()
    digest = hashlib.sha256(archive).hexdigest()
    paths = []
    for program in ("skopeo", "pyskopeo"):
        nix = Nix(tmp_path / "nix")  # at the same place: it is part of the path's hash
        done = nix.build(derivation(program, source, digest))
        assert done.returncode == 0, done.stderr
        path = Path(done.stdout.strip())
        assert path.read_bytes() == archive
        paths.append(path.name)
        # Built again, with the result compared.
        checked = nix.build(derivation(program, source, digest), "--check")
        assert checked.returncode == 0, checked.stderr
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


def test_a_layout_as_a_folder_has_one_hash(source: str, tmp_path: Path) -> None:
    """Recursive hashes see names, contents and executable bits: the same from a second pull, elsewhere."""

    require_peer("nix-hash")
    hashes = []
    for name in ("one", "two"):
        layout = tmp_path / name
        succeed(pyskopeo("copy", "--all", "--src-tls-verify=false", source, f"oci:{layout}:x"))
        command = [require_peer("nix-hash"), "--type", "sha256", "--base32", str(layout)]
        hashes.append(subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout)
    assert hashes[0] == hashes[1]
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
