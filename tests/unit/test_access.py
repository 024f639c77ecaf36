"""How one side of a copy may reach out."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from pyskopeo.access import Access, Network
from pyskopeo.errors import InvalidInput
from pyskopeo.http.tls import Trust


def test_an_access_and_its_parts_stay_small_enough_to_be_known_by_heart() -> None:
    assert [field.name for field in fields(Access)] == [
        "keychain", "trust", "network", "registries", "policy", "signature_stores", "storage", "writing", "report"
    ]  # fmt: skip
    for part in (Trust, Network):
        assert len(fields(part)) <= 15


def test_the_files_are_named_in_errors(tmp_path: Path) -> None:
    (tmp_path / "r.conf").write_text("[registries.search]\nregistries = ['a']\n")
    access = Access.from_environ({"HOME": str(tmp_path)}, registries_conf=tmp_path / "r.conf")
    with pytest.raises(InvalidInput, match=f"{tmp_path}/r.conf.*must be in v2 format"):
        access.registries()
