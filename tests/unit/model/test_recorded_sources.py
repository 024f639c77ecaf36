"""The annotation for the repository that an image came from."""

from __future__ import annotations

import pytest

from pyskopeo.model.recorded_sources import recorded_sources, source_annotation


@pytest.mark.parametrize("name", ["docker.io/library/alpine", "example.com:5000/team/app", "localhost/a", "[::1]:5000/a"])
def test_what_is_recorded_is_read_again(name: str) -> None:
    assert [source.name for source in recorded_sources(source_annotation(name))] == [name]


def test_as_containerd_writes_it() -> None:
    assert source_annotation("docker.io/library/alpine") == {"containerd.io/distribution.source.docker.io": "library/alpine"}
    found = recorded_sources({
        "org.opencontainers.image.ref.name": "a",
        "containerd.io/distribution.source.docker.io": "library/alpine,team/app",
        "containerd.io/distribution.source.example.com": "team/app",
    })  # fmt: skip
    assert [one.name for one in found] == ["docker.io/library/alpine", "docker.io/team/app", "example.com/team/app"]


@pytest.mark.parametrize(
    ("registry", "repository"),
    [("example.com", "../x"), ("example.com", ""), ("example.com", "a:tag"), ("", "a"), ("team", "app"),
     ("example.com/a", "b"), ("example.com", "a@sha256:" + "0" * 64), ("user@example.com", "a")],
)  # fmt: skip
def test_what_names_no_repository_is_passed_over(registry: str, repository: str) -> None:
    assert recorded_sources({f"containerd.io/distribution.source.{registry}": repository}) == ()
