"""What an image is called at the destination."""

from __future__ import annotations

import pytest

from pyskopeo.errors import InvalidInput, InvalidName
from pyskopeo.model.digest import Digest
from pyskopeo.model.reference import Reference
from pyskopeo.syncing.destination_names import check_distinct, destination_name, familiar_name
from pyskopeo.syncing.sync_request import SyncImage

DIGEST = Digest.parse("sha256:" + "ab" * 32)
FULL = "registry.example.com/team/busybox:1"


@pytest.mark.parametrize(
    ("transport", "destination", "path", "scoped", "suffix", "name"),
    [
        ("dir", "/media/usb", FULL, False, "", "dir:/media/usb/busybox:1"),
        ("dir", "/media/usb/", FULL, False, "", "dir:/media/usb/busybox:1"),
        ("dir", "./out//x", FULL, False, "", "dir:out/x/busybox:1"),
        ("dir", ".", FULL, False, "", "dir:busybox:1"),
        ("dir", "//out", FULL, False, "", "dir:/out/busybox:1"),
        ("dir", "out", FULL, True, "", f"dir:out/{FULL}"),
        ("dir", "out", FULL, False, "-x", "dir:out/busybox:1-x"),
        ("dir", "out", f"h:5000/a/b@{DIGEST}", False, "", f"dir:out/b@{DIGEST}"),
        ("docker", "my.local", FULL, False, "", "docker://my.local/busybox:1"),
        ("docker", "my.local/repo/", FULL, False, "", "docker://my.local/repo/busybox:1"),
        ("docker", "my.local/repo", FULL, True, "", f"docker://my.local/repo/{FULL}"),
        ("docker", "my.local/repo", FULL, True, "-s", f"docker://my.local/repo/{FULL}-s"),
        ("docker", "my.local", f"h/a/b@{DIGEST}", False, "", f"docker://my.local/b@{DIGEST}"),
        ("docker", "my.local", "app", False, "", "docker://my.local/app:latest"),
        ("docker", "docker.io/library", FULL, False, "", "docker://busybox:1"),
        ("docker", "someone", FULL, False, "", "docker://someone/busybox:1"),
        ("docker", "my.local", "a/b/c:1", True, "", "docker://my.local/a/b/c:1"),
        ("oci", "layout", FULL, False, "", "oci:layout:busybox:1"),
        ("oci", "/a/layout", FULL, True, "-s", f"oci:/a/layout:{FULL}-s"),
        ("oci", "layout", f"h/a/b@{DIGEST}", False, "", f"oci:layout:b@{DIGEST}"),
    ],
)
def test_names(transport: str, destination: str, path: str, scoped: bool, suffix: str, name: str) -> None:
    assert destination_name(transport, destination, path, scoped=scoped, suffix=suffix) == name


@pytest.mark.parametrize(
    ("transport", "destination", "path", "scoped"),
    [
        ("docker", "my.local", "h:5000/a/b:1", True),
        ("docker", "my.local/UPPER", "h/a:1", False),
        ("docker", "my.local", "a/not a name:1", False),
        ("oci", "a:b", "h/a:1", False),
        ("oci", "a", "h/a__b:1", False),
        ("dir", "out", "..", False),
        ("dir", "out", "a/../../b:1", True),
        ("dir", "out", "", False),
        ("dir", "out", "/", True),
        ("dir", "out", "a/.", True),
    ],
)
def test_what_is_no_name_is_refused(transport: str, destination: str, path: str, scoped: bool) -> None:
    with pytest.raises(InvalidName):
        destination_name(transport, destination, path, scoped=scoped)


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("alpine", "alpine:latest"),
        ("docker.io/library/alpine:3", "alpine:3"),
        ("docker.io/a/b", "a/b:latest"),
        ("docker.io/library/a/b:1", "library/a/b:1"),
        ("quay.io/library/alpine:3", "quay.io/library/alpine:3"),
        (f"alpine@{DIGEST}", f"alpine@{DIGEST}"),
    ],
)
def test_familiar_names_lead_back(text: str, short: str) -> None:
    reference = Reference.parse(text)
    assert familiar_name(reference) == short
    assert Reference.parse(short) == reference


def test_two_images_for_one_place_are_refused() -> None:
    one, two = SyncImage("docker://a/x:1", "dir:o/x:1"), SyncImage("docker://b/x:1", "dir:o/x:1")
    check_distinct([one, SyncImage("docker://b/x:1", "dir:o/y:1")])
    check_distinct([one, one])
    with pytest.raises(InvalidInput, match=r"docker://a/x:1 and docker://b/x:1 would both be written to dir:o/x:1.*--scoped"):
        check_distinct([one, two])


def test_a_directory_in_that_of_another_image_is_refused() -> None:
    one, two = SyncImage("oci:l:a", "dir:/o/a"), SyncImage("oci:l:a/b/c", "dir:/o/a/b/c")
    with pytest.raises(
        InvalidInput, match=r"oci:l:a/b/c would be written to dir:/o/a/b/c, within the directory of oci:l:a:"
    ):
        check_distinct([two, one])
    check_distinct([one, SyncImage("oci:l:ab/c", "dir:/o/ab/c"), SyncImage("oci:l:d", "dir:d")])
    check_distinct([SyncImage("oci:l:a", "docker://o/a:1"), SyncImage("oci:l:b", "docker://o/a/b:1")])


def test_a_port_in_a_scoped_name_is_said_to_be_the_reason() -> None:
    with pytest.raises(InvalidName, match="--scoped puts localhost:5000 into the name, where no port is allowed"):
        destination_name("docker", "mirror.example.com/hub", "localhost:5000/team/app:1", scoped=True)
    with pytest.raises(InvalidName) as caught:
        destination_name("docker", "mirror.example.com/HUB", "quay.io/team/app:1", scoped=True)
    assert "--scoped" not in str(caught.value)
