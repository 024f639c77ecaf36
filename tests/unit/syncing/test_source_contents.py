"""What is gone at a source."""

from __future__ import annotations

import pytest

from pyskopeo.access import Access
from pyskopeo.model.reference import Reference
from pyskopeo.syncing.source_contents import SourceContents

ACCESS = Access.from_environ({})


@pytest.fixture
def contents() -> SourceContents:
    found = SourceContents()
    found.add_tags(Reference.parse("docker.io/library/alpine"), ["3.20", "edge"], ACCESS)
    found.add_catalog("h.example:5000", "", ["team/app", "skipped"], ACCESS)
    found.add_catalog("other.example", "team", ["team/app"], ACCESS)
    found.add_place("dir:/media/usb", ["dir:/media/usb/a:1", "dir:/media/usb"])
    found.add_place("oci:/srv/layout", ["oci:/srv/layout:a:1"])
    return found


@pytest.mark.parametrize(
    ("source", "lost"),
    [
        ("docker://alpine:3.20", False),
        ("docker://alpine:3.19", True),
        ("docker://docker.io/library/alpine:3.19", True),
        ("docker://alpine@sha256:" + "a" * 64, False),
        ("docker://alpine:3.19@sha256:" + "a" * 64, False),
        ("docker://nginx:1", False),  # was not listed
        ("docker://h.example:5000/gone:1", True),
        ("docker://h.example:5000/skipped:1", False),  # its tags were not listed
        ("docker://other.example/team/gone:1", True),
        ("docker://other.example/teams/gone:1", False),
        ("docker://other.example/gone:1", False),
        ("docker://not a name", False),
        ("dir:/media/usb/a:1", False),
        ("dir:/media/usb/a:2", True),
        ("dir:/media/usb2/a:2", False),
        ("oci:/srv/layout:a:1", False),
        ("oci:/srv/layout:b:1", True),
        ("oci:/srv/layout2:b:1", False),
        ("", False),
    ],
)
def test_only_what_would_have_been_found(contents: SourceContents, source: str, lost: bool) -> None:
    assert contents.has_lost(source) is lost
