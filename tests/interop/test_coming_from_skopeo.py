"""The real skopeo has nothing that the table in docs/coming-from/skopeo.md leaves out."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.support import skopeo_flags
from tests.support.require import require_peer

pytestmark = pytest.mark.peer("skopeo")


def shown(*words: str) -> str:
    return subprocess.run([require_peer("skopeo"), *words, "--help"], capture_output=True, text=True, check=True).stdout


def flags(*words: str) -> set[str]:
    found = set(re.findall(r"^ +(?:-\w, )?--([\w.-]+)", shown(*words), re.MULTILINE))
    assert found
    return found


def test_verbs() -> None:
    verbs = set(re.findall(r"^  ([a-z-]+) {2,}", shown().partition("Available Commands:")[2], re.MULTILINE))
    assert "copy" in verbs
    assert verbs - {"help"} <= skopeo_flags.VERBS


@pytest.mark.parametrize("verb", sorted(skopeo_flags.FLAGS))
def test_flags(verb: str) -> None:
    assert flags(verb) - {"help"} <= skopeo_flags.FLAGS[verb]


def test_global_flags() -> None:
    assert flags() <= skopeo_flags.GLOBAL


def test_transports() -> None:
    listed = shown("copy").partition("Supported transports:\n")[2].splitlines()[0].split(", ")
    assert set(listed) <= skopeo_flags.TRANSPORTS
