"""``tarball:`` from standard input."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import PYSKOPEO, environment
from tests.support.images import digest_of
from tests.support.tarballs import gz, put, tar
from tests.support.trees import tree

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("name", ["tarball:-", "tarball:/dev/stdin"])
async def test_standard_input(name: str, tmp_path: Path) -> None:
    command = [*PYSKOPEO, "copy", "-q", f"{name}:{put(tmp_path / 'a', tar('a'))}", f"dir:{tmp_path}/out"]
    done = subprocess.run(
        command, input=gz(tar("b")), env=environment(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    files = tree(tmp_path / "out")
    config = json.loads(files[json.loads(files["manifest.json"])["config"]["digest"][7:]])
    assert config["rootfs"]["diff_ids"] == [digest_of(tar("b")), digest_of(tar("a"))]
