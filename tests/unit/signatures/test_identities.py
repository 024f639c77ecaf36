"""Which names a signature may claim (containers-policy.json(5), "signedIdentity")."""

import pytest

from pyskopeo.config.policy_identities import (
    ExactReference,
    ExactRepository,
    MatchExact,
    MatchRepoDigestOrExact,
    MatchRepository,
    RemapIdentity,
    SignedIdentity,
)
from pyskopeo.model.reference import Reference
from pyskopeo.signatures.identities import refusal

HEX = "0123456789abcdef" * 4
DIGEST = f"@sha256:{HEX}"
OTHER = f"@sha256:{HEX[::-1]}"

# The image that is asked for, what the signature claims, and whether matchExact, matchRepoDigestOrExact and
# matchRepository accept it: as the tests of containers/image have it.
NAMES = [
    ("busybox:latest", "busybox:latest", "yyy"),
    ("busybox:latest", "docker.io/library/busybox:latest", "yyy"),
    ("docker.io/library/busybox:latest", "busybox:latest", "yyy"),
    ("busybox:latest", "index.docker.io/library/busybox:latest", "yyy"),
    ("example.com/app:1", "example.com/app:1", "yyy"),
    ("example.com/app:1", "example.com/app:2", "nny"),
    ("example.com/app:1", "example.com/other:1", "nnn"),
    ("example.com/app:1", "example.org/app:1", "nnn"),
    ("example.com/app:1", "example.com:443/app:1", "nnn"),
    ("example.com/app:1", "example.com/app/app:1", "nnn"),
    ("example.com/app:1", f"example.com/app{DIGEST}", "nny"),
    ("example.com/app:1", f"example.com/app:1{DIGEST}", "nny"),
    (f"example.com/app{DIGEST}", f"example.com/app{DIGEST}", "yyy"),
    (f"example.com/app{DIGEST}", f"example.com/app{OTHER}", "nyy"),
    (f"example.com/app{DIGEST}", "example.com/app:any", "nyy"),
    (f"example.com/app{DIGEST}", "example.com/other:any", "nnn"),
    (f"example.com/app{DIGEST}", "example.com/app", "nny"),
    (f"example.com/app:1{DIGEST}", f"example.com/app:1{DIGEST}", "yyy"),
    (f"example.com/app:1{DIGEST}", "example.com/app:1", "nny"),
    (f"example.com/app:1{DIGEST}", f"example.com/app{DIGEST}", "nny"),
    ("example.com/app", "example.com/app", "nny"),
    ("example.com/app", "example.com/app:latest", "nny"),
    ("example.com/app:latest", "example.com/app", "nny"),
    ("example.com/app:1", "", "nnn"),
    ("example.com/app:1", "example.com/APP:1", "nnn"),
    ("example.com/app:1", "example.com/app:1 ", "nnn"),
    ("example.com/app:1", "example.com/app:1\n", "nnn"),
    ("example.com/app:1", "docker://example.com/app:1", "nnn"),
    ("example.com/app:1", HEX, "nnn"),
    ("example.com/app:1", "example.com/app:1@sha256:12", "nnn"),
]  # fmt: skip


@pytest.mark.parametrize(("image", "claimed", "expected"), NAMES)
def test_names_that_are_compared_with_that_of_the_image(image: str, claimed: str, expected: str) -> None:
    asked = Reference.parse(image, default_tag="")
    found = [refusal(kind, asked, claimed) for kind in (MatchExact(), MatchRepoDigestOrExact(), MatchRepository())]
    assert "".join("n" if reason else "y" for reason in found) == expected
    assert all(reason == "" or reason.startswith('Signature for identity "') for reason in found)


@pytest.mark.parametrize("kind", [MatchExact(), MatchRepoDigestOrExact(), MatchRepository(), RemapIdentity("a.com", "b.com")])
def test_an_image_without_a_reference(kind: SignedIdentity) -> None:
    reason = refusal(kind, None, "example.com/app:1")
    assert f"the image has no registry reference, which {kind.type} compares with" in reason


@pytest.mark.parametrize(
    ("wanted", "claimed", "accepted"),
    [
        ("example.com/app:1", "example.com/app:1", True),
        ("busybox:1", "docker.io/library/busybox:1", True),
        (f"example.com/app{DIGEST}", f"example.com/app{DIGEST}", True),
        (f"example.com/app{DIGEST}", "example.com/app:1", False),
        ("example.com/app:1", "example.com/app:2", False),
        ("example.com/app:1", "example.com/app", False),
        ("example.com/app:1", "!", False),
    ],
)
@pytest.mark.parametrize("image", [None, Reference.parse("example.org/else:9")])
def test_a_given_reference(wanted: str, claimed: str, accepted: bool, image: Reference | None) -> None:
    assert (refusal(ExactReference(wanted), image, claimed) == "") is accepted


@pytest.mark.parametrize(
    ("wanted", "claimed", "accepted"),
    [
        ("example.com/app", "example.com/app:1", True),
        ("example.com/app", f"example.com/app{DIGEST}", True),
        ("example.com/app", "example.com/app", True),
        ("busybox", "docker.io/library/busybox:1", True),
        ("example.com/app:2", "example.com/app:1", True),
        ("example.com/app", "example.com/app/more:1", False),
        ("example.com/app", "", False),
    ],
)
@pytest.mark.parametrize("image", [None, Reference.parse("example.org/else:9")])
def test_a_given_repository(wanted: str, claimed: str, accepted: bool, image: Reference | None) -> None:
    assert (refusal(ExactRepository(wanted), image, claimed) == "") is accepted


@pytest.mark.parametrize(
    ("prefix", "signed_prefix", "image", "claimed", "accepted"),
    [
        ("mirror.com", "vendor.com", "mirror.com/ns/app:1", "vendor.com/ns/app:1", True),
        ("mirror.com", "vendor.com", "mirror.com/ns/app:1", "mirror.com/ns/app:1", False),
        ("mirror.com", "vendor.com", "mirror.com/ns/app:1", "vendor.com/ns/app:2", False),
        ("mirror.com", "vendor.com", f"mirror.com/ns/app{DIGEST}", "vendor.com/ns/app:any", True),
        ("mirror.com/vendor", "vendor.com", "mirror.com/vendor/app:1", "vendor.com/app:1", True),
        ("mirror.com/vendor/app", "vendor.com/product", "mirror.com/vendor/app:1", "vendor.com/product:1", True),
        ("mirror.com/ns", "mirror.com/ns", "mirror.com/ns/app:1", "mirror.com/ns/app:1", True),
        # Names without the prefix are as they are.
        ("mirror.com", "vendor.com", "other.com/ns/app:1", "other.com/ns/app:1", True),
        ("mirror.com", "vendor.com", "other.com/ns/app:1", "vendor.com/ns/app:1", False),
        ("mirror.com", "vendor.com", "mirror.com:5000/app:1", "vendor.com:5000/app:1", False),
        ("mirror.com", "vendor.com", "mirror.com.evil/app:1", "vendor.com.evil/app:1", False),
        ("mirror.com/ns", "vendor.com/ns", "mirror.com/ns2/app:1", "vendor.com/ns2/app:1", False),
        ("mirror.com", "docker.io/library", "mirror.com/busybox:1", "busybox:1", True),
        # The result has to be a full name.
        ("mirror.com", "docker.io", "mirror.com/busybox:1", "docker.io/library/busybox:1", False),
        ("mirror.com", "vendor", "mirror.com/app:1", "docker.io/vendor/app:1", False),
        ("docker.io/library/app", "vendor.com", "app:1", "vendor.com:1", False),
        # Nor is it one at all here.
        ("mirror.com", "vendor.com/" + "a" * 250, "mirror.com/app:1", "vendor.com/app:1", False),
    ],
)
def test_another_prefix(prefix: str, signed_prefix: str, image: str, claimed: str, accepted: bool) -> None:
    reason = refusal(RemapIdentity(prefix, signed_prefix), Reference.parse(image), claimed)
    assert (reason == "") is accepted


def test_a_tag_and_a_digest_are_one_name() -> None:
    reason = refusal(MatchRepoDigestOrExact(), Reference.parse(f"example.com/app:1{DIGEST}"), "example.com/app:1")
    assert reason.endswith(f"it has to be for example.com/app:1{DIGEST}, with tag and digest; name the image by one of them")


def test_a_reason_is_one_short_line() -> None:
    reason = refusal(MatchExact(), Reference.parse("app:1"), 'a"\n\x1b[31m' + "b" * 1000)
    assert reason.isprintable()
    assert '"a\\"\\n\\x1b[31m' in reason
    assert len(reason) < 600
