"""A user's ``config.toml`` and variables, in a real copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import fatal, pyskopeo_here, succeed
from tests.support.gates import BasicGate
from tests.support.images import build
from tests.support.simulator import Simulator


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.toml"
    path.touch(0o600)
    monkeypatch.setenv("PYSKOPEO_CONFIG", str(path))
    return path


def test_a_copy_without_flags(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The deprecated flag for both sides is a proper key: it is not warned of."""
    file.write_text("tls-verify = false\n[copy]\nsrc-creds = 'me:hidden'\nquiet = true\n")
    monkeypatch.setenv("PYSKOPEO_COPY_DIGESTFILE", str(tmp_path / "digest"))
    image = build("oci")
    with Simulator(image, gate=BasicGate({"me": "hidden"})) as registry:
        done = succeed(pyskopeo_here("copy", registry.name(), f"oci:{tmp_path}/layout"))
        assert done.stderr == ""
        assert (tmp_path / "digest").read_text() == image.digest
        # A flag for other credentials puts these aside; nothing else of the file.
        denied = pyskopeo_here("copy", "--src-no-creds", "--retry-times=0", registry.name(), f"oci:{tmp_path}/other")
        assert "unauthorized" in fatal(denied)


def test_what_fails_because_of_a_default_says_so(file: Path, tmp_path: Path) -> None:
    file.write_text("[copy]\ntag-platforms = true\nall = true\n")
    done = pyskopeo_here("copy", f"oci:{tmp_path}/a", f"dir:{tmp_path}/b")
    assert fatal(done).endswith(f"goes with a destination oci: or oci-archive: (--tag-platforms is set by {file}:2)")


def test_debug_says_what_is_set_and_no_value_of_it(file: Path, tmp_path: Path) -> None:
    file.write_text("[copy]\nsrc-creds = 'me:hidden'\nsrc-tls-verify = false\n")
    done = pyskopeo_here("copy", "--debug", f"oci:{tmp_path}/a", f"dir:{tmp_path}/b")
    for name, line in (("src-creds", 2), ("src-tls-verify", 3)):
        assert f"--{name} is set by {file}:{line}" in done.stderr
    assert "hidden" not in done.stderr


def test_commands_without_flags_need_no_valid_file(file: Path) -> None:
    file.write_text("nonsense")
    succeed(pyskopeo_here("version"))
    succeed(pyskopeo_here("completion", "bash"))
    assert str(file) in fatal(pyskopeo_here("inspect", "docker://x"))
