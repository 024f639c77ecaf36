"""Names that mean the same on every machine with the same files."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyskopeo.cluster.absolute_names import absolute_header, absolute_image, absolute_name
from pyskopeo.engine.selection import Selection
from pyskopeo.model.choice import Choice
from pyskopeo.syncing.plan_file import PlanHeader, PlannedImage
from pyskopeo.syncing.plan_options import PlanOptions


@pytest.mark.parametrize(
    ("name", "absolute"),
    [
        ("docker://example.com/a:1", "docker://example.com/a:1"),
        ("yaml:images.yaml", "yaml:images.yaml"),
        ("dir:a:b", "dir:HERE/a:b"),
        ("dir:/a/../b", "dir:/b"),
        ("oci:layout", "oci:HERE/layout"),
        ("oci:layout:example.com/a:1", "oci:HERE/layout:example.com/a:1"),
        ("docker-archive:a.tar:@1", "docker-archive:HERE/a.tar:@1"),
    ],
)
def test_names(name: str, absolute: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    absolute = absolute.replace("HERE", str(tmp_path))
    assert absolute_name(name) == absolute
    image = absolute_image(PlannedImage(name, name, size=5))
    assert image == PlannedImage(absolute, absolute, size=5)
    header = absolute_header(PlanHeader(name, name, PlanOptions(Selection(Choice(), "all"))))
    assert (header.source, header.destination) == (absolute, absolute)
