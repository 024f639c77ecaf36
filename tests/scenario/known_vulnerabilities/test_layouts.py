"""Faults that programs of this kind had with layouts; each test has the name of one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.cli import pyskopeo_here, succeed
from tests.support.images import build
from tests.support.outputs import blob_path, write_layout
from tests.support.simulator import Simulator

IMAGE = build("oci")
SECRET = b"root:x:0:0:a file of this machine\n"


@pytest.mark.parametrize("what", ["config", "layer", "manifest", "index.json", "oci-layout"])
def test_ggcr_2306_links_out_of_a_layout(what: str, tmp_path: Path) -> None:
    """A link is followed, as build tools need it, but what is not the content that was asked for goes nowhere."""
    layout = write_layout(IMAGE, tmp_path / "received", tag="1")
    digests = {"config": IMAGE.config_digest(), "layer": IMAGE.layer_digests()[0], "manifest": IMAGE.digest}
    victim = blob_path(layout, digests[what]) if what in digests else layout / what
    secret = tmp_path / "secret"
    # As long as the content that it stands for, so that nothing but the content tells.
    secret.write_bytes((SECRET * 1000)[: victim.stat().st_size])
    victim.unlink()
    victim.symlink_to(secret)
    with Simulator() as registry:
        done = pyskopeo_here("copy", "--dest-tls-verify=false", f"oci:{layout}:1", registry.name("stolen"))
        assert done.code == 1
        assert registry.manifest("latest", "stolen") is None
        assert not any(SECRET[:12] in content for content in registry.blobs("stolen").values())
    assert "a file of this machine" not in done.stderr


def test_cve_2026_50195_a_name_in_an_archive_is_no_name_at_the_destination(tmp_path: Path) -> None:
    layout = write_layout(IMAGE, tmp_path / "received", tag="latest")
    index = json.loads((layout / "index.json").read_bytes())
    index["manifests"][0]["annotations"]["io.containerd.image.name"] = "docker.io/library/alpine:latest"
    (layout / "index.json").write_text(json.dumps(index))
    succeed(pyskopeo_here("copy", f"oci:{layout}:latest", f"oci-archive:{tmp_path}/received.tar:latest"))
    for source in (f"oci:{layout}", f"oci-archive:{tmp_path}/received.tar"):
        with Simulator() as registry:
            succeed(pyskopeo_here("copy", "--dest-tls-verify=false", source, f"docker://{registry.host}/team/app:v1"))
            puts = {line for line in registry.log if line.startswith("PUT") and "/manifests/" in line}
            assert puts == {"PUT /v2/team/app/manifests/v1"}
