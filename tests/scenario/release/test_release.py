"""scripts/release, in a repository of its own: what is not ready is said, and a tag is made last."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import pyskopeo
from tests.support.commands import ROOT
from tests.support.release import unmeasured
from tests.support.require import require_package, require_peer

VERSION = pyskopeo.__version__
CHANGES = f"# Changes\n\n## {VERSION} (2026-11-30)\n\n* One thing.\n\n### More\n\n* Another.\n\n## 0.0.1 (2026-01-01)\n\n* Old.\n"


def git(folder: Path, *words: str) -> str:
    settings = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main")
    return subprocess.run(["git", *settings, *words], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with all that a wheel is built from, ready for a release."""
    require_peer("git")
    require_package("hatchling")
    folder = tmp_path / "checkout"
    (folder / "integrations").mkdir(parents=True)
    for name in ("pyskopeo", "man", "scripts/releaselib", "scripts/benchlib", "integrations/homebrew"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore", "scripts/release", "scripts/build_release"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "CHANGELOG.md").write_text(CHANGES)
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "all")
    return folder


def release(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = unmeasured() | {
        f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "a"), ("EMAIL", "a@example.com"))
    }
    command = [sys.executable, str(folder / "scripts" / "release"), *words]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_the_files_are_built_and_the_commit_is_tagged(checkout: Path) -> None:
    tried = release(checkout, "--dry-run")
    assert (tried.returncode, tried.stderr) == (0, "")
    assert (git(checkout, "tag"), (checkout / "dist").exists()) == ("", False)
    done = release(checkout, "--only", "wheel", "--url", "https://example.com/files/")
    assert done.returncode == 0, done.stderr
    assert git(checkout, "rev-parse", f"v{VERSION}^{{commit}}") == git(checkout, "rev-parse", "HEAD")
    notes = (checkout / "dist" / "NOTES.md").read_text()
    assert notes.startswith(f"# pyskopeo {VERSION}\n\n* One thing.\n\n### More\n\n* Another.\n\n## Files\n")
    assert f"| `pyskopeo-{VERSION}-py3-none-any.whl` | " in notes
    # The message of the tag are the notes, headings included.
    assert git(checkout, "tag", "--list", "--format=%(contents)").strip() == notes.strip()
    again = release(checkout, "--only", "wheel")
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)
    assert f"the tag v{VERSION} exists" in again.stderr


def forget_the_date(folder: Path) -> None:
    (folder / "CHANGELOG.md").write_text(CHANGES.replace("(2026-11-30)", "(unreleased)"))
    git(folder, "commit", "--quiet", "--all", "--message", "no date")


def forget_the_section(folder: Path) -> None:
    (folder / "CHANGELOG.md").write_text(CHANGES.replace(VERSION, "9.9"))
    git(folder, "commit", "--quiet", "--all", "--message", "no section")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "new").touch(), "changes that are not committed: new"),
        (forget_the_date, r"CHANGELOG.md: '## \S+ \(unreleased\)' has no date: write"),
        (forget_the_section, "CHANGELOG.md has no section '## "),
    ],
)
def test_what_is_not_ready_is_said_and_nothing_is_done(spoil: Callable[[Path], object], said: str, checkout: Path) -> None:
    spoil(checkout)
    done = release(checkout, "--dry-run")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert re.match(f"release: .*{said}", done.stderr)
    assert git(checkout, "tag") == ""


def test_a_directory_with_other_files_is_not_used(checkout: Path) -> None:
    (checkout / "dist").mkdir()
    (checkout / "dist" / "old").touch()
    done = release(checkout)
    assert done.returncode == 1
    assert done.stderr.startswith("release: ")
    assert "dist is not empty: remove it, or name another one with --output" in done.stderr
    assert git(checkout, "tag") == ""


def test_the_formula_gets_the_address_and_the_hash(tmp_path: Path) -> None:
    """In a process, as scripts are no package."""
    (tmp_path / f"pyskopeo-{VERSION}.pyz").write_bytes(b"x")
    program = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); from releaselib.notes import fill_formula;"
        "print(fill_formula(Path(sys.argv[2]).read_text(), '1.2', 'https://example.com/a/', Path(sys.argv[3])))"
    )
    formula = ROOT / "integrations" / "homebrew" / "pyskopeo.rb"
    words = (sys.executable, "-c", program, ROOT / "scripts", formula, tmp_path / f"pyskopeo-{VERSION}.pyz")
    filled = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=True).stdout
    assert f'  url "https://example.com/a/pyskopeo-{VERSION}.pyz"\n' in filled
    assert '  sha256 "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"\n' in filled
    assert '  version "1.2"\n' in filled
