"""Archives that the program tar writes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyskopeo.errors import InvalidContent
from pyskopeo.storage.tar import TarIndex


def test_sparse_members_are_refused(tmp_path: Path) -> None:
    with (tmp_path / "holes").open("wb") as out:
        out.truncate(2**20)
        out.seek(2**19)
        out.write(b"x")
    for kind in ("gnu", "posix"):
        path = tmp_path / f"{kind}.tar"
        os.spawnlp(os.P_WAIT, "tar", "tar", "-C", str(tmp_path), f"--format={kind}", "-Scf", str(path), "holes")
        with pytest.raises(InvalidContent, match=r"sparse member '.*holes' is not supported"):
            TarIndex.read(path)
