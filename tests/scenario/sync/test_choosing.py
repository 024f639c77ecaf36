"""Which images ``sync`` copies: by flags, and by a file."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from pyskopeo.cli import regex_timeout
from tests.scenario.sync.running import MANY, to_dir
from tests.support.cli import succeed
from tests.support.faults import Refuse
from tests.support.simulator import Simulator


class TestChoosing:
    @pytest.mark.parametrize(
        ("flags", "tags"),
        [
            (["--include=^v[12]$"], ["v1", "v2"]),
            (["--include=^v1", "--include=^v2"], ["v1", "v2"]),
            (["--exclude=[0-3]$"], ["v4", "v5"]),
            (["--include=/app:v1$"], ["v1"]),
            (["--latest=2"], ["v4", "v5"]),
            (["--latest=1", "--exclude=v5"], ["v4"]),
            (["--semver=>= 2, < 5"], ["v2", "v3", "v4"]),
            (["--semver=>= 2, < 5", "--latest=2"], ["v3", "v4"]),
        ],
    )
    def test_flags(self, registry: Simulator, tmp_path: Path, flags: list[str], tags: list[str]) -> None:
        succeed(to_dir(registry, tmp_path / "out", *flags))
        assert sorted(p.name for p in (tmp_path / "out").glob("app:*")) == [f"app:{tag}" for tag in tags]

    @pytest.mark.parametrize(
        ("flag", "complaint"),
        [
            ("--include=(", "error parsing regexp"),
            ("--latest=0", "--latest: want 1 or more"),
            ("--semver=newest", "version range 'newest' cannot be understood"),
            ("--jobs=0", "--jobs: want 1 or more"),
            ("--format=docker", "unknown format"),
            ("--include=nothing", "No images to sync found in"),
        ],
    )
    def test_flags_that_make_no_sense(self, registry: Simulator, tmp_path: Path, flag: str, complaint: str) -> None:
        done = to_dir(registry, tmp_path / "out", flag)
        assert done.code == 1
        assert complaint in done.lines[-1]
        assert not (tmp_path / "out").exists()

    def test_an_expression_that_never_ends_is_given_up(
        self, registry: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(regex_timeout, "DEFAULT_LIMIT", 0.3)
        registry.add(MANY[0], "team/app", "a" * 60)
        started = time.monotonic()
        done = to_dir(registry, tmp_path / "out", "--include=^(a+)+$x")
        assert (done.code, time.monotonic() - started < 15) == (1, True)
        assert "want a simpler regular expression" in done.stderr


class TestFiles:
    def test_digests_and_report(self, registry: Simulator, tmp_path: Path) -> None:
        out, digests, report = tmp_path / "out", tmp_path / "digests", tmp_path / "report.json"
        digests.write_text("old")
        registry.on_manifest("v2", Refuse(404))
        to_dir(registry, out, "--include=^v[0-3]$", "--keep-going", "--digestfile", digests, "--report", report)
        assert digests.read_text() == "".join(f"{MANY[n].digest} dir:{out}/app:v{n}\n" for n in (0, 1, 3))
        assert digests.stat().st_mode & 0o777 == 0o644 & ~umask()
        first = json.loads(report.read_text())
        assert [entry["status"] for entry in first["images"]] == ["copied", "copied", "failed", "copied"]
        assert (first["copied"], first["present"], first["failed"]) == (3, 0, 1)
        assert first["images"][0] | {"bytes": 0, "seconds": 0} == {
            "source": f"docker://{registry.host}/team/app:v0", "destination": f"dir:{out}/app:v0", "status": "copied",
            "digest": MANY[0].digest, "sourceDigest": MANY[0].digest, "bytes": 0, "seconds": 0, "error": None,
        }  # fmt: skip
        moved = {d: len(data) for n in (0, 1, 3) for d, data in MANY[n].blobs.items()}
        assert first["bytes"] == sum(entry["bytes"] for entry in first["images"]) == sum(moved.values())
        assert "status 404" in first["images"][2]["error"]
        assert first["images"][2]["digest"] is None
        registry.heal()
        succeed(to_dir(registry, out, "--include=^v[0-3]$", "--report", report))
        again = json.loads(report.read_text())
        assert [entry["status"] for entry in again["images"]] == ["present", "present", "copied", "present"]
        assert again["images"][0]["digest"] == MANY[0].digest

    def test_a_digest_file_that_cannot_be_made_comes_first(self, registry: Simulator, tmp_path: Path) -> None:
        done = to_dir(registry, tmp_path / "out", "--digestfile", tmp_path / "no" / "digests")
        assert done.code == 1
        assert "Error creating digest file: open " in done.lines[-1]
        assert not (tmp_path / "out").exists()


def umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
