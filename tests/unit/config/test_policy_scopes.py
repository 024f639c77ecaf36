"""What policies call an image, most specific first."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from pyskopeo.config.policy_scopes import Subject, by_path, by_reference, check_scope, unscoped
from pyskopeo.errors import InvalidInput
from pyskopeo.model.reference import Reference

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize("transport", ["docker", "docker-daemon"])
@pytest.mark.parametrize(
    ("name", "identity", "namespaces"),
    [
        ("busybox", "docker.io/library/busybox:latest", "docker.io/library/busybox docker.io/library docker.io *.io"),
        ("index.docker.io/a:1", "docker.io/library/a:1", "docker.io/library/a docker.io/library docker.io *.io"),
        ("a/b:1", "docker.io/a/b:1", "docker.io/a/b docker.io/a docker.io *.io"),
        (f"quay.io/a@{DIGEST}", f"quay.io/a@{DIGEST}", "quay.io/a quay.io *.io"),
        (
            "x.y.example.com:5000/a/b/c:v1.0",
            "x.y.example.com:5000/a/b/c:v1.0",
            (
                "x.y.example.com:5000/a/b/c x.y.example.com:5000/a/b x.y.example.com:5000/a x.y.example.com:5000 "
                "*.y.example.com *.example.com *.com"
            ),
        ),
        ("127.0.0.1:5000/a:1", "127.0.0.1:5000/a:1", "127.0.0.1:5000/a 127.0.0.1:5000 *.0.0.1 *.0.1 *.1"),
        ("localhost/a:1", "localhost/a:1", "localhost/a localhost"),
        ("localhost:5000/a:1", "localhost:5000/a:1", "localhost:5000/a localhost:5000"),
        ("[::1]:5000/a:1", "[::1]:5000/a:1", "[::1]:5000/a [::1]:5000"),
        # The tag is only what the user says; the digest is what is read.
        (f"quay.io/a:1@{DIGEST}", f"quay.io/a@{DIGEST}", "quay.io/a quay.io *.io"),
    ],
)
def test_names(transport: Literal["docker", "docker-daemon"], name: str, identity: str, namespaces: str) -> None:
    found = by_reference(transport, Reference.parse(name))
    assert found == Subject(transport, identity, tuple(namespaces.split()))


def test_a_bare_repository() -> None:
    found = by_reference("docker", Reference.parse("quay.io/a", default_tag=""))
    assert found == Subject("docker", "quay.io/a", ("quay.io/a", "quay.io", "*.io"))


@pytest.mark.parametrize("transport", ["dir", "oci", "oci-archive"])
@pytest.mark.parametrize(
    ("path", "namespaces"),
    [
        ("/a/b.c/d", ("/a/b.c/d", "/a/b.c", "/a")),
        ("/a", ("/a",)),
        ("/", ()),
        # Two slashes at the start are one: nothing gets round a rule that way.
        ("//a/b", ("/a/b", "/a")),
        ("/a b/ü:v1", ("/a b/ü:v1", "/a b")),
    ],
)
def test_paths(transport: Literal["dir", "oci", "oci-archive"], path: str, namespaces: tuple[str, ...]) -> None:
    identity = namespaces[0] if namespaces else "/"
    assert by_path(transport, Path(path)) == Subject(transport, identity, namespaces)


@pytest.mark.parametrize("path", ["a", ".", "/a/../b", "../a"])
def test_paths_must_be_resolved(path: str) -> None:
    with pytest.raises(ValueError, match="is not resolved"):
        by_path("dir", Path(path))


@pytest.mark.parametrize("transport", ["docker-archive", "docker-daemon", "tarball"])
def test_without_scopes(transport: Literal["docker-archive", "docker-daemon", "tarball"]) -> None:
    assert unscoped(transport) == Subject(transport, "", ())


def is_scope(transport: str, scope: str) -> bool:
    try:
        check_scope(transport, scope)
    except InvalidInput:
        return False
    return True


@pytest.mark.parametrize(
    "image",
    [
        *(by_reference("docker", Reference.parse(name)) for name in ("busybox", f"a.b:5/c/d@{DIGEST}", "[::1]/a")),
        by_reference("docker-daemon", Reference.parse("a.b/c:1")),
        by_path("dir", Path("/a/b")),
        by_path("oci", Path("/a/b:c")),
        by_path("oci-archive", Path("/a/b.tar")),
        unscoped("tarball"),
        unscoped("docker-archive"),
    ],
)
def test_what_an_image_is_called_can_be_written_in_a_policy(image: Subject) -> None:
    assert [scope for scope in (image.identity, *image.namespaces, "") if not is_scope(image.transport, scope)] == []


def test_what_no_image_is_called_cannot() -> None:
    for transport, scope in (("dir", "/"), ("oci", "a"), ("tarball", "/a"), ("docker-daemon", DIGEST)):
        with pytest.raises(InvalidInput):
            check_scope(transport, scope)
        assert not is_scope(transport, scope)
