"""Plans in trouble: disks that are full, digests that are gone, settings that are in no plan."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from tests.scenario.sync.running import DEST, MANY, SOURCE, numbered
from tests.support.cli import pyskopeo_here, succeed
from tests.support.simulator import Simulator


def _plan(registry: Simulator, to: str, file: Path) -> tuple[object, ...]:
    return ("sync", "--src", "docker", "--dest", "docker", SOURCE, f"{registry.host}/team/app", to, "--plan", file)


def test_a_full_disk_leaves_the_plan_of_before(
    registry: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = tmp_path / "plan"
    plan.write_text("that of yesterday")
    write = os.write

    def full(fd: int, content: bytes) -> int:
        if b"pyskopeoPlan" in bytes(content[:20]):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(fd, content)

    monkeypatch.setattr(os, "write", full)
    done = pyskopeo_here(*_plan(registry, "mirror.example.com/m", plan))
    monkeypatch.undo()
    assert (done.code, "no space left on device" in done.stderr) == (1, True), done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["plan"]
    assert plan.read_text() == "that of yesterday"


def test_a_digest_that_is_gone(registry: Simulator, tmp_path: Path) -> None:
    with Simulator() as mirror:
        succeed(pyskopeo_here(*_plan(registry, f"{mirror.host}/m", tmp_path / "plan")))
        registry.add(numbered(79), "team/app", "v2")
        assert registry.store.remove_manifest("team/app", MANY[2].digest)
        run = ("sync", "--run", tmp_path / "plan", SOURCE, DEST, "--keep-going", "--report", tmp_path / "report")
        done = pyskopeo_here(*run)
        assert done.code == 1
        errors = [one["error"] for one in json.loads((tmp_path / "report").read_text())["images"] if one["error"]]
        assert len(errors) == 1
        assert errors[0].endswith("which is not there any more: make a new plan")


def test_settings_of_a_file_are_in_no_plan(registry: Simulator, tmp_path: Path) -> None:
    (tmp_path / "images.yaml").write_text(
        f"{registry.host}:\n  tls-verify: false\n  credentials: {{username: me, password: geheim}}\n"
        "  images: {team/app: [v0, v1]}\n"
    )
    words = ("--src", "yaml", "--dest", "docker", "--plan", tmp_path / "plan", tmp_path / "images.yaml", "m.example.com")
    done = succeed(pyskopeo_here("sync", *words))
    assert done.stderr.count("settings for this registry are not in the plan") == 1
    assert "geheim" not in (tmp_path / "plan").read_text()
