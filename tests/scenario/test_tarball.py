"""``tarball:`` from standard input."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.commands import PYSKOPEO, environment, pyskopeo
from tests.support.images import digest_of
from tests.support.tarballs import gz, put, tar
from tests.support.trees import tree

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("device", "reason"),
    [("/dev/zero", "over 67108864 bytes follow the end of the archive"), ("/dev/urandom", "is not a tar file")],
)
def test_input_without_end(device: str, reason: str, tmp_path: Path) -> None:
    done = pyskopeo("--tmpdir", tmp_path, "inspect", f"tarball:{device}")
    assert (done.code, done.stdout) == (1, b"")
    assert reason in done.stderr
    assert tree(tmp_path) == {}


def test_compressed_input_without_end(tmp_path: Path) -> None:
    """What is no tar file is refused by its first block: the rest of a stream is not waited for."""
    command = [*PYSKOPEO, "--tmpdir", str(tmp_path), "inspect", "tarball:-"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment(), stdin=pipe, stderr=pipe, bufsize=0) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        with suppress(BrokenPipeError):
            process.stdin.write(gz(os.urandom(1_000_000)))
        assert b"- is not a tar file" in process.stderr.read()
    assert process.returncode == 1


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
