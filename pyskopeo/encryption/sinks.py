"""Encrypt and decrypt layers while they are written to a sink: AES-256 in counter mode, and an HMAC of the result."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ContentMismatch, InvalidContent, TooLarge
from ..fast_dataclass import replace
from ..model import mediatype
from ..model.change import Outcome
from ..model.digest import Digest, new_hasher
from ..streams.compress import RecompressingSink
from .layer_keys import LayerKey, unwrap, wrap

if TYPE_CHECKING:
    from ..model.change import Change
    from ..streams.byte_streams import BlobSink
    from ..streams.pump import Blob
    from .keys import PrivateKey, PublicKey


class EncryptingSink:
    """Compresses a layer as `RecompressingSink` does, encrypts it, and writes it to another sink.

    The content is verified as `RecompressingSink` verifies it. `write` and `finish` are called by one thread.
    """

    def __init__(self, sink: BlobSink, change: Change, blob: Blob, recipients: Sequence[PublicKey]) -> None:
        """``change`` is the compression, ``recipients`` are the keys that the layer is encrypted for."""
        self._digest, self._recipients = blob.descriptor.digest, recipients
        self._cipher = _CipherSink(sink)
        self._compressing = RecompressingSink(
            self._cipher, change, blob.descriptor, f"blob {self._digest}", blob.plain
        )
        self._outcome: Outcome | None = None

    def write(self, buffer: memoryview) -> None:
        """Take the next bytes of the layer; raises what `RecompressingSink.write` raises."""
        self._compressing.write(buffer)

    def finish(self) -> None:
        """Write what is still buffered, and wrap the key; raises what `RecompressingSink.finish` and `wrap` raise."""
        self._compressing.finish()
        plain, cipher = self._compressing.outcome, self._cipher
        annotations = wrap(cipher.layer_key, cipher.hmac, self._digest, self._recipients)
        descriptor = replace(
            plain.descriptor,
            media_type=mediatype.encrypted(plain.descriptor.media_type),
            digest=cipher.digest,
            size=cipher.size,
            annotations={**plain.descriptor.annotations, **annotations},
            urls=(),
            data=None,
        )
        self._outcome = Outcome(descriptor, plain.diff_id)

    def restart(self) -> None:
        """Discard what was written: the layer starts again at its first byte, with another key."""
        self._compressing.restart()

    @property
    def outcome(self) -> Outcome:
        """After `finish`: the descriptor of the encrypted layer, with its annotations, and its diff ID."""
        assert self._outcome is not None, "not finished"
        return self._outcome

    def close(self) -> None:
        """Release what compresses; does nothing after `finish`."""
        self._compressing.close()


class _CipherSink:
    """Encrypts what is written to it; ``digest`` and ``size`` are those of the ciphertext."""

    def __init__(self, sink: BlobSink) -> None:
        self._sink = sink
        self._begin()

    def _begin(self) -> None:
        self.layer_key = LayerKey.new()
        self._encryptor = _counter_mode(self.layer_key).encryptor()
        self._hmac = hmac.new(self.layer_key.key, digestmod="sha256")
        self._hash, self.size = new_hasher("sha256"), 0

    def write(self, buffer: memoryview) -> None:
        content = self._encryptor.update(buffer)
        self._hmac.update(content)
        self._hash.update(content)
        self.size += len(content)
        self._sink.write(memoryview(content))

    def restart(self) -> None:
        # Not with the same key: in counter mode, two contents with one key and nonce betray each other.
        self._begin()
        self._sink.restart()

    @property
    def hmac(self) -> bytes:
        return self._hmac.digest()

    @property
    def digest(self) -> Digest:
        return Digest("sha256", self._hash.hexdigest())


class DecryptingSink:
    """Decrypts a layer, compresses it as `RecompressingSink` does, and writes it to another sink.

    The HMAC of the ciphertext is verified at the end, by `finish`, before the other sink's content may be used. `write`
    and `finish` are called by one thread.
    """

    def __init__(self, sink: BlobSink, change: Change, blob: Blob, keys: Sequence[PrivateKey]) -> None:
        """``change`` is the compression, ``keys`` are private keys to try. Raises what `unwrap` raises."""
        descriptor = blob.descriptor
        self._what = f"blob {descriptor.digest}"
        self._layer_key, self._expected = unwrap(descriptor, keys)
        self._plain = _HashingSink(sink)
        annotations = {
            name: text for name, text in descriptor.annotations.items()
            if not name.startswith(mediatype.ENCRYPTION_ANNOTATIONS)
        }  # fmt: skip
        media_type = mediatype.decrypted(descriptor.media_type)
        plain = replace(descriptor, media_type=media_type, annotations=annotations, urls=(), data=None)
        self._compressing = RecompressingSink(self._plain, change, plain, self._what, blob.plain)
        self._begin()

    def _begin(self) -> None:
        self._decryptor = _counter_mode(self._layer_key).decryptor()
        self._hmac = hmac.new(self._layer_key.key, digestmod="sha256")
        self._error: InvalidContent | None = None

    def write(self, buffer: memoryview) -> None:
        """Take the next bytes of the encrypted layer; raises `TooLarge`, and whatever the other sink raises."""
        self._hmac.update(buffer)
        if self._error is not None:
            return
        try:
            self._compressing.write(memoryview(self._decryptor.update(buffer)))
        except TooLarge:
            raise
        except InvalidContent as error:  # if the HMAC is wrong, that is the reason
            self._error = error

    def finish(self) -> None:
        """Verify the HMAC, and write what is still buffered.

        Raises `ContentMismatch` if the HMAC is wrong, and what `RecompressingSink` raises.
        """
        if not hmac.compare_digest(self._hmac.digest(), self._expected):
            raise ContentMismatch(
                f"{self._what}: could not properly decrypt byte stream: the encrypted layer does not have the HMAC "
                "that its annotation names",
                expected=self._expected.hex(), actual=self._hmac.hexdigest(),
            )  # fmt: skip
        if self._error is not None:
            raise self._error
        self._compressing.finish()

    def restart(self) -> None:
        """Discard what was written: the layer starts again at its first byte."""
        self._begin()
        self._compressing.restart()

    @property
    def outcome(self) -> Outcome:
        """After `finish`: the descriptor of the decrypted layer and its diff ID."""
        found = self._compressing.outcome
        return replace(found, descriptor=replace(found.descriptor, digest=self._plain.digest, size=self._plain.size))

    def close(self) -> None:
        """Release what compresses; does nothing after `finish`."""
        self._compressing.close()


class _HashingSink:
    """Hashes and counts what is written to another sink."""

    def __init__(self, sink: BlobSink) -> None:
        self._sink = sink
        self._hash, self.size = new_hasher("sha256"), 0

    def write(self, buffer: memoryview) -> None:
        self._hash.update(buffer)
        self.size += len(buffer)
        self._sink.write(buffer)

    def restart(self) -> None:
        self._hash, self.size = new_hasher("sha256"), 0
        self._sink.restart()

    @property
    def digest(self) -> Digest:
        return Digest("sha256", self._hash.hexdigest())


def _counter_mode(layer_key: LayerKey) -> Any:
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import CTR

    return Cipher(AES(layer_key.key), CTR(layer_key.nonce))
