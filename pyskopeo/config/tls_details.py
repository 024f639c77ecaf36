"""The file of ``--tls-details``: TLS versions, cipher suites and groups (containers-tls-details.yaml(5))."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidInput
from ..fast_dataclass import dataclass
from .untyped_yaml import mapping, parse, string, strings
from .user_files import read_text

if TYPE_CHECKING:
    import ssl

_KEYS = ("minVersion", "cipherSuites", "namedGroups")
# Names of `ssl.TLSVersion`; ssl is not imported to parse a file.
_VERSIONS = {"1.0": "TLSv1", "1.1": "TLSv1_1", "1.2": "TLSv1_2", "1.3": "TLSv1_3"}
# IANA's names to OpenSSL's.
_GROUPS = {
    "secp256r1": "prime256v1",
    "secp384r1": "secp384r1",
    "secp521r1": "secp521r1",
    "x25519": "X25519",
    "X25519MLKEM768": "X25519MLKEM768",
}
_TLS13_SUITES = frozenset({"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"})
_OLDER_SUITE = re.compile(
    r"TLS_(?P<exchange>(?:ECDHE_)?RSA|ECDHE_ECDSA|DHE_RSA)_WITH_"
    r"(?P<cipher>AES_(?:128|256)_(?:CBC|GCM)|CHACHA20_POLY1305|3DES_EDE_CBC|RC4_128)_(?P<hash>SHA|SHA256|SHA384)"
)


@dataclass(frozen=True, slots=True)
class TlsDetails:
    """The settings of a file; "", None and () are not set.

    ``min_version`` is ``1.0`` to ``1.3``. Names are IANA's. Empty ``cipher_suites`` allow only those of TLS 1.3.
    """

    min_version: str = ""
    cipher_suites: tuple[str, ...] | None = None
    named_groups: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str, where: str) -> TlsDetails:
        """Parse a file; ``where`` is its path. Raises `InvalidInput`, also for unknown keys and names."""
        table = mapping(parse(text, where), f"{where}: the whole")
        unknown = [key for key in table if key not in _KEYS]
        if unknown:
            raise InvalidInput(f"{where}: unknown key {json.dumps(unknown[0])}; want {', '.join(_KEYS)}")
        details = cls(
            string(table.get("minVersion"), f"{where}: minVersion"),
            strings(table.get("cipherSuites"), f"{where}: cipherSuites"),
            strings(table.get("namedGroups"), f"{where}: namedGroups") or (),
        )
        details._check(where)
        return details

    def _check(self, where: str) -> None:
        if self.min_version and self.min_version not in _VERSIONS:
            raise _unrecognized(where, "minimum version", self.min_version, _VERSIONS)
        for suite in self.cipher_suites or ():
            if suite not in _TLS13_SUITES and not _OLDER_SUITE.fullmatch(suite):
                raise _unrecognized(where, "cipher suite", suite, ("IANA's names, such as TLS_AES_128_GCM_SHA256",))
        for group in self.named_groups:
            if group not in _GROUPS:
                raise _unrecognized(where, "named group", group, _GROUPS)

    def apply(self, context: ssl.SSLContext) -> None:
        """Apply the settings to ``context``; raises `InvalidInput` for what this interpreter does not support.

        The cipher suites of TLS 1.3 are always enabled, as in Go, since Python cannot select them. If no
        older suite is allowed, the minimum version becomes TLS 1.3.
        """
        self._apply_version(context)
        self._apply_suites(context)
        self._apply_groups(context)

    def _apply_version(self, context: ssl.SSLContext) -> None:
        if not self.min_version:
            return
        import ssl
        import warnings

        with warnings.catch_warnings():
            # TLS 1.0 and 1.1 are deprecated, but the file requests them explicitly.
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion[_VERSIONS[self.min_version]]

    def _apply_suites(self, context: ssl.SSLContext) -> None:
        if self.cipher_suites is None:
            return
        import ssl

        older = {_openssl_name(suite): suite for suite in self.cipher_suites if suite not in _TLS13_SUITES}
        if not older:
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            return
        try:
            context.set_ciphers(":".join(older))
            available = {str(cipher["name"]) for cipher in context.get_ciphers()}
        except ssl.SSLError:  # OpenSSL does not know any of them
            available = set()
        missing = [suite for name, suite in older.items() if name not in available]
        if missing:
            raise _unsupported("cipher suite", missing[0], "cipherSuites")

    def _apply_groups(self, context: ssl.SSLContext) -> None:
        names = [_GROUPS[group] for group in self.named_groups]
        if not names:
            return
        set_groups = getattr(context, "set_groups", None)  # since Python 3.15
        if set_groups is None and len(names) > 1:
            raise InvalidInput(
                f"cannot allow several TLS named groups ({', '.join(self.named_groups)}): "
                "this Python's ssl can be told one alone; keep one in namedGroups, or leave it out"
            )
        try:
            if set_groups is not None:
                set_groups(":".join(names))
            else:
                context.set_ecdh_curve(names[0])
        except (ValueError, OSError):  # ssl.SSLError is one
            raise _unsupported("named group", ", ".join(self.named_groups), "namedGroups") from None


def load(path: Path) -> TlsDetails:
    """Read a file, which has to exist; raises `InvalidInput`, `StorageFailed` or `TooLarge`."""
    return TlsDetails.parse(read_text(path, must_exist=True) or "", str(path))


def _openssl_name(suite: str) -> str:
    """Return OpenSSL's name of a cipher suite before TLS 1.3, in which RSA and CBC are implied."""
    parts = _OLDER_SUITE.fullmatch(suite)
    assert parts
    exchange = parts["exchange"].replace("_", "-")
    cipher = parts["cipher"].replace("AES_", "AES").removesuffix("_CBC").replace("_", "-")
    cipher = {"3DES-EDE": "DES-CBC3", "RC4-128": "RC4"}.get(cipher, cipher)
    digest = "" if cipher.startswith("CHACHA20") else parts["hash"]
    return "-".join(part for part in ("" if exchange == "RSA" else exchange, cipher, digest) if part)


def _unrecognized(where: str, what: str, name: str, known: Iterable[str]) -> InvalidInput:
    return InvalidInput(f"{where}: unrecognized TLS {what} {json.dumps(name)}; want {', '.join(known)}")


def _unsupported(what: str, name: str, key: str) -> InvalidInput:
    return InvalidInput(f"cannot use TLS {what} {name}: this Python's OpenSSL does not have it; take it out of {key}")
