"""What we have Sequoia's sq sign: skopeo accepts it, as do we; mistakes are one line."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pyskopeo.config.policy_identities import MatchExact
from pyskopeo.errors import CredentialsFailed, InvalidInput, PyskopeoError, Unsupported
from pyskopeo.model.digest import Digest
from pyskopeo.model.reference import Reference
from pyskopeo.signatures.simple_signing import verify
from pyskopeo.signatures.verdict import SignedImage
from pyskopeo.signing.sequoia import SqSigner
from tests.support.require import require_peer
from tests.support.sequoia import Sequoia

pytestmark = [pytest.mark.anyio, pytest.mark.peer("sq")]
MANIFEST = b'{"schemaVersion":2}'
DIGEST = Digest.of(MANIFEST)
NAME = Reference.parse("example.com/app:1")


@pytest.fixture
def anyio_backend() -> str:
    """One is enough: what differs is how a thread is waited for, which has tests of its own."""
    return "asyncio"


@pytest.fixture(scope="module")
def sequoia() -> Iterator[Sequoia]:
    with Sequoia() as found:
        yield found


@pytest.fixture(scope="module")
def alice(sequoia: Sequoia) -> str:
    return sequoia.create("alice")


@pytest.fixture(scope="module")
def guarded(sequoia: Sequoia) -> str:
    return sequoia.create("dora", passphrase="open sesame")


async def accepted_by_both(sequoia: Sequoia, signer: SqSigner, key: str, folder: Path) -> None:
    await signer.prepare()
    signature = await signer.sign(DIGEST, NAME)
    keys = sequoia.public_key(key)
    verdict = verify(signature, SignedImage(MANIFEST, "x", NAME), [keys], MatchExact(), datetime.now(UTC))
    assert (verdict.reason, verdict.signer) == ("", key)
    (folder / "manifest.json").write_bytes(MANIFEST)
    (folder / "signature").write_bytes(signature.content)
    (folder / "keys.asc").write_bytes(keys)
    words = ("standalone-verify", "--public-key-file", "keys.asc", "manifest.json", str(NAME), "any", "signature")
    done = subprocess.run([require_peer("skopeo"), *words], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout == f"Signature verified using fingerprint {key}, digest {DIGEST}\n"


@pytest.mark.parametrize("written", [str, str.lower, lambda key: " ".join(key[i : i + 4] for i in range(0, 40, 4)), lambda key: key[-16:]])
async def test_both_accept_it(sequoia: Sequoia, alice: str, written: Callable[[str], str], tmp_path: Path) -> None:
    await accepted_by_both(sequoia, SqSigner(written(alice), sequoia.environ), alice, tmp_path)


async def test_a_passphrase_for_sq(sequoia: Sequoia, guarded: str, tmp_path: Path) -> None:
    await accepted_by_both(sequoia, SqSigner(guarded, sequoia.environ, b"open sesame"), guarded, tmp_path)


@pytest.mark.parametrize(
    ("key", "passphrase", "kind", "reason"),
    [
        (None, b"", CredentialsFailed, "is the passphrase right?"),
        (None, b"open rye", CredentialsFailed, "is the passphrase right?"),
        (None, b"a\nb", InvalidInput, "invalid passphrase: must not contain a line break"),
        ("0" * 40, b"", CredentialsFailed, f"{'0' * 40} was not found"),
        ("alice", b"", InvalidInput, "ALICE is not the fingerprint of a key"),
        ("--help", b"", InvalidInput, "--HELP is not the fingerprint of a key"),
        ("", b"", InvalidInput, " is not the fingerprint of a key"),
    ],
)
async def test_keys_that_sq_cannot_sign_with(
    sequoia: Sequoia, guarded: str, key: str | None, passphrase: bytes, kind: type[PyskopeoError], reason: str
) -> None:
    with pytest.raises(kind) as caught:
        await SqSigner(guarded if key is None else key, sequoia.environ, passphrase).prepare()
    message = str(caught.value)
    assert reason in message
    assert message.isprintable()
    assert "rye" not in message
    assert len(message) < 500


async def test_without_sq(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="^signing with a key of Sequoia needs the program sq, which is not in PATH$"):
        await SqSigner("0" * 40, {"PATH": str(tmp_path)}).prepare()


@pytest.mark.parametrize("script", ["echo 'sq 0.27.0' >&2", "echo \"error: The subcommand 'version' wasn't recognized\" >&2; exit 2"])
async def test_an_older_sq(tmp_path: Path, script: str) -> None:
    (tmp_path / "sq").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "sq").chmod(0o755)
    with pytest.raises(Unsupported, match=f"^signing with a key of Sequoia needs sq 1.0 or newer, which {tmp_path}/sq is not$"):
        await SqSigner("0" * 40, {"PATH": str(tmp_path)}).prepare()
