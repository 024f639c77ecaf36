"""The files of keys and certificates that the requirements of a policy name (containers-policy.json(5))."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from pathlib import Path

from ..errors import InvalidInput
from ..fast_dataclass import dataclass
from .policy_fields import quoted
from .policy_requirements import SignedBy, SigstoreSigned
from .user_files import read_bytes

KEY_LIMIT = 16 * 1024 * 1024
"""The maximum size of a file of keys or certificates, in bytes; keyrings are large."""


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The content of a file; ``where`` is its path, or the field of the policy that contains it, for messages."""

    content: bytes = field(repr=False)
    where: str


@dataclass(frozen=True, slots=True)
class RequirementKeys:
    """What a requirement verifies signatures with; what it does not name is empty or None.

    ``keys`` are keyrings of OpenPGP, or public keys of sigstore. ``authorities`` are the certificates of Fulcio, or the
    roots of a ``pki``, with its ``intermediates``. ``rekor_keys`` are public keys of logs.
    """

    keys: tuple[KeyFile, ...] = ()
    authorities: KeyFile | None = None
    intermediates: KeyFile | None = None
    rekor_keys: tuple[KeyFile, ...] = ()


def load_keys(requirement: SignedBy | SigstoreSigned) -> RequirementKeys:
    """Read the files that a requirement names.

    Raises `StorageFailed` for one that cannot be read, `TooLarge` for one over 16 MiB, and `InvalidInput` for a path
    that no file can have.
    """
    if isinstance(requirement, SignedBy):
        data = () if requirement.key_data is None else (requirement.key_data,)
        return RequirementKeys(_all(requirement.key_paths, data, "keyData"))
    authorities = intermediates = None
    if (fulcio := requirement.fulcio) is not None:
        authorities = _one(fulcio.ca_path, fulcio.ca_data, "caData")
    if (pki := requirement.pki) is not None:
        authorities = _one(pki.ca_roots_path, pki.ca_roots_data, "caRootsData")
        intermediates = _one(pki.ca_intermediates_path, pki.ca_intermediates_data, "caIntermediatesData")
    return RequirementKeys(
        _all(requirement.key_paths, requirement.key_data, "keyData"),
        authorities,
        intermediates,
        _all(requirement.rekor_key_paths, requirement.rekor_key_data, "rekorPublicKeyData"),
    )


def _all(paths: Iterable[str], contents: tuple[bytes, ...], name: str) -> tuple[KeyFile, ...]:
    numbered = (
        KeyFile(content, name if len(contents) == 1 else f"{name} {number}")
        for number, content in enumerate(contents, 1)
    )
    return (*map(_read, paths), *numbered)


def _one(path: str, content: bytes | None, name: str) -> KeyFile | None:
    if path:
        return _read(path)
    return None if content is None else KeyFile(content, name)


def _read(path: str) -> KeyFile:
    try:
        return KeyFile(read_bytes(Path(path), KEY_LIMIT), path)
    except ValueError as error:  # a zero byte
        raise InvalidInput(f"open {quoted(path)}: {error}") from None
