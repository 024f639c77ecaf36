"""Archives on standard output."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.anyio


def test_standard_output_redirected_into_a_file_stays_what_it_is(tmp_path: Path) -> None:
    # As in `copy ... docker-archive:/dev/stdout > a.tar`: /dev/stdout is a name for a plain file then.
    program = (
        "import os, pathlib; from pyskopeo.storage.archive_output import open_output\n"
        "with open_output(pathlib.Path('/dev/stdout'), replace=False) as (fd, path):\n"
        "    assert fd == 1\n"
        "    os.write(fd, b'x')"
    )
    before = os.readlink("/dev/stdout")
    with (tmp_path / "a.tar").open("wb") as out:
        subprocess.run([sys.executable, "-c", program], stdout=out, check=True, cwd=Path(__file__).parents[2])
    assert (tmp_path / "a.tar").read_bytes() == b"x"
    assert os.readlink("/dev/stdout") == before
