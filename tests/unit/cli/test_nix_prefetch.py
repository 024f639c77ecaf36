"""The flags of ``nix-prefetch``, which are those of nix-prefetch-docker."""

from __future__ import annotations

import pytest

from pyskopeo.cli.command import GLOBAL
from pyskopeo.cli.flags import parse
from pyskopeo.cli.nix_prefetch import COMMAND, NixPrefetchOptions
from pyskopeo.errors import InvalidInput
from pyskopeo.model.digest import Digest

DIGEST = str(Digest.of(b"x"))


def read(*words: str) -> NixPrefetchOptions:
    parsed, _ = parse(words, (*GLOBAL, *COMMAND.flags))
    return NixPrefetchOptions.of(parsed)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["alpine"], "docker.io/library/alpine:latest"),
        (["alpine", "3.20"], "docker.io/library/alpine:3.20"),
        (["alpine", DIGEST], f"docker.io/library/alpine@{DIGEST}"),
        (["--image-name", "alpine", "3.20"], "docker.io/library/alpine:3.20"),
        (["--image-name", "quay.io/a/b", "--image-tag", "1"], "quay.io/a/b:1"),
        (["quay.io/a/b", "--image-digest", DIGEST], f"quay.io/a/b@{DIGEST}"),
        (["localhost:5000/a", "1", "--image-digest", DIGEST], f"localhost:5000/a:1@{DIGEST}"),
    ],
)
def test_an_image_by_arguments_and_flags(words: list[str], meant: str) -> None:
    assert str(read(*words).request.reference) == meant


@pytest.mark.parametrize(
    ("words", "platform", "pinned"),
    [
        ([], "linux/amd64", False),
        (["--arch", "arm64"], "linux/arm64", False),
        (["--os", "windows"], "windows/amd64", False),
        (["--override-arch", "s390x"], "linux/s390x", False),
        (["--override-arch", "s390x", "--arch", "386"], "linux/386", False),
        (["--arch", "arm", "--variant", "v6"], "linux/arm/v6", True),
        (["--arch", "arm", "--platform-digest"], "linux/arm", True),
    ],
)
def test_the_platform_is_that_of_nixpkgs(words: list[str], platform: str, pinned: bool) -> None:
    request = read("alpine", *words).request
    assert (str(request.platform), request.pins_platform) == (platform, pinned)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "Which image"),
        (["alpine", "1", "2"], "At most two arguments"),
        (["alpine:1", "2"], "of its own"),
        ([f"alpine@{DIGEST}", DIGEST], "of its own"),
        (["alpine", "--hash-format", "hex"], "want one of sri, base32"),
    ],
)
def test_what_cannot_be_meant(words: list[str], reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        read(*words)


def test_quiet_shows_no_progress() -> None:
    assert (read("alpine").progress, read("alpine", "--quiet").progress) == ("auto", "none")
