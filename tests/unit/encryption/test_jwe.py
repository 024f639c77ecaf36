"""JSON Web Encryption: the examples of RFC 7516, 7518 and 7520, what we write, and what is refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from pyskopeo.encryption import jwe
from pyskopeo.errors import InvalidContent, TooLarge
from tests.support.keys import KINDS, private_key

if TYPE_CHECKING:
    from pyskopeo.encryption.keys import PrivateKey

CONTENT = b'{"symkey":"secret"}'


def number(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")


def rfc_7516_a1() -> tuple[PrivateKey, str, str]:
    """RFC 7516, appendix A.1: RSA-OAEP and A256GCM."""
    p = number(
        "1r52Xk46c-LsfB5P442p7atdPUrxQSy4mti_tZI3Mgf2EuFVbUoDBvaRQ-SWxkbkmoEzL7JXroSBjSrK3YIQgYdMgyAEPTPjXv_hI2_1eTSPVZfz"
        "L0lffNn03IXqWF5MDFuoUYE0hzb2vhrlN_rKrbfDIwUbTrjjgieRbwC6Cl0"
    )
    q = number(
        "wLb35x7hmQWZsWJmB_vle87ihgZ19S8lBEROLIsZG4ayZVe9Hi9gDVCOBmUDdaDYVTSNx_8Fyw1YYa9XGrGnDew00J28cRUoeBB_jKI1oma0Orv1"
        "T9aXIWxKwd4gvxFImOWr3QRL9KEBRzk2RatUBnmDZJTIAfwTs0g68UZHvtc"
    )
    e, d = 65537, pow(65537, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(e, p * q)
    key = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public).private_key()
    text = (
        "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.OKOawDo13gRp2ojaHV7LFpZcgV7T6DVZKTyKOMTYUmKoTCVJRgckCL9kiMT03JGe"
        "ipsEdY3mx_etLbbWSrFr05kLzcSr4qKAq7YN7e9jwQRb23nfa6c9d-StnImGyFDbSv04uVuxIp5Zms1gNxKKK2Da14B8S4rzVRltdYwam_lDp5Xn"
        "ZAYpQdb76FdIKLaVmqgfwX7XWRxv2322i-vDxRfqNzo_tETKzpVLzfiwQyeyPGLBIO56YJ7eObdv0je81860ppamavo35UgoRdbYaBcoh9QcfylQ"
        "r66oc6vFWXRcZ_ZT2LawVCWTIy3brGPi6UklfCpIMfIjf7iGdXKHzg.48V1_ALb6US04U3b.5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9o"
        "Mo4vpzs9tX_EFShS8iB7j6jiSdiwkIr3ajwQzaBtQD_A.XFBoMYUZodetZdvTiFvSkQ"
    )
    return key, text, "The true sign of intelligence is not knowledge but imagination."


def rfc_7520_54() -> tuple[PrivateKey, str, str]:
    """RFC 7520, section 5.4: ECDH-ES+A128KW on P-384, and A128GCM."""
    public = ec.EllipticCurvePublicNumbers(
        number("YU4rRUzdmVqmRtWOs2OpDE_T5fsNIodcG8G5FWPrTPMyxpzsSOGaQLpe2FpxBmu2"),
        number("A8-yxCHxkfBz3hKZfI1jUYMjUhsEveZ9THuwFjH2sCNdtksRJU7D5-SkgaFL1ETP"), ec.SECP384R1(),
    )  # fmt: skip
    secret = number("iTx2pk7wW-GqJkHcEkFQb2EFyYcO7RugmaW3mRrQVAOUiPommT0IdnYK2xDlZh-j")
    text = (
        "eyJhbGciOiJFQ0RILUVTK0ExMjhLVyIsImtpZCI6InBlcmVncmluLnRvb2tAdHVja2Jvcm91Z2guZXhhbXBsZSIsImVwayI6eyJrdHkiOiJFQyIs"
        "ImNydiI6IlAtMzg0IiwieCI6InVCbzRrSFB3Nmtiang1bDB4b3dyZF9vWXpCbWF6LUdLRlp1NHhBRkZrYllpV2d1dEVLNml1RURzUTZ3TmROZzMi"
        "LCJ5Ijoic3AzcDVTR2haVkMyZmFYdW1JLWU5SlUyTW84S3BvWXJGRHI1eVBOVnRXNFBnRXdaT3lRVEEtSmRhWTh0YjdFMCJ9LCJlbmMiOiJBMTI4"
        "R0NNIn0.0DJjBXri_kBcC46IkU5_Jk9BqaQeHdv2.mH-G2zVqgztUtnW_.tkZuOO9h95OgHJmkkrfLBisku8rGf6nzVxhRM3sVOhXgz5NJ76oID7"
        "lpnAi_cPWJRCjSpAaUZ5dOR3Spy7QuEkmKx8-3RCMhSYMzsXaEwDdXta9Mn5B7cCBoJKB0IgEnj_qfo1hIi-uEkUpOZ8aLTZGHfpl05jMwbKkTe2"
        "yK3mjF6SBAsgicQDVCkcY9BLluzx1RmC3ORXaM0JaHPB93YcdSDGgpgBWMVrNU1ErkjcMqMoT_wtCex3w03XdLkjXIuEr2hWgeP-nkUZTPU9EoGS"
        "Pj6fAS-bSz87RCPrxZdj_iVyC6QWcqAu07WNhjzJEPc4jVntRJ6K53NgPQ5p99l3Z408OUqj4ioYezbS6vTPlQ.WuGzxmcreYjpHGJoa17EBg"
    )
    content = (
        "You can trust us to stick with you through thick and thin\u2013to the bitter end. And you can trust us to keep any "
        "secret of yours\u2013closer than you keep it yourself. But you cannot trust us to let you face trouble alone, and go "
        "off without a word. We are your friends, Frodo."
    )
    return ec.EllipticCurvePrivateNumbers(secret, public).private_key(), text, content


@pytest.mark.parametrize("example", [rfc_7516_a1, rfc_7520_54])
def test_examples_of_the_specifications(example: Callable[[], tuple[PrivateKey, str, str]]) -> None:
    key, text, content = example()
    assert jwe.decrypt(text.encode(), [key], "it").decode() == content
    names = ("protected", "encrypted_key", "iv", "ciphertext", "tag")
    members = dict(zip(names, text.split("."), strict=True))
    assert jwe.decrypt(json.dumps(members).encode(), [key], "it").decode() == content
    wrapped = members.pop("encrypted_key")
    general = members | {"recipients": [{"encrypted_key": "AAAA"}, {"encrypted_key": wrapped}]}
    assert jwe.decrypt(json.dumps(general).encode(), [key], "it").decode() == content


def test_the_derived_key_of_rfc_7518_appendix_c() -> None:
    shared = bytes.fromhex("9e56d91d817135d372834283bf84269cfb316ea3da806a48f6daa7798cfe90c4")
    key = jwe.derived_key(shared, "A128GCM", 16, b"Alice", b"Bob")
    assert base64.urlsafe_b64encode(key) == b"VqqN6vgjbSBcIijNcacQGg=="


@pytest.mark.parametrize("kinds", [*[(kind,) for kind in KINDS], KINDS, ("RSA", "RSA")])
def test_each_recipient_opens_what_we_write(kinds: tuple[str, ...]) -> None:
    keys = [private_key(kind, number) for number, kind in enumerate(kinds)]
    text = jwe.encrypt(CONTENT, [key.public_key() for key in keys])
    members = json.loads(text)
    assert ("recipients" in members) == (len(kinds) > 1)
    for key in keys:
        assert jwe.decrypt(text, [key], "it") == CONTENT
        assert jwe.decrypt(text, [private_key("RSA", 9), private_key("P-256", 9), key], "it") == CONTENT
    with pytest.raises(jwe.NoKey, match="^it: no private key given opens it$"):
        jwe.decrypt(text, [private_key(kind, 9) for kind in KINDS], "it")
    assert text != jwe.encrypt(CONTENT, [key.public_key() for key in keys])


def flipped(text: str) -> str:
    return ("B" if text[0] == "A" else "A") + text[1:]


@pytest.mark.parametrize("name", ["encrypted_key", "iv", "ciphertext", "tag"])
@pytest.mark.parametrize("kind", ["RSA", "P-256"])
def test_what_was_changed_is_not_opened(kind: str, name: str) -> None:
    members = json.loads(jwe.encrypt(CONTENT, [private_key(kind).public_key()]))
    members[name] = flipped(members[name])
    with pytest.raises(jwe.NoKey):
        jwe.decrypt(json.dumps(members).encode(), [private_key(kind)], "it")


def header_with(**more: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def change(members: dict[str, Any]) -> dict[str, Any]:
        text = members["protected"]
        header = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))) | more
        return members | {"protected": base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()}

    return change


BAD: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (header_with(alg="RSA1_5"), "alg 'RSA1_5' is not supported"),
    (header_with(alg="dir"), "alg 'dir' is not supported"),
    (header_with(alg=["RSA-OAEP"]), "alg .* is not supported"),
    (header_with(alg=None), "alg None is not supported"),
    (header_with(enc="A128CBC-HS256"), "enc 'A128CBC-HS256' is not supported"),
    (header_with(enc=1), "enc 1 is not supported"),
    (header_with(crit=["exp"]), "a header with crit is not supported"),
    (header_with(zip="DEF"), "a header with zip is not supported"),
    (lambda members: members | {"header": {"alg": "RSA-OAEP"}}, "names are in two of its headers"),
    (lambda members: members | {"unprotected": {"enc": "A256GCM"}}, "names are in two of its headers"),
    (lambda members: members | {"recipients": []}, "is not a list of 1 to 128"),
    (lambda members: members | {"recipients": [{}] * 129}, "is not a list of 1 to 128"),
    (lambda members: members | {"recipients": [1]}, "a recipient is not a JSON object"),
    (lambda members: members | {"iv": "AAAA"}, "are not 12 and 16 bytes long"),
    (lambda members: members | {"tag": "AAAA"}, "are not 12 and 16 bytes long"),
    (lambda members: members | {"iv": "+/=="}, "iv is not base64url"),
    (lambda members: members | {"ciphertext": 1}, "ciphertext is not base64url"),
    (lambda members: members | {"protected": "A"}, "protected is not base64url"),
    (lambda members: members | {"protected": "AAAA"}, "its protected header"),
    (lambda members: {name: value for name, value in members.items() if name != "encrypted_key"}, "encrypted_key is not"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_what_is_no_jwe_of_ours(change: Callable[[dict[str, Any]], Any], message: str) -> None:
    members = json.loads(jwe.encrypt(CONTENT, [private_key("RSA").public_key()]))
    with pytest.raises(InvalidContent, match=message) as caught:
        jwe.decrypt(json.dumps(change(members)).encode(), [private_key("RSA")], "it")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("it")


@pytest.mark.parametrize("text", [b"", b"{", b"{}", b"[]", b"a.b.c.d", b"a.b.c.d.e.f", b"\xff.\xff.\xff.\xff.\xff", b'{"iv":"","iv":""}'])
def test_what_is_no_jwe_at_all(text: bytes) -> None:
    with pytest.raises(InvalidContent, match="^it"):
        jwe.decrypt(text, [private_key("RSA")], "it")


def test_a_huge_one() -> None:
    with pytest.raises(TooLarge, match="^it is over the limit of 262144 bytes$"):
        jwe.decrypt(b"{" + b" " * jwe.LIMIT, [private_key("RSA")], "it")


@pytest.mark.parametrize(
    "epk",
    [None, 1, {}, {"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"}, {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
     {"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43}, {"kty": "EC", "crv": "P-256", "x": 1, "y": None}],
)  # fmt: skip
def test_an_ephemeral_key_that_is_no_point_of_the_curve(epk: object) -> None:
    members = json.loads(jwe.encrypt(CONTENT, [private_key("P-256").public_key()]))
    with pytest.raises(jwe.NoKey):
        jwe.decrypt(json.dumps(header_with(epk=epk)(members)).encode(), [private_key("P-256")], "it")
