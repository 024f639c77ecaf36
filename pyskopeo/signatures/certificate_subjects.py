"""Whom a certificate is for: names in it, and the identity that Fulcio has recorded (fulcio's oid-info.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .json_members import shown
from .refusals import SignatureRefused

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_ISSUER = "1.3.6.1.4.1.57264.1.1"
_ISSUER_2 = "1.3.6.1.4.1.57264.1.8"
_OTHER_NAME = "1.3.6.1.4.1.57264.1.7"
_BUILD_SIGNER = "1.3.6.1.4.1.57264.1.9"
_UTF8_STRING = 0x0C


def email_addresses(certificate: Certificate) -> tuple[str, ...]:
    """Return the email addresses that a certificate is for."""
    from cryptography import x509

    return tuple(_alternative_names(certificate, x509.RFC822Name))


def subjects(certificate: Certificate) -> tuple[str, ...]:
    """Return the email addresses, URIs and host names that a certificate is for, for messages."""
    from cryptography import x509

    kinds = (x509.RFC822Name, x509.UniformResourceIdentifier, x509.DNSName, x509.IPAddress)
    return tuple(str(name) for kind in kinds for name in _alternative_names(certificate, kind))


def is_for_identity(certificate: Certificate, identity: str) -> bool:
    """Return whether a certificate is for an email address, a URI, or another name that Fulcio writes."""
    from cryptography import x509

    others = _alternative_names(certificate, x509.OtherName)
    named = [_utf8_string(one.value) for one in others if one.type_id.dotted_string == _OTHER_NAME]
    kinds = (x509.RFC822Name, x509.UniformResourceIdentifier)
    return identity in [*named, *(name for kind in kinds for name in _alternative_names(certificate, kind))]


def is_for_host(certificate: Certificate, host: str) -> bool:
    """Return whether a certificate, perhaps with a wildcard, is for a host name or an IP address (RFC 6125, 6.4)."""
    from ipaddress import ip_address

    from cryptography import x509

    try:
        address = ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        names = _alternative_names(certificate, x509.DNSName)
        return any(_matches(str(name).lower(), host.lower().removesuffix(".")) for name in names)
    return address in _alternative_names(certificate, x509.IPAddress)


def _matches(pattern: str, host: str) -> bool:
    wanted, found = pattern.split("."), host.split(".")
    if "" in found or len(wanted) != len(found):
        return False
    return wanted[1:] == found[1:] and (wanted[0] == found[0] or (wanted[0] == "*" and len(wanted) > 1))


def oidc_issuer(certificate: Certificate) -> str:
    """Return who vouched for the identity when Fulcio issued the certificate.

    Raises `SignatureRefused` if that is not recorded, or by two extensions that differ.
    """
    older = _extension(certificate, _ISSUER)
    newer = _text_extension(certificate, _ISSUER_2)
    first = None if older is None else older.decode(errors="replace")
    if first is not None and newer is not None and first != newer:
        raise SignatureRefused(f"inconsistent OIDC issuer extension values: v1 {shown(first)}, v2 {shown(newer)}")
    issuer = newer if first is None else first
    if issuer is None:
        raise SignatureRefused("Fulcio certificate is missing the issuer extension")
    return issuer


def build_signer_uri(certificate: Certificate) -> str:
    """Return the URI of the workflow that the identity is, "" if Fulcio recorded none; raises `SignatureRefused`."""
    return _text_extension(certificate, _BUILD_SIGNER) or ""


def _alternative_names(certificate: Certificate, kind: Any) -> list[Any]:
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return list(names.get_values_for_type(kind))


def _extension(certificate: Certificate, identifier: str) -> bytes | None:
    from cryptography import x509

    try:
        found = certificate.extensions.get_extension_for_oid(x509.ObjectIdentifier(identifier))
    except x509.ExtensionNotFound:
        return None
    assert isinstance(found.value, x509.UnrecognizedExtension)
    return found.value.value


def _text_extension(certificate: Certificate, identifier: str) -> str | None:
    """Return the text of an extension that is a DER-encoded UTF8String, None without it; raises `SignatureRefused`."""
    content = _extension(certificate, identifier)
    if content is None:
        return None
    text = _utf8_string(content)
    if text is None:
        raise SignatureRefused(f"invalid ASN.1 in the certificate's extension {identifier}")
    return text


def _utf8_string(content: bytes) -> str | None:
    """Return the text of a UTF8String in DER, None for anything else."""
    length, start = _length(content)
    if content[:1] != bytes([_UTF8_STRING]) or len(content) != start + length:
        return None
    try:
        return content[start:].decode()
    except UnicodeDecodeError:
        return None


def _length(content: bytes) -> tuple[int, int]:
    """Return the length of a value in DER, and where the value begins; -1 for a length that is not in DER."""
    if len(content) < 2:
        return -1, 0
    first = content[1]
    if first < 0x80:
        return first, 2
    size = first - 0x80
    length = int.from_bytes(content[2 : 2 + size], "big")
    minimal = length >= 0x80 and content[2:3] != b"\0"
    return (length, 2 + size) if 1 <= size <= 4 and minimal else (-1, 0)
