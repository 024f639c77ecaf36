"""What gpg signs, with keys in every state: what the real skopeo refuses is refused, and what it accepts accepted.

What only we refuse is in `STRICTER`, with the reason.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pyskopeo.config.policy_identities import MatchExact
from pyskopeo.model.digest import Digest
from pyskopeo.model.reference import Reference
from pyskopeo.model.signature import Signature
from pyskopeo.signatures.simple_signing import SimplePayload, verify
from pyskopeo.signatures.verdict import SignedImage, Verdict
from tests.support.key_states import DAY, KeyStates
from tests.support.require import require_peer

MANIFEST = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}'
NAME = "example.com/app:1"
PAYLOAD = SimplePayload(NAME, str(Digest.of(MANIFEST)), "test", 1).to_bytes()


@dataclass(frozen=True)
class Case:
    """A message, the keys that are trusted, and the primary key that has signed it."""

    message: bytes
    keys: bytes
    signer: str


def payload(identity: str = NAME, digest: str = str(Digest.of(MANIFEST))) -> bytes:
    return SimplePayload(identity, digest).to_bytes()


def signed(*options: str, algorithm: str = "ed25519", at: int = 0, text: bytes = PAYLOAD) -> Callable[[KeyStates], Case]:
    def make(gpg: KeyStates) -> Case:
        key = gpg.make_key("signer", algorithm=algorithm)
        return Case(gpg.message(text, key, *options, at=at), gpg.export(key), key)

    return make


def with_subkey(algorithm: str = "ed25519", expire: str = "never") -> Callable[[KeyStates], Case]:
    def make(gpg: KeyStates) -> Case:
        of_primary = algorithm.partition("/")[0]
        key = gpg.make_key("primary", "cert", of_primary, at=-800 * DAY)
        subkey = gpg.add_subkey(key, algorithm=algorithm, expire=expire, at=-799 * DAY)
        return Case(gpg.message(PAYLOAD, f"{subkey}!", at=-700 * DAY), gpg.export(key), key)

    return make


def by_another_key(gpg: KeyStates) -> Case:
    key, other = gpg.make_key("signer"), gpg.make_key("other")
    return Case(gpg.message(PAYLOAD, other), gpg.export(key), other)


def one_of_two(armor: bool) -> Callable[[KeyStates], Case]:
    def make(gpg: KeyStates) -> Case:
        one, other = gpg.make_key("one"), gpg.make_key("other")
        return Case(gpg.message(PAYLOAD, other), gpg.export(one, armor=armor) + gpg.export(other, armor=armor), other)

    return make


def by_sha1(gpg: KeyStates) -> Case:
    """What the key says of itself, as keys of old times do, Red Hat's for RHEL 8 among them."""
    (gpg.home / "gpg.conf").write_text("cert-digest-algo SHA1\n")
    key = gpg.make_key("old", algorithm="rsa2048")
    return Case(gpg.message(PAYLOAD, key), gpg.export(key), key)


def by_two(gpg: KeyStates) -> Case:
    one, other = gpg.make_key("one"), gpg.make_key("other")
    return Case(gpg.message(PAYLOAD, one, "--local-user", other), gpg.export(), one)


def expired(*options: str, expire: str = "1y", algorithm: str = "ed25519") -> Callable[[KeyStates], Case]:
    def make(gpg: KeyStates) -> Case:
        key = gpg.make_key("old", algorithm=algorithm, expire=expire, at=-800 * DAY)
        return Case(gpg.message(PAYLOAD, key, *options, at=-790 * DAY), gpg.export(key), key)

    return make


def extended(subkey: bool, kept: bool) -> Callable[[KeyStates], Case]:
    """The key was extended since; with ``kept`` the keyring has both states of it."""

    def make(gpg: KeyStates) -> Case:
        key = gpg.make_key("extended", "cert" if subkey else "sign", expire="never" if subkey else "1y", at=-800 * DAY)
        by = gpg.add_subkey(key, expire="1y", at=-799 * DAY) if subkey else key
        message = gpg.message(PAYLOAD, f"{by}!", at=-700 * DAY)
        before = gpg.export(key)
        gpg.at(0, "--quick-set-expire", key, "5y", *([by] if subkey else []))
        return Case(message, (before if kept else b"") + gpg.export(key), key)

    return make


def revoked_of(algorithm: str) -> Callable[[KeyStates], Case]:
    def make(gpg: KeyStates) -> Case:
        key = gpg.make_key("revoked", algorithm=algorithm)
        message = gpg.message(PAYLOAD, key)
        gpg.revoke(key)
        return Case(message, gpg.export(key), key)

    return make


def revoked_subkey(reason: str, algorithm: str = "ed25519", of_subkey: str = "ed25519") -> Callable[[KeyStates], Case]:
    def make(gpg: KeyStates) -> Case:
        key = gpg.make_key("primary", "cert", algorithm)
        subkey = gpg.add_subkey(key, of_subkey)
        message = gpg.message(PAYLOAD, f"{subkey}!")
        gpg.edit(key, "key 1", "revkey", "y", reason, "", "y")
        return Case(message, gpg.export(key), key)

    return make


def beside_revoked_subkey(algorithm: str = "ed25519", of_subkeys: str = "ed25519") -> Callable[[KeyStates], Case]:
    def make(gpg: KeyStates) -> Case:
        key = gpg.make_key("primary", "cert", algorithm)
        gpg.add_subkey(key, of_subkeys)
        good = gpg.add_subkey(key, of_subkeys)
        message = gpg.message(PAYLOAD, f"{good}!")
        gpg.edit(key, "key 1", "revkey", "y", "0", "", "y")
        return Case(message, gpg.export(key), key)

    return make


def not_for_signing(subkey: bool, kept: bool = False) -> Callable[[KeyStates], Case]:
    def make(gpg: KeyStates) -> Case:
        key = gpg.make_key("changed", "cert" if subkey else "sign", at=-9 * DAY)
        by = gpg.add_subkey(key, at=-8 * DAY) if subkey else key
        message = gpg.message(PAYLOAD, f"{by}!", at=-5 * DAY)
        before = gpg.export(key)
        gpg.edit(key, *(["key 1", "change-usage", "S", "A", "Q"] if subkey else ["change-usage", "S", "Q"]))
        return Case(message, (before if kept else b"") + gpg.export(key), key)

    return make


def encrypted(gpg: KeyStates) -> Case:
    key = gpg.make_key("encrypted", "default", "default")
    return Case(gpg.message(PAYLOAD, key, "--recipient", key, "--sign", "--encrypt"), gpg.export(key), key)


def changed(change: Callable[[bytes], bytes]) -> Callable[[KeyStates], Case]:
    """A message that is not compressed, and is changed."""

    def make(gpg: KeyStates) -> Case:
        case = signed("--compress-algo", "none")(gpg)
        return Case(change(case.message), case.keys, case.signer)

    return make


def after(packets: bytes) -> Callable[[KeyStates], Case]:
    def make(gpg: KeyStates) -> Case:
        case = signed()(gpg)
        return Case(packets + case.message, case.keys, case.signer)

    return make


def with_keys(keys: Callable[[KeyStates, Case], bytes]) -> Callable[[KeyStates], Case]:
    def make(gpg: KeyStates) -> Case:
        case = signed()(gpg)
        return Case(case.message, keys(gpg, case), case.signer)

    return make


ACCEPTED: dict[str, Callable[[KeyStates], Case]] = {
    "compressed": signed(),
    "not compressed": signed("--compress-algo", "none"),
    "zlib": signed("--compress-algo", "zlib"),
    "bzip2": signed("--compress-algo", "bzip2"),
    "text mode": signed("--textmode"),
    "rsa": signed(algorithm="rsa2048"),
    "dsa": signed(algorithm="dsa2048"),
    "nistp256": signed(algorithm="nistp256"),
    "secp256k1": signed(algorithm="secp256k1"),
    "brainpool": signed(algorithm="brainpoolP256r1"),
    "subkey, brainpool": with_subkey("brainpoolP384r1/ecdsa"),
    "a key that is signed by SHA-1": by_sha1,
    "beside a revoked subkey, secp256k1": beside_revoked_subkey("secp256k1", "secp256k1/ecdsa"),
    "one of two": one_of_two(armor=False),
    "one of two, armored": one_of_two(armor=True),
    "secret keys in the keyring": with_keys(lambda gpg, case: gpg.at(0, "--export-secret-keys", case.signer)),
    "an old signature": expired(expire="never"),
    "subkey": with_subkey(),
    "subkey, rsa": with_subkey("rsa2048"),
    "subkey, dsa": with_subkey("dsa2048"),
    "subkey, nistp256": with_subkey("nistp256/ecdsa"),
    "subkey, nistp384": with_subkey("nistp384/ecdsa"),
    "subkey, nistp521": with_subkey("nistp521/ecdsa"),
    "extended": extended(subkey=False, kept=False),
    "extended, and before": extended(subkey=False, kept=True),
    "extended subkey": extended(subkey=True, kept=False),
    "extended subkey, and before": extended(subkey=True, kept=True),
    "beside a revoked subkey": beside_revoked_subkey(),
    "no creator": signed(text=payload()),
    "unknown optional field": signed(text=PAYLOAD.replace(b'"optional":{', b'"optional":{"other":[1,2],')),
}
# What both refuse, with what our reason has to say.
REFUSED: dict[str, tuple[Callable[[KeyStates], Case], str]] = {
    "revoked, secp256k1": (revoked_of("secp256k1"), r"the key [0-9A-F]{40} is revoked"),
    "expired, secp256k1": (expired(algorithm="secp256k1"), r"the key [0-9A-F]{40} expired on 20"),
    "another key": (by_another_key, r"made by the key [0-9A-F]{40}, which is not the key that may sign"),
    "no keys": (with_keys(lambda *_: b""), "No public keys imported"),
    "no OpenPGP keys": (with_keys(lambda *_: b"garbage"), "No public keys imported"),
    "two signers": (by_two, "Unexpected GPG signature count 2"),
    "detached": (signed("--detach-sign"), "a detached signature, without the text"),
    "not signed": (signed("--store"), "it is not signed"),
    "encrypted": (encrypted, "it is encrypted"),
    "expired key": (expired(), r"the key [0-9A-F]{40} expired on 20"),
    "expired signature": (expired("--default-sig-expire", "2d", expire="never"), "it expired on 20"),
    "expired subkey": (with_subkey(expire="1y"), r"the subkey [0-9A-F]{40} of [0-9A-F]{40} expired on 20"),
    "revoked": (revoked_of("ed25519"), r"the key [0-9A-F]{40} is revoked"),
    "revoked subkey": (revoked_subkey("0"), "the subkey .* is revoked"),
    "superseded subkey": (revoked_subkey("2"), "the subkey .* is revoked"),
    "revoked subkey, secp256k1": (revoked_subkey("0", "secp256k1", "secp256k1/ecdsa"), "the subkey .* is revoked"),
    "retired subkey": (revoked_subkey("3"), "the subkey .* is revoked"),
    "not for signing": (not_for_signing(subkey=False), "is not for signing"),
    "not for signing any more": (not_for_signing(subkey=False, kept=True), "is not for signing"),
    "subkey not for signing": (not_for_signing(subkey=True), "the subkey .* is not for signing"),
    "subkey not for signing any more": (not_for_signing(subkey=True, kept=True), "the subkey .* is not for signing"),
    "tampered": (changed(lambda raw: raw.replace(b"app:1", b"app:2")), "bad signature by the key"),
    "tampered digest": (changed(lambda raw: raw.replace(b"sha256:", b"sha512:")), "bad signature by the key"),
    "tampered signature": (changed(lambda raw: raw[:-1] + bytes([raw[-1] ^ 1])), "bad signature by the key"),
    "cut short": (changed(lambda raw: raw[:-3]), "cut short"),
    "twice": (changed(lambda raw: raw + raw), "more than one text"),
    "followed by something": (changed(lambda raw: raw + b"\0"), "not OpenPGP data"),
    "empty": (changed(lambda _: b"\xa3"), "Invalid GPG signature"),
    "a key": (changed(lambda _: b"\x99\0\2\4\0"), "Invalid GPG signature: it is a key"),
    "another image": (signed(text=payload(identity="example.com/other:1")), '"example.com/other:1" is not accepted'),
    "another tag": (signed(text=payload(identity="example.com/app:2")), '"example.com/app:2" is not accepted'),
    "no tag": (signed(text=payload(identity="example.com/app")), "has neither a tag nor a digest"),
    "not a reference": (signed(text=payload(identity="Example/APP")), "is not a valid reference"),
    "another digest": (signed(text=payload(digest=str(Digest.of(b"")))), "does not match"),
    "another algorithm of digests": (signed(text=payload(digest=str(Digest.of(MANIFEST, "sha512")))), "has to be for a sha256 digest"),
    "not a digest": (signed(text=payload(digest="sha256:12")), "invalid digest"),
    "not JSON": (signed(text=b"{"), "is not valid JSON"),
    "two documents": (signed(text=PAYLOAD + PAYLOAD), "is not valid JSON"),
    "a list": (signed(text=b"[%s]" % PAYLOAD), "is not a JSON object"),
    "another type": (signed(text=PAYLOAD.replace(b"atomic container", b"cosign container")), "Unrecognized signature type"),
    "unknown field": (signed(text=PAYLOAD.replace(b'{"critical"', b'{"other":1,"critical"')), "unknown key 'other'"),
    "unknown critical field": (
        signed(text=PAYLOAD.replace(b'"critical":{', b'"critical":{"expires":1,')), "critical of the payload has the unknown key 'expires'"
    ),
    "unknown field of the image": (signed(text=PAYLOAD.replace(b'"image":{', b'"image":{"a":1,')), "unknown key 'a'"),
    "unknown field of the identity": (signed(text=PAYLOAD.replace(b'"identity":{', b'"identity":{"a":1,')), "unknown key 'a'"),
    "a key twice": (signed(text=PAYLOAD.replace(b'"identity":{', b'"identity":{"docker-reference":"a",')), "duplicate name"),
    "critical twice": (signed(text=b'{"critical":{},' + PAYLOAD[1:]), "duplicate name"),
    "no optional": (signed(text=PAYLOAD.partition(b',"optional"')[0] + b"}"), "the payload has no optional"),
    "no type": (signed(text=PAYLOAD.replace(b',"type":"atomic container signature"', b"")), "critical of the payload has no type"),
    "optional is no object": (signed(text=PAYLOAD.partition(b'"optional"')[0] + b'"optional":[]}'), "is not an object"),
    "creator is no text": (signed(text=PAYLOAD.replace(b'"creator":"test"', b'"creator":1')), "is not a text"),
    "half a second": (signed(text=PAYLOAD.replace(b'"timestamp":1', b'"timestamp":1.5')), "is not a whole number"),
    "a huge time": (signed(text=PAYLOAD.replace(b'"timestamp":1', b'"timestamp":"1"')), "is not a whole number"),
}  # fmt: skip
# What skopeo accepts with GnuPG, and we do not.
STRICTER: dict[str, tuple[Callable[[KeyStates], Case], str]] = {
    # Signatures with SHA-1 can be made to fit another text. podman with Sequoia refuses them, too.
    "sha1": (signed("--digest-algo", "SHA1"), "it uses SHA-1"),
    "in the future": (signed(at=3 * DAY), "which is in the future"),
    # Files in directories and lookasides are binary (skopeo, too, refuses others there).
    "armored": (signed("--armor"), "it is armored"),
    "clear text": (signed("--clear-sign"), "it is armored"),
    # Nobody writes these.
    "compressed twice": (after(b"\xa3\0"), "it is compressed twice"),
    "a marker": (after(b"\xca\3PGP"), "it is compressed twice, or together"),
    "unknown nested name twice": (
        signed(text=PAYLOAD.replace(b'"optional":{', b'"optional":{"o":{"a":1,"a":2},')), "duplicate name"
    ),
}  # fmt: skip


@pytest.fixture
def gpg() -> Iterator[KeyStates]:
    with KeyStates() as found:
        yield found


def ours(case: Case) -> Verdict:
    image = SignedImage(MANIFEST, f"docker://{NAME}", Reference.parse(NAME))
    signature = Signature("simple", case.message, where="signature-1")
    return verify(signature, image, [case.keys], MatchExact(), datetime.now(UTC))


def theirs(case: Case, folder: Path) -> tuple[bool, str]:
    (folder / "manifest.json").write_bytes(MANIFEST)
    (folder / "signature").write_bytes(case.message)
    (folder / "keys").write_bytes(case.keys)
    done = subprocess.run(
        [require_peer("skopeo"), "standalone-verify", "--public-key-file", "keys", "manifest.json", NAME, "any", "signature"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ACCEPTED)
@pytest.mark.peer("gpg")
def test_what_skopeo_accepts_is_accepted(name: str, gpg: KeyStates, tmp_path: Path) -> None:
    case = ACCEPTED[name](gpg)
    verdict = ours(case)
    assert verdict == Verdict(True, "", case.signer, NAME, verdict.digest, "signature-1", "simple")
    accepted, said = theirs(case, tmp_path)
    assert (accepted, said) == (True, f"Signature verified using fingerprint {case.signer}, digest {verdict.digest}\n")


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.peer("gpg")
def test_what_skopeo_refuses_is_refused(name: str, gpg: KeyStates, tmp_path: Path) -> None:
    make, reason = REFUSED[name]
    case = make(gpg)
    verdict = ours(case)
    assert not verdict.accepted
    assert re.search(reason, verdict.reason), verdict.reason
    assert "\n" not in verdict.reason
    assert not theirs(case, tmp_path)[0]


@pytest.mark.parametrize("name", STRICTER)
@pytest.mark.peer("gpg")
def test_what_only_we_refuse(name: str, gpg: KeyStates, tmp_path: Path) -> None:
    make, reason = STRICTER[name]
    case = make(gpg)
    verdict = ours(case)
    assert (verdict.accepted, reason in verdict.reason) == (False, True), verdict.reason
    accepted, said = theirs(case, tmp_path)
    assert accepted, said
