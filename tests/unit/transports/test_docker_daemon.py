"""Names of images in a Docker daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

import pyskopeo
from pyskopeo.errors import InvalidName
from tests.support.access import access_for


class TestNames:
    @pytest.mark.parametrize(
        ("details", "name"),
        [
            ("a:b", "docker.io/library/a:b"),
            ("docker.io/library/a:b", "docker.io/library/a:b"),
            ("host:5000/a/b:c", "host:5000/a/b:c"),
            ("md5:abc", "docker.io/library/md5:abc"),
            ("sha512:" + 64 * "a", "docker.io/library/sha512:" + 64 * "a"),
            ("a@sha256:" + 64 * "a", "docker.io/library/a@sha256:" + 64 * "a"),
            ("host/sha256:tag", "docker.io/host/sha256:tag"),
        ],
    )
    def test_by_name(self, details: str, name: str) -> None:
        from pyskopeo.transports.docker_daemon import parse

        found = parse(details)
        assert (str(found.reference), found.image_id) == (name, None)
        assert str(found) == f"docker-daemon:{details}"

    @pytest.mark.parametrize("details", ["sha256:" + 64 * "a", "sha512:" + 128 * "b"])
    def test_by_id(self, details: str) -> None:
        from pyskopeo.transports.docker_daemon import parse

        found = parse(details)
        assert (found.reference, str(found.image_id)) == (None, details)

    @pytest.mark.parametrize(
        ("details", "said"),
        [
            ("a", "docker-daemon: reference a has neither a tag nor a digest"),
            ("sha256:abc", "The sha256 repository name is reserved for"),
            ("sha256", "The sha256 repository name is reserved for"),
            ("A:b", "must be lowercase"),
            ("", "invalid reference format"),
            (64 * "a", "invalid reference format"),
            ("a:b@sha256:" + 64 * "a", "references with both a tag and digest are currently not supported"),
        ],
    )
    def test_what_is_none(self, details: str, said: str) -> None:
        with pytest.raises(InvalidName, match=said):
            pyskopeo.parse_image_name(f"docker-daemon:{details}")

    @pytest.mark.parametrize("details", ["sha256:" + 64 * "a", "a@sha256:" + 64 * "a"])
    def test_what_can_only_be_read(self, details: str, tmp_path: Path) -> None:
        name = pyskopeo.parse_image_name(f"docker-daemon:{details}")
        with pytest.raises(InvalidName, match=f"Invalid destination docker-daemon:{details}: a destination must be a name:tag"):
            name.open_destination(access_for(tmp_path))
