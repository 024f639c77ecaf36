"""Signatures of sigstore as cosign stores them in tags: a payload, its signature, a certificate, an entry of a log."""

from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from .. import __version__
from ..config.user_files import open_user_file
from ..errors import InvalidInput, StorageFailed, prefix_errors
from ..fast_dataclass import dataclass
from ..gocompat.go_json import dumps
from ..model.signature import Signature
from ..signatures.sigstore_annotations import LOG_ENTRY_ANNOTATION, PAYLOAD_TYPE, SIGNATURE_ANNOTATION
from ..signatures.sigstore_payload import TYPE
from ..streams.cancellation import run_in_thread
from ..streams.concurrency import SingleFlight
from .sigstore_keys import KEY_LIMIT, decrypt_private_key, public_key_pem, require_packages, sign_message

if TYPE_CHECKING:
    from ..model.digest import Digest
    from ..model.reference import Reference
    from .sigstore_keys import SigningKey

@dataclass(frozen=True, slots=True, repr=False, eq=False)
class SigningMaterial:
    """A key, with what those who check its signatures need.

    ``checked_with`` is the public key or the certificate, in PEM; ``annotations`` are those of each signature.
    ``expires`` is the time, in seconds since 1970, after which nothing can be signed with it; None: never.
    """

    key: SigningKey
    checked_with: bytes
    annotations: tuple[tuple[str, str], ...] = ()
    expires: float | None = None

    def is_usable(self) -> bool:
        """Return whether it can sign for another minute."""
        return self.expires is None or time.time() + 60 < self.expires


class KeySource(Protocol):
    """Where a key to sign with comes from. ``called`` names it in messages; it contains no secret."""

    @property
    def called(self) -> str: ...

    async def open(self) -> SigningMaterial:
        """Return the key; called again when it has expired. Raises what `Signer.prepare` raises."""
        ...


class TransparencyLog(Protocol):
    """A public log of signatures, as Rekor is one."""

    async def add(self, checked_with: bytes, signature: bytes, payload: bytes) -> str:
        """Record a signature of ``payload``; return the log's signed statement of that, as JSON.

        ``checked_with`` is `SigningMaterial.checked_with`. Raises `NetworkError` and `InvalidContent`.
        """
        ...


@dataclass(frozen=True, slots=True, repr=False)
class PrivateKeyFile:
    """An encrypted private key in a file (`signing.sigstore_keys`)."""

    path: Path
    passphrase: bytes

    @property
    def called(self) -> str:
        """The path."""
        return str(self.path)

    async def open(self) -> SigningMaterial:
        """Read and decrypt the key; raises `InvalidInput`, `StorageFailed` and `Unsupported`."""
        require_packages()
        try:
            with open_user_file(self.path) as file:
                content = file.read(KEY_LIMIT + 1)
        except OSError as error:
            raise StorageFailed.of(error, f"reading private key from {self.path}: open {self.path}") from None
        with prefix_errors("initializing private key"):
            key = await run_in_thread(lambda: decrypt_private_key(content, self.passphrase, str(self.path)))
        return SigningMaterial(key, public_key_pem(key))


class SigstoreSigner:
    """Signs as sigstore does, with a key from ``source``; recorded in ``log``, if there is one. A `Signer`."""

    format: Final = "sigstore"
    method: Final = "Signing image using a sigstore signature"

    def __init__(self, source: KeySource, log: TransparencyLog | None = None) -> None:
        self._source, self._log = source, log
        self._opened: SingleFlight[None, SigningMaterial] = SingleFlight()

    @property
    def called(self) -> str:
        """The name of the key's source."""
        return self._source.called

    async def prepare(self) -> None:
        """Get the key, as `Signer.prepare` says; also raises the errors of a certificate authority."""
        await self._material()

    async def sign(self, digest: Digest, identity: Reference) -> Signature:
        """Return a signature, as `Signer.sign` says; raises `InvalidInput` for an identity without tag and digest."""
        if not identity.manifest_name:
            raise InvalidInput(f"reference {identity} can't be signed, it has neither a tag nor a digest")
        material = await self._material()
        content = payload(str(digest), str(identity), int(time.time()))
        signature = sign_message(material.key, content)
        annotations = {SIGNATURE_ANNOTATION: base64.b64encode(signature).decode(), **dict(material.annotations)}
        if self._log is not None:
            annotations[LOG_ENTRY_ANNOTATION] = await self._log.add(material.checked_with, signature, content)
        return Signature("sigstore", content, PAYLOAD_TYPE, annotations)

    async def _material(self) -> SigningMaterial:
        return await self._opened.get(None, self._source.open, usable=SigningMaterial.is_usable)


def payload(digest: str, identity: str, now: int) -> bytes:
    """Return what is signed: a manifest's digest, and the image name it is signed as; ``now`` is in Unix seconds.

    The name is with its tag, as skopeo writes it, so that an old image cannot be given out for a new one.
    """
    document = {
        "critical": {
            "identity": {"docker-reference": identity},
            "image": {"docker-manifest-digest": digest},
            "type": TYPE,
        },
        "optional": {"creator": f"pyskopeo {__version__}", "timestamp": now},
    }
    return dumps(document).encode()
