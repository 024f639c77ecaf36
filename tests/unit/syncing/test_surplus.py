"""Images that a sync has written and whose sources are gone."""

from __future__ import annotations

import pytest

from pyskopeo.access import Access
from pyskopeo.model.digest import Digest
from pyskopeo.model.reference import Reference
from pyskopeo.syncing.record import Entry
from pyskopeo.syncing.source_contents import SourceContents
from pyskopeo.syncing.surplus import find_surplus

DIGEST = Digest.of(b"image")


@pytest.mark.parametrize(
    ("transport", "destination", "key", "found"),
    [
        ("docker", "mirror.example.com/hub", "//mirror.example.com/hub/app:gone", "docker://mirror.example.com/hub/app:gone"),
        ("docker", "localhost:5000", "//localhost:5000/app:gone", "docker://localhost:5000/app:gone"),
        ("docker", "mirror.example.com/hub", "//other.example.com/hub/app:gone", None),
        ("docker", "mirror.example.com", "mirror.example.com/app:gone", None),
        ("dir", "copies", "app:gone", "dir:copies/app:gone"),
        ("dir", "copies", "../app:gone", None),
        ("dir", "copies", "/etc", None),
        ("oci", "copies", "app:gone", "oci:copies:app:gone"),
    ],
)
def test_nothing_beyond_the_destination_is_found(transport: str, destination: str, key: str, found: str | None) -> None:
    contents = SourceContents()
    contents.add_tags(Reference.parse("registry.example.com/app"), ["kept"], Access.from_environ())
    entries = {
        key: Entry("docker://registry.example.com/app:gone", DIGEST, DIGEST, ""),
        f"{key}-kept": Entry("docker://registry.example.com/app:kept", DIGEST, DIGEST, ""),
    }
    surplus = find_surplus(entries, contents, (), transport, destination)
    assert [one.image.destination for one in surplus] == ([] if found is None else [found])
    assert find_surplus(entries, contents, [found or ""], transport, destination) == []
