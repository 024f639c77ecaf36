"""``sync --delete`` with a real registry as the destination."""

from __future__ import annotations

from pathlib import Path

from tests.scenario.sync.running import DEST, MANY
from tests.support.cli import pyskopeo_here, succeed
from tests.support.outputs import write_dir
from tests.support.peers import Registry


def test_a_tag_goes_where_it_can_and_stays_where_another_needs_its_manifest(registry: Registry, tmp_path: Path) -> None:
    for name, number in {"one": 0, "two": 1, "same": 1, "three": 2}.items():
        write_dir(MANY[number], tmp_path / f"deleted:{name}")
    words = ("sync", "--src", "dir", "--dest", "docker", DEST, tmp_path, f"{registry.host}/surplus")
    succeed(pyskopeo_here(*words))
    for name in ("one", "two"):
        (tmp_path / f"deleted:{name}/manifest.json").unlink()
    done = succeed(pyskopeo_here(*words, "--delete"))
    listed = succeed(pyskopeo_here("ls", "--tls-verify=false", f"docker://{registry.host}/surplus/deleted"))
    tags = listed.stdout.decode().split()
    assert "one" not in tags
    assert {"same", "three"} <= set(tags)
    assert ("two" in tags) == ("two is gone at the source and stays" in done.stderr)
