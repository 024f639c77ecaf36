"""Files of parameters for signatures of sigstore."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyskopeo.config.signing_parameters import FulcioParameters, SigningParameters, load, parse_parameters
from pyskopeo.errors import InvalidInput, StorageFailed, TooLarge

TOKEN = "fulcio: {fulcioURL: 'https://f.example', oidcMode: staticToken, oidcIDToken: a.b.c}"

INTERACTIVE = """\
fulcio:
  fulcioURL: https://f.example
  oidcMode: interactive
  oidcIssuerURL: https://i.example
  oidcClientID: sigstore
  oidcClientSecret: hidden
rekorURL: https://r.example
"""


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("privateKeyFile: a.key", SigningParameters(Path("a.key"))),
        (
            "privateKeyFile: /k/a.key\nprivateKeyPassphraseFile: pass\nrekorURL: https://r.example\n",
            SigningParameters(Path("/k/a.key"), Path("pass"), None, "https://r.example"),
        ),
        ("privateKeyFile: 7\nfulcio:\n", SigningParameters(Path("7"))),
        ('{"privateKeyFile": "a.key"}', SigningParameters(Path("a.key"))),
        (TOKEN, SigningParameters(fulcio=FulcioParameters("https://f.example", "staticToken", "a.b.c"))),
        (
            INTERACTIVE,
            SigningParameters(
                fulcio=FulcioParameters("https://f.example", "interactive", "", "https://i.example", "sigstore", "hidden"),
                rekor_url="https://r.example",
            ),
        ),
    ],
)  # fmt: skip
def test_parameters(text: str, parameters: SigningParameters) -> None:
    assert parse_parameters(text, "p.yaml") == parameters


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "p.yaml: it is empty: want privateKeyFile, or fulcio"),
        ("{}", "p.yaml: no private key source provided (neither a private key nor Fulcio) when preparing to create sigst"),
        ("rekorURL: https://r.example", "p.yaml: no private key source provided (neither a private key nor Fulcio)"),
        ("[]", "p.yaml is not a mapping"),
        ("privateKeyFile: a\nprivateKeyFile: b", "p.yaml: line 2, column 1: the key 'privateKeyFile' is there already"),
        ("privateKeyfile: a", "p.yaml: field privateKeyfile not found: want privateKeyFile, privateKeyPassphraseFile, "),
        ("privateKeyFile: [a]", "p.yaml: privateKeyFile is not a string"),
        ("privateKeyFile: a\n" + TOKEN, "p.yaml: multiple private key sources specified when preparing to create"),
        ("fulcio: {}", "p.yaml: fulcio: missing fulcioURL"),
        ("fulcio: x", "p.yaml: fulcio is not a mapping"),
        ("fulcio: {fulcioURL: x}", "p.yaml: fulcio: missing oidcMode"),
        ("fulcio: {fulcioURL: x, oidcMode: staticToken, oidcIDToken: ''}", "p.yaml: fulcio: missing oidcIDToken"),
        ("fulcio: {fulcioURL: x, oidcMode: deviceGrant}", "p.yaml: fulcio: missing oidcIssuerURL"),
        ("fulcio: {fulcioURL: x, oidcMode: token, oidcIssuerURL: y}", "p.yaml: fulcio: unknown oidcMode value 'token'"),
        ("fulcio: {url: x}", "p.yaml: fulcio: field url not found: want fulcioURL, "),
        ("fulcio: {oidcIDToken: [secret]}", "p.yaml: fulcio.oidcIDToken is not a string"),
        ("a: b: c", "p.yaml: not valid YAML in line 1, column 5"),
    ],
)  # fmt: skip
def test_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_parameters(text, "p.yaml")
    assert str(refused.value).startswith(message)
    assert "secret" not in str(refused.value)


def test_no_secret_is_shown() -> None:
    parameters = parse_parameters(TOKEN.replace("a.b.c", "secret"), "p.yaml")
    assert "secret" not in repr(parameters) + repr(parameters.fulcio)


def test_files(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed, match=r"open .*none: no such file or directory"):
        load(tmp_path / "none")
    (tmp_path / "p.yaml").write_text("privateKeyFile: a.key")
    assert load(tmp_path / "p.yaml").key_file == Path("a.key")
    (tmp_path / "p.yaml").write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(TooLarge):
        load(tmp_path / "p.yaml")
