"""The places of a sync, and which image names belong to them."""

from __future__ import annotations

import pytest

from pyskopeo.errors import InvalidName
from pyskopeo.syncing.places import is_below, join_place, repository_of, split_place


@pytest.mark.parametrize("place", ["docker://h/team", "oci:images", "dir:/a:b", "yaml:images.yaml", "registry:h"])
def test_a_place_is_split_and_joined(place: str) -> None:
    assert join_place(*split_place(place)) == place


@pytest.mark.parametrize("place", ["images", "oci:", "docker:h/team"])
def test_what_is_no_place(place: str) -> None:
    with pytest.raises(InvalidName):
        split_place(place)


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("docker://h:5000/a/b:1", "docker://h:5000/a/b"),
        ("docker://h:5000/a/b@sha256:00", "docker://h:5000/a/b"),
        ("docker://h/a:1@sha256:00", "docker://h/a"),
        ("dir:/a/b", "dir:/a/b"),
    ],
)
def test_repository_of(name: str, repository: str) -> None:
    assert repository_of(name) == repository


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("docker://h:5000/a:1", "docker://h:5000"),
        ("docker://h:5000/m/a@sha256:00", "docker://h:5000/m"),
        ("docker://nginx:1", "docker://docker.io/library"),
        ("docker://me/a:1", "docker://me"),
        ("docker://localhost/a:1", "docker://localhost"),
        ("oci:out:a:1", "oci:out"),
        ("dir:out/a:1", "dir:out"),
        ("dir:out/a:1", "dir:./out/"),
        ("dir:a:1", "dir:."),
        ("dir:/a", "dir:/"),
        ("dir:../m/a", "dir:../m"),
    ],
)
def test_what_is_below_a_place(name: str, place: str) -> None:
    assert is_below(name, place)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("docker://evil.example/a:1", "docker://h/m"),
        ("docker://h.evil/a:1", "docker://h/m"),
        ("docker://a:1", "docker://h:5000"),
        ("dir:/etc", "docker://h/m"),
        ("docker://h/m", "dir:m"),
        ("oci:outside:a", "oci:out"),
        ("oci:out", "oci:out"),
        ("dir:/etc/x", "dir:out"),
        ("dir:out/../../etc", "dir:out"),
        ("dir:outside/a", "dir:out"),
        ("dir:out", "dir:out"),
        ("dir:/etc", "dir:."),
        ("dir:../x", "dir:."),
        ("dir:.", "dir:."),
    ],
)
def test_what_is_elsewhere(name: str, place: str) -> None:
    assert not is_below(name, place)
