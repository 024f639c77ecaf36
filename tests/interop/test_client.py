"""The library beside a real registry, and skopeo."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import pyskopeo
from tests.support.access import access_for
from tests.support.cli import succeed
from tests.support.commands import skopeo
from tests.support.peers import Registry


@pytest.mark.peer("docker-registry", "skopeo")
def test_artifacts_and_the_catalog(registry: Registry, tmp_path: Path) -> None:
    note = tmp_path / "note.txt"
    note.write_text("hello")
    with pyskopeo.SyncClient(access=access_for(tmp_path)) as client:
        names = [f"library-client/n{number}" for number in range(3)]
        for name in names:
            client.push_artifact(f"docker://{registry.host}/{name}:v1", [note], artifact_type="text/x-notes")
        assert set(names) <= set(client.catalog(registry.host))
        name = f"docker://{registry.host}/{names[0]}:v1"
        (pulled,) = client.pull_artifact(name, tmp_path / "pulled")
        assert pulled.path.read_text() == "hello"
        client.tag(name, "v2")
        assert client.tags(name.removesuffix(":v1")) == ["v1", "v2"]
        raw = succeed(skopeo("inspect", "--raw", "--tls-verify=false", name)).stdout
        assert json.loads(raw)["artifactType"] == "text/x-notes"
        succeed(skopeo("copy", "--src-tls-verify=false", name, f"oci:{tmp_path}/skopeo:v1"))
        assert client.manifest(f"oci:{tmp_path}/skopeo:v1").raw == raw
        client.delete(name)
        with pytest.raises(pyskopeo.NotFound):
            client.manifest(name)
