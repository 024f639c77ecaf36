"""Signatures of sigstore: what is signed, and what is in them besides."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from pyskopeo import __version__
from pyskopeo.errors import InvalidInput, NetworkError, StorageFailed
from pyskopeo.model.digest import Digest
from pyskopeo.model.reference import Reference
from pyskopeo.signing.sigstore import PrivateKeyFile, SigningMaterial, SigstoreSigner, payload
from pyskopeo.signing.sigstore_keys import KEY_LIMIT, public_key_pem
from tests.support.sigstore_keys import PASSPHRASE, signing_key, write_sigstore_key

pytestmark = pytest.mark.anyio
DIGEST = Digest.parse("sha256:" + "0" * 64)
IMAGE = Reference.parse("example.com/a:1")


class Keys:
    """Hands out a new key, usable until a given time, each time it is asked."""

    called = "keys"

    def __init__(self, expires: Callable[[], float | None]) -> None:
        self._expires, self.opened = expires, 0

    async def open(self) -> SigningMaterial:
        self.opened += 1
        key = signing_key("P-256", self.opened)
        return SigningMaterial(key, public_key_pem(key), (("certificate", f"number {self.opened}"),), self._expires())


class Log:
    """Notes what it is to record."""

    def __init__(self) -> None:
        self.added: list[tuple[bytes, bytes, bytes]] = []

    async def add(self, checked_with: bytes, signature: bytes, payload: bytes) -> str:
        self.added.append((checked_with, signature, payload))
        return f"entry {len(self.added)}"


def test_the_payload_is_that_of_skopeo() -> None:
    assert payload(str(DIGEST), "example.com/a&b:1", 1795977041).decode() == (
        '{"critical":{"identity":{"docker-reference":"example.com/a\\u0026b:1"},'
        f'"image":{{"docker-manifest-digest":"{DIGEST}"}},"type":"cosign container image signature"}},'
        f'"optional":{{"creator":"pyskopeo {__version__}","timestamp":1795977041}}}}'
    )


async def test_a_signature_by_a_key_in_a_file(tmp_path: Path) -> None:
    files = write_sigstore_key(tmp_path)
    signer = SigstoreSigner(PrivateKeyFile(files.private, PASSPHRASE.encode()))
    assert signer.called == str(files.private)
    await signer.prepare()
    files.private.unlink()  # it is read once
    before = int(time.time())
    signature = await signer.sign(DIGEST, IMAGE)
    assert signature.format == signer.format == "sigstore"
    assert signature.media_type == "application/vnd.dev.cosign.simplesigning.v1+json"
    assert signature.annotations.keys() == {"dev.cosignproject.cosign/signature"}
    made = base64.b64decode(signature.annotations["dev.cosignproject.cosign/signature"])
    public = signing_key("P-256").public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(made, signature.content, ec.ECDSA(hashes.SHA256()))
    document = json.loads(signature.content)
    assert document["critical"]["identity"] == {"docker-reference": "example.com/a:1"}
    assert document["critical"]["image"] == {"docker-manifest-digest": str(DIGEST)}
    assert before <= document["optional"]["timestamp"] <= time.time()


async def test_what_a_log_says_is_in_the_signature() -> None:
    keys, log = Keys(lambda: None), Log()
    signer = SigstoreSigner(keys, log)
    signatures = [await signer.sign(DIGEST, IMAGE) for _ in range(2)]
    assert [one.annotations["dev.sigstore.cosign/bundle"] for one in signatures] == ["entry 1", "entry 2"]
    assert [one.annotations["certificate"] for one in signatures] == ["number 1"] * 2
    assert log.added == [
        (public_key_pem(signing_key("P-256", 1)), base64.b64decode(one.annotations["dev.cosignproject.cosign/signature"]), one.content)
        for one in signatures
    ]
    assert keys.opened == 1


async def test_a_key_is_renewed_before_it_expires() -> None:
    keys = Keys(lambda: time.time() + (61 if keys.opened == 2 else 59))
    signer = SigstoreSigner(keys)
    await signer.prepare()
    signatures = [await signer.sign(DIGEST, IMAGE) for _ in range(2)]
    assert [one.annotations["certificate"] for one in signatures] == ["number 2"] * 2


async def test_a_log_that_fails() -> None:
    class Failing:
        async def add(self, checked_with: bytes, signature: bytes, payload: bytes) -> str:
            raise NetworkError("no log")

    with pytest.raises(NetworkError, match="no log"):
        await SigstoreSigner(Keys(lambda: None), Failing()).sign(DIGEST, IMAGE)


async def test_a_repository_is_no_image() -> None:
    with pytest.raises(InvalidInput, match="reference example.com/a can't be signed, it has neither a tag nor a digest"):
        await SigstoreSigner(Keys(lambda: None)).sign(DIGEST, Reference.parse("example.com/a", default_tag=""))


async def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    async def refused(content: bytes | None) -> str:
        path = tmp_path / "key"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises((InvalidInput, StorageFailed)) as failed:
            await SigstoreSigner(PrivateKeyFile(path, b"secret")).prepare()
        assert "secret" not in str(failed.value) + repr(PrivateKeyFile(path, b"secret"))
        return str(failed.value)

    where = f"{tmp_path}/key"
    assert await refused(None) == f"reading private key from {where}: open {where}: no such file or directory"
    assert (await refused(b"")).startswith(f"initializing private key: invalid pem block: {where} is no file in PEM")
    assert "is over the limit of 65536 bytes" in await refused(b"x" * (KEY_LIMIT + 1))
    wrong = await refused(write_sigstore_key(tmp_path).private.read_bytes())
    assert wrong.startswith(f"initializing private key: decrypt: encrypted: decryption failed: the passphrase of {where} is")
