"""ARCHITECTURE.md, SECURITY.md and the documents for build systems name what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import pyskopeo

ROOT = Path(__file__).parents[2]
TESTS = {
    name
    for path in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"^ *(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)
}


def test_every_test_that_security_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "SECURITY.md").read_text()))
    assert len(named) > 20
    assert named <= TESTS


@pytest.mark.parametrize("document", ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md", "SECURITY.md"])
def test_every_path_that_a_document_names_exists(document: str) -> None:
    text = (ROOT / document).read_text()
    links = {link.partition("#")[0] for link in re.findall(r"\]\(((?!https?:)[^)]+)\)", text)}
    paths = set(re.findall(r"`((?:pyskopeo|tests|scripts|\.ci)/[\w./-]*)", text))
    rooms = "|".join(path.name for path in (ROOT / "pyskopeo").iterdir() if path.is_dir())
    paths |= {f"pyskopeo/{path}" for path in re.findall(rf"`((?:{rooms})/[\w./-]*)`", text)}
    missing = sorted(path for path in links | paths if not (ROOT / path).exists())
    assert missing == []


def test_the_bazel_module_has_the_version_of_the_package() -> None:
    (version,) = re.findall(r'^    version = "(.*)",$', (ROOT / "integrations/bazel/MODULE.bazel").read_text(), re.MULTILINE)
    text = (ROOT / "integrations/README.md").read_text()
    named = re.findall(r'bazel_dep\(name = "pyskopeo", version = "(.*?)"', text) + re.findall(r"pyskopeo-([\d.]+)\.pyz\"", text)
    assert {version, *named} == {pyskopeo.__version__}
