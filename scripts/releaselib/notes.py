"""The notes of a release: its section of CHANGELOG.md, and the files with their hashes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

_DATED = re.compile(r"\((\d{4}-\d{2}-\d{2})\)$")


class NotReady(Exception):
    """Something that stands in the way of a release; the message says what to do."""


def changes_of(changelog: str, version: str) -> str:
    """Return the section of ``version``, without its heading; raises `NotReady` unless it is there and has a date."""
    found = re.search(rf"^## {re.escape(version)}\b(.*)\n((?:(?!## ).*\n?)*)", changelog, re.MULTILINE)
    if found is None or not found[2].strip():
        raise NotReady(f"CHANGELOG.md has no section '## {version} (YYYY-MM-DD)'")
    if not _DATED.search(found[1].strip()):
        raise NotReady(f"CHANGELOG.md: '## {version}{found[1]}' has no date: write '## {version} (YYYY-MM-DD)'")
    return found[2].strip() + "\n"


def release_notes(changes: str, version: str, files: Iterable[Path]) -> str:
    """Return the notes as Markdown."""
    rows = [f"| `{file.name}` | {file.stat().st_size:,} | `{_sha256(file)}` |" for file in sorted(files)]
    table = "\n".join(["| file | bytes | sha256 |", "|---|---|---|", *rows])
    return f"# pyskopeo {version}\n\n{changes}\n## Files\n\n{table}\n"


def fill_formula(template: str, version: str, url: str, single_file: Path) -> str:
    """Return the Homebrew formula for the single file, which is served below ``url``."""
    where = f"{url.rstrip('/')}/{single_file.name}"
    values = {"url": where, "sha256": _sha256(single_file), "version": version}
    for name, value in values.items():
        template, count = re.subn(rf'^(  {name} )".*"$', rf'\1"{value}"', template, flags=re.MULTILINE)
        if count != 1:
            raise NotReady(f"integrations/homebrew/pyskopeo.rb has {count} lines with {name}, not one")
    return template


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
