"""What pullImage is to be told: names as they were given, and what may not be asked for."""

from __future__ import annotations

import pytest

from pyskopeo.api.nix import NixRequest, nix_prefetch
from pyskopeo.errors import InvalidName, StorageFailed
from pyskopeo.model.digest import Digest
from tests.support.access import access_for
from tests.support.scripted import HOST, Script

DIGEST = Digest.of(b"x")


@pytest.mark.parametrize(
    ("image", "name", "meant", "tag", "file"),
    [
        ("alpine", "alpine", "docker.io/library/alpine:latest", "latest", "docker-image-alpine-latest.tar"),
        ("docker://alpine:3.20", "alpine", "docker.io/library/alpine:3.20", "3.20", "docker-image-alpine-3.20.tar"),
        ("nixos/nix:2.19.3", "nixos/nix", "docker.io/nixos/nix:2.19.3", "2.19.3", "docker-image-nixos-nix-2.19.3.tar"),
        ("127.0.0.1:5000/a", "127.0.0.1:5000/a", "127.0.0.1:5000/a:latest", "latest",
         "docker-image-127.0.0.1-5000-a-latest.tar"),
        (f"quay.io/a/b@{DIGEST}", "quay.io/a/b", f"quay.io/a/b@{DIGEST}", "latest",
         "docker-image-quay.io-a-b-latest.tar"),
        (f"quay.io/a/b:1@{DIGEST}", "quay.io/a/b", f"quay.io/a/b:1@{DIGEST}", "1", "docker-image-quay.io-a-b-1.tar"),
    ],
)  # fmt: skip
def test_a_name_stays_as_it_was_given(image: str, name: str, meant: str, tag: str, file: str) -> None:
    found = NixRequest.parse(image)
    assert (found.name, str(found.reference), found.final_name, found.final_tag) == (name, meant, name, tag)
    assert found.file_name == file


def test_the_name_in_the_archive() -> None:
    found = NixRequest.parse("alpine:3", final_name="example.com/base", final_tag="x")
    assert (found.name, found.final_name, found.final_tag) == ("alpine", "example.com/base", "x")
    assert found.file_name == "docker-image-example.com-base-x.tar"


@pytest.mark.parametrize(
    ("image", "final_name", "final_tag", "reason"),
    [
        ("oci:/some/where:x", "", "", "of an image in a registry"),
        ("Alpine", "", "", "must be lowercase"),
        ("alpine:", "", "", "invalid tag"),
        ("alpine", "a:1", "", "invalid reference"),
        ("alpine", "", "a/b", "invalid"),
        ("alpine", "", f"1@{DIGEST}", "digest"),
    ],
)
def test_what_is_no_name(image: str, final_name: str, final_tag: str, reason: str) -> None:
    with pytest.raises(InvalidName, match=reason):
        NixRequest.parse(image, final_name=final_name, final_tag=final_tag)


@pytest.mark.anyio
async def test_without_nix_nothing_is_requested(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(script.home))
    with pytest.raises(StorageFailed, match="no program nix-store.*--no-add"):
        await nix_prefetch(NixRequest.parse(f"{HOST}/a/b"), access=access_for(script.home))
    assert script.requests == []
