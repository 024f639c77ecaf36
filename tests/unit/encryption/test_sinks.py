"""Layers on their way through encryption and decryption, and the annotations that say how."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from pyskopeo.encryption import jwe
from pyskopeo.encryption.layer_keys import CIPHER, LayerKey, unwrap, wrap
from pyskopeo.encryption.sinks import DecryptingSink, EncryptingSink
from pyskopeo.errors import ContentMismatch, InvalidContent, TooLarge
from pyskopeo.model import mediatype
from pyskopeo.model.change import Change, Outcome
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.streams.plain_content import InflatedTotal, PlainContent
from pyskopeo.streams.pump import Blob, MemorySink
from tests.support.compressed import LARGE
from tests.support.keys import private_key

KEYS = "org.opencontainers.image.enc.keys.jwe"
OPTIONS = "org.opencontainers.image.enc.pubopts"
KEY, OTHER = private_key("P-256"), private_key("P-256", 1)
GZIPPED = gzip.compress(LARGE, mtime=0)


def blob(content: bytes, media_type: str = mediatype.OCI_LAYER_GZIP, *, plain: PlainContent = PlainContent()) -> Blob:  # noqa: B008 - frozen
    described = Descriptor(media_type, Digest.of(content), len(content), annotations={"a": "b"}, urls=("https://x/",))

    @asynccontextmanager
    async def never(_: int) -> Any:
        raise AssertionError
        yield

    return Blob(described, never, plain=plain)


def pass_through(sink: EncryptingSink | DecryptingSink, content: bytes, step: int = 70_000) -> Outcome:
    for start in range(0, len(content), step):
        sink.write(memoryview(bytearray(content[start : start + step])))
    sink.finish()
    sink.close()
    return sink.outcome


def encrypted(content: bytes = GZIPPED, change: Change = Change(None), **more: Any) -> tuple[bytes, Outcome]:  # noqa: B008 - frozen
    target = MemorySink()
    outcome = pass_through(EncryptingSink(target, change, blob(content, **more), [KEY.public_key()]), content)
    return bytes(target.content), outcome


def decrypted(content: bytes, layer: Descriptor, change: Change = Change(None), plain: PlainContent = PlainContent()) -> tuple[bytes, Outcome]:  # noqa: B008 - frozen
    target = MemorySink()
    source = replace(blob(content, plain=plain), descriptor=layer)
    outcome = pass_through(DecryptingSink(target, change, source, [OTHER, KEY]), content)
    return bytes(target.content), outcome


@pytest.mark.parametrize("step", [1, 999, 70_000, 10**7])
def test_there_and_back(step: int) -> None:
    data = LARGE if step > 1 else LARGE[:3000]
    source = blob(data, mediatype.OCI_LAYER)
    target = MemorySink()
    outcome = pass_through(EncryptingSink(target, Change(None), source, [KEY.public_key()]), data, step)
    layer, secret = outcome.descriptor, bytes(target.content)
    assert (layer.digest, layer.size, layer.urls) == (Digest.of(secret), len(secret), ())
    assert layer.media_type == f"{mediatype.OCI_LAYER}+encrypted"
    assert layer.annotations.keys() == {"a", KEYS, OPTIONS}
    assert outcome.diff_id == Digest.of(data)
    assert secret != data
    target = MemorySink()
    back = pass_through(DecryptingSink(target, Change(None), replace(source, descriptor=layer), [OTHER, KEY]), secret, step)
    assert bytes(target.content) == data
    assert back == Outcome(replace(source.descriptor, urls=()), Digest.of(data))


def test_what_the_annotations_say() -> None:
    secret, outcome = encrypted()
    options = json.loads(base64.b64decode(outcome.descriptor.annotations[OPTIONS]))
    assert options.keys() == {"cipher", "hmac", "cipheroptions"}
    assert (options["cipher"], options["cipheroptions"]) == ("AES_256_CTR_HMAC_SHA256", {})
    envelope = base64.b64decode(outcome.descriptor.annotations[KEYS])
    private = json.loads(jwe.decrypt(envelope, [KEY], "it"))
    assert private["digest"] == str(Digest.of(GZIPPED))
    assert (len(base64.b64decode(private["symkey"])), len(base64.b64decode(private["cipheroptions"]["nonce"]))) == (32, 16)
    assert secret != encrypted()[0]


@pytest.mark.parametrize(("format", "media_type"), [("", mediatype.OCI_LAYER), ("zstd", mediatype.OCI_LAYER_ZSTD)])
def test_another_compression_on_the_way(format: str, media_type: str) -> None:
    secret, outcome = encrypted(change=Change(format))
    assert outcome.descriptor.media_type == f"{media_type}+encrypted"
    _, back = decrypted(secret, outcome.descriptor, Change("gzip"))
    assert (back.descriptor.media_type, back.diff_id) == (mediatype.OCI_LAYER_GZIP, Digest.of(LARGE))


def test_what_starts_again_is_encrypted_with_another_key() -> None:
    target = MemorySink()
    sink = EncryptingSink(target, Change(None), blob(GZIPPED), [KEY.public_key()])
    sink.write(memoryview(bytearray(GZIPPED[:5000])))
    first = bytes(target.content)
    sink.restart()
    layer = pass_through(sink, GZIPPED).descriptor
    assert bytes(target.content[:5000]) != first
    assert layer.digest == Digest.of(bytes(target.content))
    assert decrypted(bytes(target.content), layer)[1].descriptor.digest == Digest.of(GZIPPED)
    target, secret = MemorySink(), bytes(target.content)
    back = DecryptingSink(target, Change(None), replace(blob(GZIPPED), descriptor=layer), [KEY])
    back.write(memoryview(b"x" * 1000))
    back.restart()
    assert pass_through(back, secret).descriptor.digest == Digest.of(GZIPPED)
    assert bytes(target.content) == GZIPPED


@pytest.mark.parametrize("position", [0, 10, 30_000, -1])
def test_a_byte_of_the_ciphertext_was_changed(position: int) -> None:
    secret, outcome = encrypted()
    changed = bytearray(secret)
    changed[position] ^= 1
    with pytest.raises(ContentMismatch, match="could not properly decrypt byte stream: the encrypted layer does not have"):
        decrypted(bytes(changed), outcome.descriptor)


@pytest.mark.parametrize("cut", [1, 1000, len(GZIPPED)])
def test_the_ciphertext_is_too_short(cut: int) -> None:
    secret, outcome = encrypted()
    with pytest.raises(ContentMismatch, match="HMAC"):
        decrypted(secret[:-cut], outcome.descriptor)


def test_what_was_encrypted_is_damaged() -> None:
    """The HMAC is right: whoever encrypted it did so with damaged content."""
    target = MemorySink()
    sink = EncryptingSink(target, Change(None), blob(GZIPPED), [KEY.public_key()])
    sink._cipher.write(memoryview(GZIPPED[:5000]))
    layer = replace(
        blob(b"").descriptor, media_type=mediatype.encrypted(mediatype.OCI_LAYER_GZIP),
        annotations=wrap(sink._cipher.layer_key, sink._cipher.hmac, Digest.of(b""), [KEY.public_key()]),
    )  # fmt: skip
    with pytest.raises(InvalidContent) as caught:
        decrypted(bytes(target.content), layer)
    assert "HMAC" not in str(caught.value)


def test_diff_ids_and_limits() -> None:
    secret, outcome = encrypted()
    wrong = PlainContent((Digest.of(b"other"),))
    with pytest.raises(ContentMismatch, match="the image configuration says"):
        decrypted(secret, outcome.descriptor, plain=wrong)
    with pytest.raises(ContentMismatch, match="the image configuration says"):
        encrypted(plain=wrong)
    assert decrypted(secret, outcome.descriptor, plain=PlainContent((Digest.of(LARGE),)))
    with pytest.raises(TooLarge, match="--max-inflated"):
        decrypted(secret, outcome.descriptor, plain=PlainContent(total=InflatedTotal(1000)))


def options(**more: object) -> str:
    value = {"cipher": CIPHER, "hmac": base64.b64encode(bytes(32)).decode(), "cipheroptions": {}} | more
    return base64.b64encode(json.dumps(value).encode()).decode()


def private(**more: object) -> str:
    value = {
        "symkey": base64.b64encode(bytes(32)).decode(), "digest": "sha256:x",
        "cipheroptions": {"nonce": base64.b64encode(bytes(16)).decode()},
    } | more  # fmt: skip
    return base64.b64encode(jwe.encrypt(json.dumps(value).encode(), [KEY.public_key()])).decode()


GOOD = private()
FOREIGN = base64.b64encode(jwe.encrypt(b"{}", [OTHER.public_key()])).decode()
BAD_ANNOTATIONS: list[tuple[Mapping[str, str], str]] = [
    ({}, f"the annotation {KEYS} is missing"),
    ({OPTIONS: options()}, f"the annotation {KEYS} is missing"),
    ({"org.opencontainers.image.enc.keys.pgp": "x", "org.opencontainers.image.enc.keys.pkcs7": "x"},
     "is missing: its keys are for pgp, pkcs7, which is not supported"),
    ({KEYS: GOOD}, f"the annotation {OPTIONS} is missing, so there is no HMAC to verify"),
    ({KEYS: "?", OPTIONS: options()}, "is not base64"),
    ({KEYS: "\u00e9", OPTIONS: options()}, "is not base64"),
    ({KEYS: FOREIGN, OPTIONS: options()}, "none of the private keys could be used for decryption"),
    ({KEYS: ",".join([FOREIGN] * 17), OPTIONS: options()}, "has more than 16 parts"),
    ({KEYS: "A" * (2 * jwe.LIMIT + 1), OPTIONS: options()}, "is over the limit of 524288 bytes"),
    ({KEYS: "QUJD" * 90_000, OPTIONS: options()}, "its JWE is over the limit of 262144 bytes"),
    ({KEYS: GOOD, OPTIONS: "?"}, "is not base64"),
    ({KEYS: GOOD, OPTIONS: "e30="}, "cipher None is not supported: want AES_256_CTR_HMAC_SHA256"),
    ({KEYS: GOOD, OPTIONS: "W10="}, "is not a JSON object"),
    ({KEYS: GOOD, OPTIONS: options(cipher="AES_SIV")}, "cipher 'AES_SIV' is not supported"),
    ({KEYS: GOOD, OPTIONS: options(hmac=None)}, "hmac is not base64"),
    ({KEYS: GOOD, OPTIONS: options(hmac="")}, "hmac is not 32 bytes long"),
    ({KEYS: GOOD, OPTIONS: options(cipheroptions=[1])}, "cipheroptions is not a JSON object"),
    ({KEYS: GOOD, OPTIONS: options(Hmac="x")}, "Hmac"),
    ({KEYS: private(symkey="QUJD"), OPTIONS: options()}, "symkey is not 32 bytes long"),
    ({KEYS: private(symkey=None), OPTIONS: options()}, "symkey is not base64"),
    ({KEYS: private(cipheroptions=None), OPTIONS: options()}, "nonce is not base64"),
    ({KEYS: private(cipheroptions={"nonce": "QUJD"}), OPTIONS: options()}, "nonce is not 16 bytes long"),
    ({KEYS: private(SymKey="x"), OPTIONS: options()}, "SymKey"),
]  # fmt: skip


@pytest.mark.parametrize(("annotations", "message"), BAD_ANNOTATIONS)
def test_annotations_that_cannot_be_used(annotations: Mapping[str, str], message: str) -> None:
    layer = replace(blob(b"").descriptor, annotations=annotations)
    with pytest.raises(InvalidContent) as caught:
        unwrap(layer, [KEY])
    assert str(caught.value).startswith(f"decrypting layer {layer.digest}: ")
    assert message in str(caught.value)
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


def test_a_second_envelope_and_public_options() -> None:
    nonce = base64.b64encode(b"n" * 16).decode()
    annotations = {KEYS: f"{FOREIGN},{GOOD}", OPTIONS: options(cipheroptions={"nonce": nonce})}
    found, hmac = unwrap(replace(blob(b"").descriptor, annotations=annotations), [KEY])
    assert (found.key, found.nonce, hmac) == (bytes(32), b"n" * 16, bytes(32))


def test_keys_are_not_printed() -> None:
    key = LayerKey.new()
    assert key.key.hex() not in repr(key)
    assert str(key.key) not in repr(key)
    assert key.key != LayerKey.new().key
