"""``registries.conf`` from text, for tests that write no file."""

from __future__ import annotations

from pyskopeo.config import registries_toml
from pyskopeo.config.registries import Registries


def parse_registries(text: str, where: str) -> Registries:
    """What is configured when ``text`` is the only file."""
    return Registries.merge((registries_toml.parse(text, where),))
