"""Keys and messages of OpenPGP that are made in this process, by the library that verifies them."""

from __future__ import annotations

from pysequoia import CipherSuite, Profile, SignatureMode, Tsk, sign, verify


class Signatory:
    """Somebody with a new key, whose signing subkey makes messages; ``days`` is how long the key is valid."""

    def __init__(
        self, name: str, days: int | None = None, profile: Profile = Profile.RFC4880, suite: CipherSuite = CipherSuite.Cv25519
    ) -> None:
        self._secret = Tsk.generate(
            f"{name} <{name}@example.com>", profile=profile, cipher_suite=suite,
            validity_seconds=None if days is None else days * 86400,
        )  # fmt: skip
        self.cert = self._secret.extract_certificate()
        self.public = bytes(self.cert)
        self.fingerprint = self.cert.fingerprint.upper()

    @property
    def key(self) -> str:
        """The fingerprint of the key that makes the messages."""
        signature = verify(bytes=self.sign(b""), store=lambda _: [self.cert]).valid_sigs[0]
        return str(signature.signing_key).upper()

    def sign(self, content: bytes, armor: bool = False) -> bytes:
        """A message that contains ``content``, not compressed."""
        return sign(self._secret.signer(), content, mode=SignatureMode.INLINE, armor=armor)
