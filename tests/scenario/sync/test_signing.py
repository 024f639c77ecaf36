"""A sync that signs: a key that cannot be used ends it before anything is copied, and it is asked for once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import fatal, pyskopeo_here, succeed
from tests.support.images import build
from tests.support.outputs import write_dir
from tests.support.sigstore_keys import write_sigstore_key
from tests.support.simulator import Simulator

pytestmark = pytest.mark.usefixtures("no_machine_policy")


def test_a_wrong_passphrase_ends_it(tmp_path: Path) -> None:
    for number in range(3):
        write_dir(build("oci"), tmp_path / f"images/app:{number}")
    keys = write_sigstore_key(tmp_path)
    keys.passphrase.write_text("wrong")
    with Simulator() as registry:
        done = pyskopeo_here(
            "sync", "--src=dir", "--dest=docker", "--keep-going", "--dest-tls-verify=false", tmp_path / "images", registry.host,
            f"--sign-by-sigstore-private-key={keys.private}", f"--sign-passphrase-file={keys.passphrase}",
        )  # fmt: skip
        assert "initializing private key: decrypt: encrypted: decryption failed" in fatal(done)
        assert not any(request.method in ("POST", "PUT") for request in registry.requests)


def test_a_dry_run_asks_for_no_passphrase(tmp_path: Path) -> None:
    write_dir(build("oci"), tmp_path / "images/app:1")
    keys = write_sigstore_key(tmp_path)
    words = ("--dry-run", f"--sign-by-sigstore-private-key={keys.private}")
    succeed(pyskopeo_here("sync", "--src=dir", "--dest=docker", *words, tmp_path / "images", "registry.example.com/a"))
    source = f"dir:{tmp_path}/images/app:1"
    succeed(pyskopeo_here("copy", *words, "--sign-identity=example.com/a:1", source, f"dir:{tmp_path}/new"))
    message = fatal(pyskopeo_here("copy", *words, source, f"oci:{tmp_path}/new:x"))
    assert message.startswith("writing signatures: Pushing signatures for OCI images is not supported")
