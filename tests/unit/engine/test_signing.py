"""As which image a copy signs, and what is refused before it copies anything."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import pytest

from pyskopeo.engine.destination_wrapper import DestinationWrapper
from pyskopeo.engine.signing import NO_SIGNING, PreparedOnce, Signing
from pyskopeo.errors import CredentialsFailed, InvalidInput, Unsupported
from pyskopeo.model.digest import Digest
from pyskopeo.model.reference import Reference
from pyskopeo.model.signature import SignatureFormat
from pyskopeo.transports import parse_image_name
from tests.support.memory import OCI, Destination
from tests.support.signers import NamedSigner

SIGNERS = (NamedSigner("a"),)
TAKES = Destination(replace(OCI, unsigned=""))
GIVE_IT = "give the name to sign it as with copy --sign-identity"
OTHER = Reference.parse("example.com/other:2")


@pytest.mark.parametrize(
    ("name", "identity", "signed_as"),
    [
        ("docker://example.com/team/app:1", None, "example.com/team/app:1"),
        ("docker://alpine", None, "docker.io/library/alpine:latest"),
        ("docker://example.com/app@sha256:" + "0" * 64, None, "example.com/app@sha256:" + "0" * 64),
        ("docker://example.com/team/app:1", OTHER, "example.com/other:2"),
        ("dir:/tmp/a", OTHER, "example.com/other:2"),
    ],
)
def test_the_identity(name: str, identity: Reference | None, signed_as: str) -> None:
    signing = Signing.of(SIGNERS, identity, parse_image_name(name), TAKES)
    assert (signing.signers, str(signing.identity)) == (SIGNERS, signed_as)


@pytest.mark.parametrize(
    ("name", "identity", "message"),
    [
        ("dir:/tmp/a", None, f"Cannot determine canonical Docker reference for destination dir:/tmp/a: {GIVE_IT}"),
        ("dir:/tmp/a", Reference.parse("example.com/a", default_tag=""),
         "Sign identity must be a fully specified reference example.com/a: want one with a tag"),
        ("docker://example.com/a@@unknown-digest@@", None,
         f"reference example.com/a can't be signed, it has neither a tag nor a digest: {GIVE_IT}"),
    ],
)  # fmt: skip
def test_no_identity(name: str, identity: Reference | None, message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Signing.of(SIGNERS, identity, parse_image_name(name), TAKES)
    assert str(refused.value) == message


@pytest.mark.anyio
@pytest.mark.parametrize("fails", [False, True])
async def test_a_signer_of_several_copies_is_prepared_once(fails: bool) -> None:
    asked: list[str] = []

    class Asking(NamedSigner):
        async def prepare(self) -> None:
            asked.append(self.called)
            if fails:
                raise CredentialsFailed("wrong passphrase")

    signer = PreparedOnce(Asking("a", "sigstore"))
    assert (signer.called, signer.format, signer.method) == ("a", "sigstore", NamedSigner.method)
    for _ in range(3):
        with pytest.raises(CredentialsFailed, match="^wrong passphrase$") if fails else nullcontext():
            await signer.prepare()
    assert asked == ["a"]
    assert (await signer.sign(Digest.parse("sha256:" + "0" * 64), OTHER)).content == b"a example.com/other:2"


def test_a_destination_that_cannot_store_them() -> None:
    class Attached(Destination):
        def why_unsigned(self, format: SignatureFormat) -> str:
            return "" if format == "sigstore" else "only attachments are stored"

    name, opened = parse_image_name("docker://example.com/a:1"), DestinationWrapper(Attached(OCI))
    with pytest.raises(Unsupported) as refused:
        Signing.of(SIGNERS, None, name, opened)
    assert str(refused.value) == (
        "writing signatures: only attachments are stored: docker://example.com/a:1 has no place for them"
    )
    assert Signing.of((NamedSigner("a", "sigstore"),), None, name, opened).signers
    assert Signing.of((), None, parse_image_name("dir:/tmp/a"), Destination(OCI)) is NO_SIGNING
