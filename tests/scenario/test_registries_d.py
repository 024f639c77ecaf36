"""``--registries.d``: what is wrong there is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import fatal, pyskopeo_here
from tests.support.simulator import Simulator

pytestmark = pytest.mark.usefixtures("no_machine_policy")


class TestRegistriesD:
    """Not used before there are signatures, but what is wrong in it is said."""

    def test_mistakes_are_said(self, registry: Simulator, tmp_path: Path) -> None:
        folder = tmp_path / "d"
        folder.mkdir()
        words = (f"--registries.d={folder}", "inspect", "--tls-verify=false", registry.name())
        assert pyskopeo_here(*words).code == 0
        (folder / "a.yaml").write_text("docker:\n  a.example: {lookaside: 'https://sig.example'}\n")
        assert pyskopeo_here(*words).code == 0
        (folder / "b.yaml").write_text("docker: 5\n")
        assert str(folder / "b.yaml") in fatal(pyskopeo_here(*words))
