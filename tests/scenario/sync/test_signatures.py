"""Signatures of images that are synced, also of those that are at the destination already."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.scenario.sync.running import Asked, to_dir, to_docker
from tests.support.cli import Done, fatal, pyskopeo_here, succeed
from tests.support.images import build
from tests.support.outputs import write_dir
from tests.support.sigstore_authority import public_pem
from tests.support.sigstore_cases import KEY
from tests.support.sigstore_signatures import Signed, payload_for
from tests.support.simulator import Simulator

pytestmark = pytest.mark.usefixtures("no_machine_policy", "clean_environment")
IMAGE = build("oci")
SIMPLE = b"\x90an OpenPGP message"


def look(folder: Path, repository: str) -> Path:
    return folder / f"look/{repository}@sha256={IMAGE.digest[7:]}/signature-1"


def configured(folder: Path, **more: object) -> str:
    """The flag for a lookaside in local files."""
    (folder / "d").mkdir(exist_ok=True)
    settings = {"lookaside": f"file://{folder}/look", **more}
    (folder / "d/x.yaml").write_text(json.dumps({"default-docker": settings}))
    return f"--registries.d={folder}/d"


def sign(path: Path, content: bytes = SIMPLE) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(content)


def test_an_image_that_is_there_gets_its_new_signatures(tmp_path: Path) -> None:
    with Simulator(IMAGE, "team/app", "1") as registry, Simulator() as mirror:
        flag = configured(tmp_path)
        succeed(to_docker(registry, mirror, flag))
        asked = Asked(registry)
        succeed(to_docker(registry, mirror, flag))
        assert asked.kinds["GET manifests"] == 0  # without a signature nothing of the image is read
        sign(look(tmp_path, "team/app"))
        done = succeed(to_docker(registry, mirror, flag))
        assert look(tmp_path, "m/app").read_bytes() == SIMPLE
        assert asked.kinds["GET blobs"] == 0
        assert "Synced 1 images" in done.stderr
        (tmp_path / "look/m").rename(tmp_path / "elsewhere")
        succeed(to_docker(registry, mirror, flag, "--remove-signatures"))
        assert not (tmp_path / "look/m").exists()


def test_in_directories(tmp_path: Path) -> None:
    with Simulator(IMAGE, "team/app", "1") as registry:
        flag = configured(tmp_path)
        succeed(to_dir(registry, tmp_path / "out", flag))
        sign(look(tmp_path, "team/app"))
        succeed(to_dir(registry, tmp_path / "out", flag))
        assert (tmp_path / "out/app:1/signature-1").read_bytes() == SIMPLE


def test_from_directories(tmp_path: Path) -> None:
    with Simulator() as mirror:
        flag = configured(tmp_path)
        write_dir(IMAGE, tmp_path / "in/app:1")

        def sync() -> Done:
            words = ("--src", "dir", "--dest", "docker", "--dest-tls-verify=false", f"{tmp_path}/in", f"{mirror.host}/m")
            return succeed(pyskopeo_here("sync", flag, *words))

        sync()
        (tmp_path / "in/app:1/signature-1").write_bytes(SIMPLE)
        sync()
        assert look(tmp_path, "m/app").read_bytes() == SIMPLE


def test_what_a_policy_wants_is_verified_of_an_image_that_is_there(tmp_path: Path) -> None:
    with Simulator(IMAGE, "team/app", "1") as registry, Simulator() as mirror:
        flag = configured(tmp_path)
        succeed(to_docker(registry, mirror, flag))
        (tmp_path / "key.pub").write_bytes(public_pem(KEY))
        requirement = {"type": "sigstoreSigned", "keyPath": f"{tmp_path}/key.pub"}
        (tmp_path / "p.json").write_text(json.dumps({"default": [requirement]}))
        policy = f"--policy={tmp_path}/p.json"
        said = fatal(to_docker(registry, mirror, flag, policy))
        assert "A signature was required, but no signature exists" in said
        # Wherever it is, a signature is one.
        signature = Signed.by(KEY, payload_for(IMAGE.digest, f"{registry.host}/team/app:1")).signature.to_bytes()
        sign(look(tmp_path, "team/app"), signature)
        configured(tmp_path, **{"use-sigstore-attachments": True})
        succeed(to_docker(registry, mirror, flag, policy))
        assert mirror.manifest(f"sha256-{IMAGE.digest[7:]}.sig", "m/app") is not None
