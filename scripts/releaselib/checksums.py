"""What users verify the files of a release with: SHA256SUMS, integrities, and the table of the Bazel rules."""

from __future__ import annotations

import ast
import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from .distributions import ROOT, version

_TABLE = "PYSKOPEO_VERSIONS"
_RELEASED = ROOT / "integrations" / "bazel" / "versions.bzl"
_HEAD = f'''"""The files of each release, and their integrity. Written by scripts/build_release."""

{_TABLE} = '''


def integrity(path: Path) -> str:
    """Return the integrity of a file, as Subresource Integrity, Bazel and Nix write it: ``sha256-`` and base64."""
    return "sha256-" + base64.b64encode(hashlib.sha256(path.read_bytes()).digest()).decode()


def write_checksums(output: Path, artifacts: Sequence[Path]) -> None:
    """Write ``SHA256SUMS``, for ``sha256sum --check``, and ``INTEGRITY``, of all artifacts."""
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in artifacts]
    (output / "SHA256SUMS").write_text("".join(sums))
    (output / "INTEGRITY").write_text("".join(f"{integrity(path)}  {path.name}\n" for path in artifacts))


def write_versions(path: Path, artifacts: Sequence[Path]) -> None:
    """Write the table that the Bazel rules read: integrities of artifacts, by file name, by version.

    Versions that were released earlier are taken from the table in this checkout.
    """
    table = read_versions(_RELEASED.read_text()) if _RELEASED.exists() else {}
    table[version()] = {one.name: integrity(one) for one in artifacts}
    lines = ["{\n"]
    for number, files in table.items():
        lines.append(f'    "{number}": {{\n')
        lines += [f'        "{name}": "{value}",\n' for name, value in sorted(files.items())]
        lines.append("    },\n")
    path.write_text("".join([_HEAD, *lines, "}\n"]))


def read_versions(text: str) -> dict[str, dict[str, str]]:
    """Return the table in the text of a ``versions.bzl``, whose literals are Python's too."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == _TABLE:
            table: dict[str, dict[str, str]] = ast.literal_eval(node.value)
            return table
    return {}
