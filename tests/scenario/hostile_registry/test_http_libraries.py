"""What HTTP libraries for Python got wrong: each test is named after a vulnerability of urllib3, requests or httpx."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from pyskopeo.errors import InvalidContent, RegistryError
from tests.support import faults as f
from tests.support.access import access_for
from tests.support.pulling import Pull
from tests.support.simulator import Simulator

from .images import IMAGE, LARGE

pytestmark = pytest.mark.anyio


def bomb() -> bytes:
    """64 MiB of zeros, compressed twice, in some hundred bytes."""
    content = bytes(1 << 26)
    for _ in range(2):
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        content = packer.compress(content) + packer.flush()
    return content


@pytest.mark.parametrize("codings", ["gzip", "gzip, gzip", ", ".join(["gzip"] * 2000), "br", "zstd, deflate"])
async def test_a_chain_of_codings_is_not_decoded(codings: str, registry: Simulator, tmp_path: Path) -> None:
    """CVE-2025-66418, CVE-2025-66471, CVE-2026-21441, CVE-2026-44432: a short answer became an endless one."""
    registry.on_manifest("*", f.Body(bomb()), f.SetHeaders({"Content-Encoding": codings}))
    with pytest.raises(InvalidContent, match="answered with Content-Encoding"):
        await Pull(registry, IMAGE, tmp_path / "layout").run()


async def test_an_error_is_not_decoded(registry: Simulator, tmp_path: Path) -> None:
    """CVE-2025-66471."""
    registry.on_manifest("*", f.Refuse(400, body=bomb(), headers=(("Content-Encoding", "gzip, gzip"),)))
    with pytest.raises(RegistryError, match="StatusCode: 400"):
        await Pull(registry, IMAGE, tmp_path / "layout").run()


@pytest.mark.parametrize("what", ["manifest", "blob"])
async def test_the_body_of_a_redirect_is_not_read(what: str, registry: Simulator, tmp_path: Path) -> None:
    """CVE-2026-21441: urllib3 decoded all of it before it followed."""
    faults = (f.Redirect("/storage/{name}"), f.SetHeaders({"Content-Encoding": "gzip"}), f.Endless())
    if what == "blob":
        registry.on_blob(LARGE, *faults)
    else:
        registry.on_manifest("latest", f.Redirect(f"/v2/test/image/manifests/{IMAGE.digest}"), *faults[1:])
    await Pull(registry, IMAGE, tmp_path / "layout").run()


async def test_no_netrc_and_no_cookies(
    registry: Simulator, tmp_path: Path, clean_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CVE-2024-47081, CVE-2018-20060, CVE-2023-43804, CVE-2024-37891: nothing is sent that was not asked for here."""
    netrc = clean_environment / ".netrc"
    netrc.write_text("machine 127.0.0.1 login user password secret\ndefault login user password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    registry.on("/v2/*", f.SetHeaders({"Set-Cookie": "secret=1; Path=/"}))
    registry.on_blob(LARGE, f.Redirect("/storage/{name}"))
    await Pull(registry, IMAGE, tmp_path / "layout", access_for(tmp_path)).run()
    assert len(registry.requests) > 3
    assert registry.secrets_seen == []
