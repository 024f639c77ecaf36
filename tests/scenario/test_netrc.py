"""A `.netrc`, which httpx and curl can read, is not a source of credentials."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import pyskopeo_here
from tests.support.images import build
from tests.support.simulator import BasicGate, Simulator


def test_no_netrc_is_read(clean_environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CVE-2024-47081: its passwords belong to other programs, and to hosts whatever the port."""
    netrc = clean_environment / ".netrc"
    netrc.write_text("machine 127.0.0.1 login user password pass\ndefault login user password pass\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with Simulator(build("oci"), gate=BasicGate({"user": "pass"})) as registry:
        done = pyskopeo_here("inspect", "--tls-verify=false", f"docker://{registry.host}/test/image")
        assert done.code == 1
        assert "401" in done.stderr
        assert registry.requests
        assert registry.secrets_seen == []
