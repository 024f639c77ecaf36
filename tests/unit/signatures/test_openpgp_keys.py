"""Whether a key may sign now is said by the newest statement that its primary key has signed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pyskopeo.errors import InvalidContent
from pyskopeo.signatures.openpgp import verify_message
from pyskopeo.signatures.openpgp_keys import _signatures, fingerprints, library_errors, read_keyrings
from tests.support.openpgp_factory import CERTIFY, ENCRYPT, SIGN, Key, bound, days_ago, packet

TEXT = b"text"
PRIMARY = Key(days_ago(900))
SUBKEY = Key(days_ago(800))
OTHER = Key(days_ago(900))
SIGNED = SUBKEY.message(TEXT, days_ago(700))
FIRST = PRIMARY.binding(SUBKEY, days_ago(800))


def now() -> datetime:
    return datetime.now(UTC)


def refused(message: bytes, *keyrings: bytes, when: datetime | None = None) -> str:
    with pytest.raises(InvalidContent) as caught:
        verify_message(message, keyrings, when or now())
    return str(caught.value).removeprefix("Invalid GPG signature: ")


def forged(signature: bytes) -> bytes:
    """A signature that is not genuine."""
    return signature[:-1] + bytes((signature[-1] ^ 1,))


@pytest.mark.parametrize(
    "statements",
    [
        [FIRST],
        [FIRST, PRIMARY.binding(SUBKEY, days_ago(600), days=2000)],
        [PRIMARY.binding(SUBKEY, days_ago(800), days=150), PRIMARY.binding(SUBKEY, days_ago(600))],
        # Renewed, and the older statements thrown away, as gpg does.
        [PRIMARY.binding(SUBKEY, days_ago(10))],
        # What others say, or somebody in their name, changes nothing.
        [FIRST, forged(PRIMARY.binding(SUBKEY, days_ago(5), days=1))],
        [FIRST, forged(PRIMARY.binding(SUBKEY, days_ago(5), flags=ENCRYPT))],
        [FIRST, OTHER.binding(SUBKEY, days_ago(5), days=1)],
        # A statement that is from the future is none yet.
        [FIRST, PRIMARY.binding(SUBKEY, now() + timedelta(days=2), days=1)],
    ],
)
def test_a_subkey_that_may_sign(statements: list[bytes]) -> None:
    verified = verify_message(SIGNED, [PRIMARY.certificate(bound(SUBKEY, *statements), flags=CERTIFY)], now())
    assert (verified.content, verified.fingerprint, verified.key) == (TEXT, PRIMARY.fingerprint, SUBKEY.fingerprint)


CALLED = f"the subkey {SUBKEY.fingerprint} of {PRIMARY.fingerprint}"


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        ([], "is not bound to it by a signature that can be verified"),
        ([forged(FIRST)], "is not bound to it by a signature that can be verified"),
        ([OTHER.binding(SUBKEY, days_ago(800))], "is not bound to it by a signature that can be verified"),
        ([PRIMARY.binding(OTHER, days_ago(800))], "is not bound to it by a signature that can be verified"),
        ([PRIMARY.binding(SUBKEY, days_ago(800), days=300)], "expired on "),
        ([FIRST, PRIMARY.binding(SUBKEY, days_ago(600), days=300)], "expired on "),
        ([PRIMARY.binding(SUBKEY, days_ago(800), days=300), forged(PRIMARY.binding(SUBKEY, days_ago(5)))], "expired on "),
        ([PRIMARY.binding(SUBKEY, days_ago(800), days=300), OTHER.binding(SUBKEY, days_ago(5))], "expired on "),
        ([PRIMARY.binding(SUBKEY, days_ago(800), flags=ENCRYPT)], "is not for signing"),
        ([FIRST, PRIMARY.binding(SUBKEY, days_ago(600), flags=ENCRYPT)], "is not for signing"),
        ([FIRST, PRIMARY.revocation(SUBKEY, days_ago(1))], "is revoked"),
        ([PRIMARY.revocation(SUBKEY, days_ago(1)), FIRST], "is revoked"),
        # A subkey that somebody else's key has adopted without asking it.
        ([PRIMARY.binding(SUBKEY, days_ago(800), consent=False)], "has not signed that it belongs to it"),
        ([FIRST, PRIMARY.binding(SUBKEY, days_ago(600), consent=False)], "has not signed that it belongs to it"),
    ],
)  # fmt: skip
def test_a_subkey_that_may_not(statements: list[bytes], reason: str) -> None:
    found = refused(SIGNED, PRIMARY.certificate(bound(SUBKEY, *statements), flags=CERTIFY))
    assert found.startswith(f"{CALLED} {reason}"), found


def test_an_adopted_subkey_does_not_sign_for_its_new_family() -> None:
    """The certificate that has the subkey by right is not accepted; the one that has adopted it is."""
    thief = Key(days_ago(900)).certificate(bound(SUBKEY, PRIMARY.binding(SUBKEY, days_ago(800))))
    assert "is not bound to it" in refused(SIGNED, thief)
    owner = PRIMARY.certificate(bound(SUBKEY, FIRST), flags=CERTIFY)
    assert verify_message(SIGNED, [thief, owner], now()).fingerprint == PRIMARY.fingerprint


def self_signed(*signatures: bytes) -> bytes:
    return packet(6, PRIMARY.body) + packet(13, b"a") + b"".join(packet(2, one) for one in signatures)


BY_PRIMARY = PRIMARY.message(TEXT, days_ago(700))


def certified(days: float, flags: int = CERTIFY | SIGN, valid: int | None = None) -> bytes:
    return PRIMARY.certification(b"a", days_ago(days), flags, valid)


@pytest.mark.parametrize(
    "statements",
    [
        [certified(900)],
        [certified(900), certified(10, valid=2000)],
        [certified(900, valid=300), certified(10)],
        [certified(10)],
        [certified(900), forged(certified(10, flags=CERTIFY))],
        [certified(900), forged(certified(10, valid=1))],
    ],
)
def test_a_primary_key_that_may_sign(statements: list[bytes]) -> None:
    verified = verify_message(BY_PRIMARY, [self_signed(*statements)], now())
    assert (verified.content, verified.fingerprint, verified.key) == (TEXT, PRIMARY.fingerprint, PRIMARY.fingerprint)


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        ([], "cannot be used: it has no signature of its own"),
        ([forged(certified(900))], "cannot be used: it has no signature of its own"),
        ([certified(900, valid=300)], "expired on "),
        ([certified(900), certified(10, valid=300)], "expired on "),
        ([certified(900, valid=300), forged(certified(10))], "expired on "),
        ([certified(900, flags=CERTIFY)], "is not for signing"),
        ([certified(900), certified(10, flags=CERTIFY)], "is not for signing"),
    ],
)
def test_a_primary_key_that_may_not(statements: list[bytes], reason: str) -> None:
    assert refused(BY_PRIMARY, self_signed(*statements)).startswith(f"the key {PRIMARY.fingerprint} {reason}")


def test_what_is_older_than_its_key() -> None:
    """A renewed certificate says nothing of the time of the message; the time when the key was made does."""
    early = SUBKEY.message(TEXT, days_ago(850))
    assert "bad signature" in refused(early, PRIMARY.certificate(bound(SUBKEY, PRIMARY.binding(SUBKEY, days_ago(10))), flags=CERTIFY))


@pytest.mark.parametrize("renewed", [False, True])
def test_a_changed_message(renewed: bool) -> None:
    """Also where the certificate is newer than the message, which is verified in another way then."""
    binding = PRIMARY.binding(SUBKEY, days_ago(10 if renewed else 800))
    keyring = PRIMARY.certificate(bound(SUBKEY, binding), flags=CERTIFY)
    assert verify_message(SIGNED, [keyring], now()).content == TEXT
    for changed in (SIGNED.replace(TEXT, b"tex."), forged(SIGNED), SIGNED.replace(b"\x04\x00\x16\x08", b"\x04\x00\x16\x0a")):
        assert changed != SIGNED
        assert refused(changed, keyring) == f"bad signature by the key {SUBKEY.fingerprint}: it or its text was changed"


@pytest.mark.parametrize("renewed", [False, True])
def test_a_statement_about_something_else_signs_no_text(renewed: bool) -> None:
    """A signature of another type, of a user ID for example, over the same bytes."""
    binding = PRIMARY.binding(SUBKEY, days_ago(10 if renewed else 800))
    keyring = PRIMARY.certificate(bound(SUBKEY, binding), flags=CERTIFY)
    for kind in (0x10, 0x18, 0x1F, 0x40, 0x02):
        assert "bad signature" in refused(SUBKEY.message(TEXT, days_ago(700), kind=kind), keyring)


def test_a_message_expires() -> None:
    brief = SUBKEY.message(TEXT, days_ago(700), (3, (86400 * 30).to_bytes(4, "big")))
    keyring = PRIMARY.certificate(bound(SUBKEY, FIRST), flags=CERTIFY)
    assert refused(brief, keyring).startswith("it expired on ")
    assert refused(brief, keyring, when=days_ago(669)).startswith("it expired on ")
    long = SUBKEY.message(TEXT, days_ago(700), (3, (86400 * 3000).to_bytes(4, "big")))
    assert verify_message(long, [keyring], now()).content == TEXT
    assert refused(long, keyring, when=now() + timedelta(days=2301)).startswith("it expired on ")


def test_a_message_from_the_future() -> None:
    keyring = PRIMARY.certificate(bound(SUBKEY, FIRST), flags=CERTIFY)
    assert "which is in the future" in refused(SUBKEY.message(TEXT, now() + timedelta(hours=1)), keyring)
    assert verify_message(SUBKEY.message(TEXT, now() + timedelta(minutes=10)), [keyring], now()).content == TEXT


@pytest.mark.parametrize("renewed", [False, True])
@pytest.mark.parametrize("kind", [100, 20, 127, 40])
def test_a_critical_statement_that_nobody_understands(kind: int, renewed: bool) -> None:
    keyring = PRIMARY.certificate(bound(SUBKEY, PRIMARY.binding(SUBKEY, days_ago(10 if renewed else 800))), flags=CERTIFY)
    notation = b"\x80\0\0\0\0\x05\0\1a@b.cd"
    critical = SUBKEY.message(TEXT, days_ago(700), (0x80 | kind, notation))
    assert "bad signature" in refused(critical, keyring)
    if kind != 20:
        assert verify_message(SUBKEY.message(TEXT, days_ago(700), (kind, notation)), [keyring], now()).content == TEXT


def test_a_critical_statement_about_a_key_that_nobody_understands() -> None:
    """A binding of that kind binds nothing: the older one counts."""
    newer = PRIMARY.signature(0x18, PRIMARY.hashed + SUBKEY.hashed, days_ago(5), (27, bytes((SIGN,))), (0x80 | 100, b""))
    short = PRIMARY.binding(SUBKEY, days_ago(800), days=300)
    assert "expired on" in refused(SIGNED, PRIMARY.certificate(bound(SUBKEY, short, newer), flags=CERTIFY))


def test_a_key_without_flags_may_sign() -> None:
    """As keys of old times are."""
    plain = PRIMARY.signature(0x13, PRIMARY.hashed + b"\xb4\0\0\0\1a", days_ago(900))
    direct = PRIMARY.signature(0x1F, PRIMARY.hashed, days_ago(900), (27, bytes((SIGN | CERTIFY,))))
    assert verify_message(BY_PRIMARY, [self_signed(certified(900))], now()).content == TEXT
    with_direct = packet(6, PRIMARY.body) + packet(2, direct) + packet(13, b"a") + packet(2, plain)
    assert verify_message(BY_PRIMARY, [with_direct], now()).content == TEXT


class PanicException(BaseException):  # as the library's is named
    pass


@pytest.mark.parametrize("error", [RuntimeError, ValueError, PanicException])
def test_a_library_that_fails_has_refused(error: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error("it failed\n\nStack backtrace:\n 0: main")

    keyring = PRIMARY.certificate(bound(SUBKEY, FIRST), flags=CERTIFY)
    assert verify_message(SIGNED, [keyring], now()).content == TEXT
    monkeypatch.setattr("pysequoia.verify", fail)
    assert verify_message(SIGNED, [keyring], now()).fingerprint == PRIMARY.fingerprint  # we can verify that, too
    assert "bad signature" in refused(forged(SIGNED), keyring)
    with pytest.raises(InvalidContent, match="^it failed$"), library_errors():
        fail()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, TypeError])
def test_other_errors_are_what_they_are(error: type[BaseException]) -> None:
    with pytest.raises(error), library_errors():
        raise error


OLD = Key(days_ago(900), algorithm="sha1")
OLD_SUBKEY = Key(days_ago(800), algorithm="sha1")
MODERN = Key(OLD.created, secret=OLD.secret)


def test_what_a_key_says_of_itself_by_sha1() -> None:
    """It counts, as for gpg, though not for the library; texts that are signed so do not."""
    keyring = OLD.certificate(bound(OLD_SUBKEY, OLD.binding(OLD_SUBKEY, days_ago(800))))
    message = Key(OLD_SUBKEY.created, secret=OLD_SUBKEY.secret).message(TEXT, days_ago(700))
    assert verify_message(message, [keyring], now()).key == OLD_SUBKEY.fingerprint
    assert verify_message(MODERN.message(TEXT, days_ago(700)), [keyring], now()).key == OLD.fingerprint
    for signer in (OLD, OLD_SUBKEY):
        assert "it uses SHA-1" in refused(signer.message(TEXT, days_ago(700)), keyring)


@pytest.mark.parametrize(
    ("keyring", "reason"),
    [
        (OLD.certificate(days=300), "expired on "),
        (OLD.certificate(flags=CERTIFY), "is not for signing"),
        (OLD.certificate(packet(2, OLD.signature(0x20, OLD.hashed, days_ago(1)))), "is revoked"),
        (OLD.certificate(packet(2, forged(OLD.signature(0x20, OLD.hashed, days_ago(1))))), "is revoked"),
    ],
    ids=["expired", "use", "revoked", "perhaps revoked"],  # keys are new in each process
)
def test_what_it_says_by_sha1_is_heard_too(keyring: bytes, reason: str) -> None:
    assert refused(MODERN.message(TEXT, days_ago(700)), keyring).startswith(f"the key {OLD.fingerprint} {reason}")


def test_a_revocation_is_one_of_the_subkey_that_it_is_for() -> None:
    """Wherever it stands in the certificate; one that is for none that is known is one of all."""
    other = Key(days_ago(800))
    for revocation, revoked in (
        (PRIMARY.revocation(SUBKEY, days_ago(1)), True),
        (PRIMARY.revocation(other, days_ago(1)), False),
        (forged(PRIMARY.revocation(other, days_ago(1))), True),
    ):
        parts = (bound(SUBKEY, FIRST), bound(other, PRIMARY.binding(other, days_ago(800)), revocation))
        keyring = PRIMARY.certificate(*parts, flags=CERTIFY)
        if revoked:
            assert refused(SIGNED, keyring) == f"{CALLED} is revoked"
        else:
            assert verify_message(SIGNED, [keyring], now()).key == SUBKEY.fingerprint


def test_signatures_that_cannot_be_read_say_nothing_unless_they_revoke() -> None:
    damaged = b"\4\x10\x16\x08\0\1\0\0\0" + FIRST[-70:]
    keyring = PRIMARY.certificate(bound(SUBKEY, FIRST, damaged), flags=CERTIFY)
    assert verify_message(SIGNED, [keyring], now()).content == TEXT
    with pytest.raises(InvalidContent):
        list(_signatures([FIRST, damaged.replace(b"\4\x10", b"\4\x28", 1)]))
    assert list(_signatures([b"\3\x10", damaged])) == []


def test_keyrings_are_merged() -> None:
    old = PRIMARY.certificate(bound(SUBKEY, FIRST), flags=CERTIFY)
    revoked = PRIMARY.certificate(bound(SUBKEY, PRIMARY.revocation(SUBKEY, days_ago(1))), flags=CERTIFY)
    assert fingerprints([old, OTHER.certificate(), revoked]) == (PRIMARY.fingerprint, OTHER.fingerprint)
    assert refused(SIGNED, old, revoked) == f"{CALLED} is revoked"
    assert len(read_keyrings((old + OTHER.certificate(),))) == 2


@pytest.mark.parametrize(
    "raw", [b"", b"garbage", b"\x99\0", packet(13, b"a"), packet(2, FIRST)], ids=["empty", "garbage", "cut", "name", "signature"]
)
def test_what_is_no_keyring(raw: bytes) -> None:
    with pytest.raises(InvalidContent, match="^No public keys imported") as caught:
        read_keyrings((raw,))
    assert str(caught.value).isprintable()
