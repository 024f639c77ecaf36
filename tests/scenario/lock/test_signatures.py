"""Signatures that a policy wants of images in lock files: when they are locked, and again when they are fetched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.scenario.lock.locks import APP, lock, prefetch
from tests.support.cli import fatal, succeed
from tests.support.sigstore_authority import public_pem
from tests.support.sigstore_cases import KEY
from tests.support.sigstore_signatures import Signed, payload_for
from tests.support.simulator import Simulator

pytestmark = pytest.mark.usefixtures("no_machine_policy", "clean_environment")


def test_they_are_verified(tmp_path: Path) -> None:
    with Simulator(APP, "team/app", "1.0") as registry:
        (tmp_path / "images.yaml").write_text(f"{registry.host}:\n  tls-verify: false\n  images:\n    team/app: ['1.0']\n")
        (tmp_path / "d").mkdir()
        (tmp_path / "d/x.yaml").write_text(f"default-docker: {{lookaside: 'file://{tmp_path}/look'}}\n")
        (tmp_path / "key.pub").write_bytes(public_pem(KEY))
        requirement = {"type": "sigstoreSigned", "keyPath": f"{tmp_path}/key.pub"}
        (tmp_path / "p.json").write_text(json.dumps({"default": [requirement]}))
        flags = (f"--policy={tmp_path}/p.json", f"--registries.d={tmp_path}/d")
        refusal = "A signature was required, but no signature exists"
        assert refusal in fatal(lock(tmp_path, *flags))
        assert not (tmp_path / "images.lock").exists()
        path = tmp_path / f"look/team/app@sha256={APP.digest[7:]}/signature-1"
        path.parent.mkdir(parents=True)
        path.write_bytes(Signed.by(KEY, payload_for(APP.digest, f"{registry.host}/team/app:1.0")).signature.to_bytes())
        succeed(lock(tmp_path, *flags))
        succeed(prefetch(tmp_path, *flags, f"--dest=oci:{tmp_path}/layout"))
        path.unlink()
        assert refusal in fatal(prefetch(tmp_path, *flags, f"--dest=oci:{tmp_path}/other"))
