"""--tls-details: what a file may say, and what a handshake then does."""

from __future__ import annotations

import json
import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyskopeo.config.tls_details import TlsDetails, load
from pyskopeo.errors import InvalidInput, StorageFailed
from tests.support.tls import Authority, ServerCertificate

AES128, AES256 = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
ABLE_TO_CHOOSE = hasattr(ssl.SSLContext, "set_groups")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", TlsDetails()),
        ("{}", TlsDetails()),
        ("minVersion:\ncipherSuites:\nnamedGroups:\n", TlsDetails()),
        ('minVersion: ""', TlsDetails()),
        ("minVersion: 1.2", TlsDetails("1.2")),
        ('minVersion: "1.3"', TlsDetails("1.3")),
        ("minVersion: '1.0'", TlsDetails("1.0")),
        ("minVersion: 1.1", TlsDetails("1.1")),
        ("cipherSuites: []", TlsDetails(cipher_suites=())),
        (
            f"cipherSuites: [{AES128}, TLS_AES_128_GCM_SHA256]",
            TlsDetails(cipher_suites=(AES128, "TLS_AES_128_GCM_SHA256")),
        ),
        ("namedGroups: []", TlsDetails()),
        ("namedGroups:\n- x25519\n- X25519MLKEM768", TlsDetails(named_groups=("x25519", "X25519MLKEM768"))),
    ],
)
def test_what_a_file_may_say(text: str, expected: TlsDetails) -> None:
    assert TlsDetails.parse(text, "F") == expected


VERSIONS = "want 1.0, 1.1, 1.2, 1.3"
SUITES = "want IANA's names, such as TLS_AES_128_GCM_SHA256"
GROUPS = "want secp256r1, secp384r1, secp521r1, x25519, X25519MLKEM768"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "F: the whole is not a mapping"),
        ("minversion: 1.2", 'F: unknown key "minversion"; want minVersion, cipherSuites, namedGroups'),
        ("minVersion: 1.2\nmaxVersion: 1.3", 'F: unknown key "maxVersion"; want minVersion, cipherSuites, namedGroups'),
        ("minVersion: 1.2\nminVersion: 1.3", "F: line 2, column 1: the key 'minVersion' is there already"),
        ("minVersion: 1.20", f'F: unrecognized TLS minimum version "1.20"; {VERSIONS}'),
        ("minVersion: TLSv1.2", f'F: unrecognized TLS minimum version "TLSv1.2"; {VERSIONS}'),
        ("minVersion: [1.2]", "F: minVersion is not a string"),
        ("cipherSuites: TLS_AES_128_GCM_SHA256", "F: cipherSuites is not a list"),
        ("cipherSuites: [[]]", "F: cipherSuites[0] is not a string"),
        ("cipherSuites: [ECDHE-RSA-AES128-SHA]", f'F: unrecognized TLS cipher suite "ECDHE-RSA-AES128-SHA"; {SUITES}'),
        (
            "cipherSuites: [TLS_AES_128_CCM_SHA256]",
            f'F: unrecognized TLS cipher suite "TLS_AES_128_CCM_SHA256"; {SUITES}',
        ),
        (f"cipherSuites: ['{AES128}:ALL']", f'F: unrecognized TLS cipher suite "{AES128}:ALL"; {SUITES}'),
        ("cipherSuites: ['']", f'F: unrecognized TLS cipher suite ""; {SUITES}'),
        ("namedGroups: [X25519]", f'F: unrecognized TLS named group "X25519"; {GROUPS}'),
        ("namedGroups: [prime256v1]", f'F: unrecognized TLS named group "prime256v1"; {GROUPS}'),
        ("namedGroups: {a: b}", "F: namedGroups is not a list"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        TlsDetails.parse(text, "F")
    assert str(caught.value) == message


@given(st.text(max_size=40), st.sampled_from(["minVersion", "cipherSuites", "namedGroups"]))
def test_no_other_name_is_taken(name: str, key: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        TlsDetails.parse(f"{key}: {json.dumps(name + '!' if key == 'minVersion' else [name + '!'])}", "F")
    assert "\n" not in str(caught.value)


def test_a_file_must_be_there(tmp_path: Path) -> None:
    path = tmp_path / "tls.yaml"
    with pytest.raises(StorageFailed, match=rf"^open {path}: no such file or directory$"):
        load(path)
    path.write_text("minVersion: 1.3")
    assert load(path) == TlsDetails("1.3")
    path.write_text("minVersion: 3")
    with pytest.raises(InvalidInput, match=rf'^{path}: unrecognized TLS minimum version "3"'):
        load(path)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ServerCertificate:
    return Authority.create(tmp_path_factory.mktemp("ca")).server()


def shake(client: ssl.SSLContext, server: ssl.SSLContext) -> tuple[str, str]:
    """A handshake in memory; version and cipher, as the client sees them."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    other = server.wrap_bio(to_server, to_client, server_side=True)
    done: set[int] = set()
    for _ in range(10):
        for number, side in enumerate((one, other)):
            try:
                side.do_handshake()
                done.add(number)
            except ssl.SSLWantReadError:
                continue
        if len(done) == 2:
            cipher = one.cipher()
            assert cipher
            return str(one.version()), cipher[0]
    raise AssertionError("no end to the handshake")


def client_for(certificate: ServerCertificate, details: TlsDetails) -> ssl.SSLContext:
    context = certificate.client_context()
    details.apply(context)
    return context


def server_for(certificate: ServerCertificate, newest: str = "TLSv1_3", curve: str = "") -> ssl.SSLContext:
    context = certificate.server_context()
    context.maximum_version = ssl.TLSVersion[newest]
    if curve:
        context.set_ecdh_curve(curve)
    return context


def test_nothing_said_changes_nothing(certificate: ServerCertificate) -> None:
    context, plain = client_for(certificate, TlsDetails()), certificate.client_context()
    assert context.get_ciphers() == plain.get_ciphers()
    assert context.minimum_version == plain.minimum_version
    assert shake(context, server_for(certificate))[0] == "TLSv1.3"


@pytest.mark.parametrize(
    ("version", "least"), [("1.0", "TLSv1"), ("1.1", "TLSv1_1"), ("1.2", "TLSv1_2"), ("1.3", "TLSv1_3")]
)
def test_the_least_version(certificate: ServerCertificate, version: str, least: str) -> None:
    context = client_for(certificate, TlsDetails(version))  # warnings are errors here: there are none
    assert context.minimum_version == ssl.TLSVersion[least]
    if version == "1.3":
        with pytest.raises(ssl.SSLError):
            shake(context, server_for(certificate, "TLSv1_2"))
    else:
        assert shake(context, server_for(certificate, "TLSv1_2"))[0] == "TLSv1.2"
    assert shake(context, server_for(certificate))[0] == "TLSv1.3"


def test_only_the_suites_named_are_spoken(certificate: ServerCertificate) -> None:
    for suite, name in ((AES128, "ECDHE-ECDSA-AES128-GCM-SHA256"), (AES256, "ECDHE-ECDSA-AES256-GCM-SHA384")):
        context = client_for(certificate, TlsDetails(cipher_suites=(suite,)))
        assert shake(context, server_for(certificate, "TLSv1_2")) == ("TLSv1.2", name)
        older = {str(cipher["name"]) for cipher in context.get_ciphers() if cipher["protocol"] != "TLSv1.3"}
        assert older == {name}
        assert shake(context, server_for(certificate))[0] == "TLSv1.3"


@pytest.mark.parametrize("suites", [(), ("TLS_AES_128_GCM_SHA256",)])
def test_without_an_older_suite_there_is_only_tls_13(certificate: ServerCertificate, suites: tuple[str, ...]) -> None:
    context = client_for(certificate, TlsDetails("1.2", cipher_suites=suites))
    with pytest.raises(ssl.SSLError):
        shake(context, server_for(certificate, "TLSv1_2"))
    assert shake(context, server_for(certificate))[0] == "TLSv1.3"


EVERY_SUITE = {
    "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA": "AES256-SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256": "AES128-SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256": "ECDHE-ECDSA-AES128-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256": "ECDHE-RSA-AES128-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256": "DHE-RSA-AES128-GCM-SHA256",
}


@pytest.mark.parametrize(("suite", "name"), EVERY_SUITE.items())
def test_every_suite_by_both_its_names(suite: str, name: str) -> None:
    details = TlsDetails.parse(f"cipherSuites: [{suite}]", "F")
    context = ssl.create_default_context()
    details.apply(context)
    assert [cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] != "TLSv1.3"] == [name]


@pytest.mark.parametrize("others", [(), (AES128,)])
@pytest.mark.parametrize("suite", ["TLS_RSA_WITH_RC4_128_SHA", "TLS_ECDHE_RSA_WITH_RC4_128_SHA"])
def test_a_suite_that_openssl_has_not_is_refused(suite: str, others: tuple[str, ...]) -> None:
    details = TlsDetails.parse(f"cipherSuites: [{', '.join((*others, suite))}]", "F")
    with pytest.raises(InvalidInput) as caught:
        details.apply(ssl.create_default_context())
    assert str(caught.value) == (
        f"cannot use TLS cipher suite {suite}: this Python's OpenSSL does not have it; take it out of cipherSuites"
    )


@pytest.mark.parametrize(
    ("group", "name"),
    [("secp256r1", "prime256v1"), ("secp384r1", "secp384r1"), ("secp521r1", "secp521r1"), ("x25519", "X25519")],
)
def test_one_named_group_is_the_only_one_spoken(certificate: ServerCertificate, group: str, name: str) -> None:
    try:
        ssl.create_default_context().set_ecdh_curve(name)
    except ValueError:  # the first releases of Python 3.11
        pytest.skip(f"this Python cannot be told {name}")
    context = client_for(certificate, TlsDetails(named_groups=(group,)))
    assert shake(context, server_for(certificate, curve=name))[0] == "TLSv1.3"
    other = "secp384r1" if name != "secp384r1" else "secp521r1"
    with pytest.raises(ssl.SSLError):
        shake(context, server_for(certificate, curve=other))


@pytest.mark.skipif(ABLE_TO_CHOOSE, reason="this Python can be told several")
def test_several_named_groups_are_refused_where_they_cannot_be_had() -> None:
    with pytest.raises(InvalidInput) as caught:
        TlsDetails(named_groups=("secp256r1", "x25519")).apply(ssl.create_default_context())
    assert str(caught.value) == (
        "cannot allow several TLS named groups (secp256r1, x25519): this Python's ssl can be told one alone; "
        "keep one in namedGroups, or leave it out"
    )
    if ssl.OPENSSL_VERSION_INFO < (3, 5):
        with pytest.raises(InvalidInput, match="cannot use TLS named group X25519MLKEM768: this Python's OpenSSL"):
            TlsDetails(named_groups=("X25519MLKEM768",)).apply(ssl.create_default_context())


def test_several_named_groups_where_they_can_be_had() -> None:
    class Newer(ssl.SSLContext):
        """As of Python 3.15."""

        told = ""

        def set_groups(self, groups: str, /, *, ignore_unknown: bool = False) -> None:
            self.told = groups
            if "MLKEM" in groups:
                raise ssl.SSLError("no such group")

    context = Newer(ssl.PROTOCOL_TLS_CLIENT)
    TlsDetails(named_groups=("secp256r1", "x25519")).apply(context)
    assert context.told == "prime256v1:X25519"
    with pytest.raises(InvalidInput, match="cannot use TLS named group x25519, X25519MLKEM768"):
        TlsDetails(named_groups=("x25519", "X25519MLKEM768")).apply(context)
