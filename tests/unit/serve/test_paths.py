"""Paths of requests."""

from __future__ import annotations

import pytest

from pyskopeo.serve.paths import RegistryPath, parse_path


@pytest.mark.parametrize(
    ("path", "parsed"),
    [
        ("/v2", RegistryPath("base")), ("/v2/", RegistryPath("base")), ("/v2/_catalog", RegistryPath("catalog")),
        ("/v2/a/b/manifests/1", RegistryPath("manifests", "a/b", "1")),
        ("/v2/a/manifests/manifests/manifests", RegistryPath("manifests", "a/manifests", "manifests")),
        ("/v2/a/blobs/sha256:0", RegistryPath("blobs", "a", "sha256:0")),
        ("/v2/a/blobs/uploads/", RegistryPath("uploads", "a")), ("/v2/a/blobs/uploads", RegistryPath("uploads", "a")),
        ("/v2/a/blobs/uploads/1-2", RegistryPath("upload", "a", "1-2")),
        ("/v2/blobs/blobs/uploads/", RegistryPath("uploads", "blobs")),
        ("/v2/a/tags/list", RegistryPath("tags", "a")), ("/v2/tags/list/tags/list", RegistryPath("tags", "tags/list")),
        ("/v2/a/referrers/sha256:0", RegistryPath("referrers", "a", "sha256:0")),
        ("/v2//manifests/1", RegistryPath("manifests", "", "1")), ("/v2/manifests/1", RegistryPath("manifests", "", "1")),
        ("/", None), ("", None), ("/v1/", None), ("/v2/a", None), ("/v2/a/manifests/", None), ("/v2/a/tags/x", None),
        ("/v2/a/uploads/", None), ("/v2/_catalog/", None), ("/v2a/_catalog", None), ("/v2/a/manifests/1/", None),
    ],
)  # fmt: skip
def test_paths(path: str, parsed: RegistryPath | None) -> None:
    assert parse_path(path) == parsed
