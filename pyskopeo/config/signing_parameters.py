"""Parameters for signatures of sigstore (containers-sigstore-signing-params.yaml(5)).

As in skopeo, an unknown field is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..errors import InvalidInput
from ..fast_dataclass import dataclass
from .untyped_yaml import Untyped, mapping, parse, string
from .user_files import read_text

_FIELDS = ("privateKeyFile", "privateKeyPassphraseFile", "fulcio", "rekorURL")
_FULCIO_FIELDS = ("fulcioURL", "oidcMode", "oidcIDToken", "oidcIssuerURL", "oidcClientID", "oidcClientSecret")
_MODES = ("staticToken", "deviceGrant", "interactive")


@dataclass(frozen=True, slots=True, repr=False)
class FulcioParameters:
    """How to get a certificate: the fields of ``fulcio``.

    ``mode`` is ``staticToken``, which needs ``token``, or ``deviceGrant`` or ``interactive``, which need ``issuer``;
    ``client_id`` and ``client_secret`` are those of the issuer's client, "" without.
    """

    url: str
    mode: str
    token: str = ""
    issuer: str = ""
    client_id: str = ""
    client_secret: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class SigningParameters:
    """What to sign with: a key in a file or a certificate of Fulcio, one of both; and the URL of Rekor, "" for none.

    ``passphrase_file`` has the passphrase of ``key_file``, None: the user is asked for it.
    """

    key_file: Path | None = None
    passphrase_file: Path | None = None
    fulcio: FulcioParameters | None = None
    rekor_url: str = ""


def load(path: Path) -> SigningParameters:
    """Read and parse a file; raises `StorageFailed`, `TooLarge`, and what `parse_parameters` raises."""
    text = read_text(path, must_exist=True)
    assert text is not None
    return parse_parameters(text, str(path))


def parse_parameters(text: str, where: str) -> SigningParameters:
    """Parse the text of a file, named ``where`` in errors; raises `InvalidInput`, and `Unsupported` without PyYAML.

    No value is in an error, since one may be a secret.
    """
    found = parse(text, where)
    if found is None:
        raise InvalidInput(f"{where}: it is empty: want privateKeyFile, or fulcio")
    fields = _known(mapping(found, where), _FIELDS, where)
    texts = {name: string(fields.get(name), f"{where}: {name}") for name in _FIELDS if name != "fulcio"}
    given = fields.get("fulcio")
    parameters = SigningParameters(
        key_file=_path(texts["privateKeyFile"]),
        passphrase_file=_path(texts["privateKeyPassphraseFile"]),
        fulcio=None if given is None else _fulcio(given, f"{where}: fulcio"),
        rekor_url=texts["rekorURL"],
    )
    if parameters.key_file is not None and parameters.fulcio is not None:
        raise InvalidInput(
            f"{where}: multiple private key sources specified when preparing to create sigstore signatures: "
            "want privateKeyFile or fulcio"
        )
    if parameters.key_file is None and parameters.fulcio is None:
        raise InvalidInput(
            f"{where}: no private key source provided (neither a private key nor Fulcio) when preparing to create "
            "sigstore signatures: want privateKeyFile or fulcio"
        )
    return parameters


def _fulcio(value: Untyped, where: str) -> FulcioParameters:
    fields = _known(mapping(value, where), _FULCIO_FIELDS, where)
    texts = {name: string(fields.get(name), f"{where}.{name}") for name in _FULCIO_FIELDS}
    mode = texts["oidcMode"]
    needed = ["fulcioURL", "oidcMode", "oidcIDToken" if mode == "staticToken" else "oidcIssuerURL"]
    for name in needed:
        if not texts[name]:
            raise InvalidInput(f"{where}: missing {name}")
    if mode not in _MODES:
        raise InvalidInput(f"{where}: unknown oidcMode value {ascii(mode)[:40]}: want {', '.join(_MODES)}")
    return FulcioParameters(*(texts[name] for name in (
        "fulcioURL", "oidcMode", "oidcIDToken", "oidcIssuerURL", "oidcClientID", "oidcClientSecret",
    )))  # fmt: skip


def _known(fields: Mapping[str, Untyped], names: tuple[str, ...], where: str) -> Mapping[str, Untyped]:
    unknown = sorted(fields.keys() - set(names))
    if unknown:
        raise InvalidInput(f"{where}: field {ascii(unknown[0])[1:-1][:60]} not found: want {', '.join(names)}")
    return fields


def _path(text: str) -> Path | None:
    return Path(text) if text else None
