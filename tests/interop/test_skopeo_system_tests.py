"""Skopeo's own system test of signatures (``systemtest/050-signing.bats``), with our program in skopeo's place.

``PYSKOPEO_SKOPEO_TESTS`` names a checkout of skopeo; the program bats runs the file. Its registry is a container there and
a program here; its image, which is from a registry on the internet, is one in files. `test_signed_copies` has the same
cases for every run of the tests, for both programs.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.images import build
from tests.support.outputs import write_dir
from tests.support.require import require_peer, unavailable

CHECKOUT = os.environ.get("PYSKOPEO_SKOPEO_TESTS", "")
pytestmark = [
    pytest.mark.skipif(not CHECKOUT, reason="needs a checkout of skopeo, named by PYSKOPEO_SKOPEO_TESTS"),
    pytest.mark.peer("bats", "gpg", "docker-registry"),
]
_IMAGE, _PORT = "docker://quay.io/libpod/busybox:latest", 5000
# In the place of what runs a container: nothing else of the file calls podman but its end.
_REGISTRY = f"""
start_registry() {{
    cat > $TESTDIR/registry.yml <<END
version: 0.1
storage: {{filesystem: {{rootdirectory: $TESTDIR/registry}}}}
http: {{addr: "127.0.0.1:{_PORT}"}}
END
    docker-registry serve $TESTDIR/registry.yml >$TESTDIR/registry.log 2>&1 3>&- &
    REGISTRY_PID=$!
    for attempt in $(seq 50); do
        (echo > /dev/tcp/127.0.0.1/{_PORT}) 2>/dev/null && return 0
        sleep 0.2
    done
    return 1
}}
podman() {{ kill $REGISTRY_PID; }}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The test and its helpers, for this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", _PORT))
        except OSError:
            unavailable(f"needs port {_PORT}, which another program uses")
    image = write_dir(build("docker"), tmp_path / "image")
    source = Path(CHECKOUT, "systemtest")
    test = (source / "050-signing.bats").read_text()
    assert _IMAGE in test
    (tmp_path / "050-signing.bats").write_text(test.replace(_IMAGE, f"dir:{image}"))
    (tmp_path / "helpers.bash").write_text((source / "helpers.bash").read_text() + _REGISTRY)
    return tmp_path


@pytest.mark.parametrize("name", ["pyskopeo", "skopeo"])
def test_signing(name: str, folder: Path) -> None:
    """It passes by either name."""
    (folder / name).symlink_to(Path(sys.executable).parent / "pyskopeo")
    (folder / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    environ = os.environ | {
        "SKOPEO_BINARY": str(folder / name), "CONTAINERS_POLICY_JSON": str(folder / "policy.json"),
        "BATS_TMPDIR": str(folder),
    }  # fmt: skip
    command = [require_peer("bats"), "--tap", str(folder / "050-signing.bats")]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line[:2] for line in done.stdout.splitlines()] == ["1.", "ok", "ok", "ok"], done.stdout
    assert "# skip" not in done.stdout
