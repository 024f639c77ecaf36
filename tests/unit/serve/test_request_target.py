"""What requests are for."""

from __future__ import annotations

import pytest

from pyskopeo.serve.request_target import Target, target_of


@pytest.mark.parametrize(
    ("method", "path", "target"),
    [
        ("GET", "/v2", Target("base", "", "pull")),
        ("GET", "/v2/", Target("base", "", "pull")),
        ("GET", "/v2/_catalog", Target("catalog", "", "pull")),
        ("GET", "/v2/token", Target("token", "", "pull")),
        ("GET", "/healthz", Target("health", "", "pull")),
        ("GET", "/metrics", Target("metrics", "", "pull")),
        ("GET", "/v2/a/b/tags/list", Target("tags", "a/b", "pull")),
        ("HEAD", "/v2/a/manifests/v1", Target("manifests", "a", "pull")),
        ("PUT", "/v2/a/manifests/v1", Target("manifests", "a", "push")),
        ("DELETE", "/v2/a/manifests/v1", Target("manifests", "a", "delete")),
        ("GET", "/v2/a/manifests/b/manifests/v1", Target("manifests", "a/manifests/b", "pull")),
        ("GET", "/v2/a/blobs/sha256:0", Target("blobs", "a", "pull")),
        ("DELETE", "/v2/a/blobs/sha256:0", Target("blobs", "a", "delete")),
        ("GET", "/v2/a/referrers/sha256:0", Target("referrers", "a", "pull")),
        ("POST", "/v2/a/blobs/uploads/", Target("uploads", "a", "push")),
        ("POST", "/v2/a/blobs/uploads", Target("uploads", "a", "push")),
        ("PATCH", "/v2/a/blobs/uploads/1", Target("upload", "a", "push")),
        ("GET", "/v2/a/blobs/uploads/1", Target("upload", "a", "push")),
        ("DELETE", "/v2/a/blobs/uploads/1", Target("upload", "a", "push")),
        ("GET", "/v2/a/blobs/uploads/manifests/v1", Target("manifests", "a/blobs/uploads", "pull")),
        ("GET", "/v2/manifests/v1", Target("manifests", "", "pull")),
        ("GET", "/v2/a", Target("other", "", "pull")),
        ("DELETE", "/", Target("other", "", "pull")),
        ("GET", "/v1/a/manifests/v1", Target("other", "", "pull")),
    ],
)
def test_targets(method: str, path: str, target: Target) -> None:
    assert target_of(method, path) == target
