"""What is taken out of a server's text before a person reads it."""

from __future__ import annotations

import base64
import html
import json
import time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyskopeo.errors import AccessDenied, ConnectionFailed, ContentMismatch
from pyskopeo.http.redactor import Redactor
from pyskopeo.model.events import Explained, Requested, Retrying, Warned


@pytest.mark.parametrize(
    ("secrets", "text", "expected"),
    [
        ([], "hunter2", "hunter2"),
        (["hunter2"], "no: hunter2, hunter2!", "no: ***, ***!"),
        (["hunter2"], "Hunter2", "Hunter2"),
        # One is part of another: neither's rest is left.
        (["hunter", "hunter2-more"], "hunter2-more hunter", "*** ***"),
        # As in a URL, as in a form, as in JSON.
        (["a b/c"], "a%20b%2Fc a+b%2Fc", "*** ***"),
        (['a"b\\c'], r'{"said": "a\"b\\c"}', '{"said": "***"}'),
        # Too short to be a secret, or to be looked for.
        (["", "abc"], "abc", "abc"),
        (["abcd"], "abcd", "***"),
    ],
)
def test_redact(secrets: list[str], text: str, expected: str) -> None:
    redactor = Redactor()
    redactor.add(*secrets)
    assert redactor.redact(text) == expected


SECRET = "p@ss/w+rd=\u00e9 1&2"
RAW = SECRET.encode()


@pytest.mark.parametrize(
    "spelling",
    [
        SECRET,
        quote(SECRET, safe=""),
        quote(SECRET),
        quote(SECRET, safe="").lower(),
        quote_plus(SECRET),
        quote(quote(SECRET)),
        "".join(f"%{byte:02x}" for byte in RAW),
        "".join(f"%{byte:02X}" for byte in RAW),
        "%70" + quote(SECRET)[1:],
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET)[1:-1].replace("/", "\\/"),
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        ascii(SECRET)[1:-1],
        html.escape(SECRET),
        RAW.hex(),
        RAW.hex().upper(),
        *(encode(before + RAW + after).decode().rstrip("=")
          for encode in (base64.b64encode, base64.urlsafe_b64encode)
          for before in (b"", b"u", b"us", b"user:") for after in (b"", b"!", b"!!")),
    ],
)  # fmt: skip
def test_every_spelling_of_a_secret_is_hidden(spelling: str) -> None:
    redactor = Redactor()
    redactor.add(SECRET)
    shown = redactor.redact(f"you sent <{spelling}>, or so it seems")
    assert "***" in shown
    core = base64.b64encode(RAW).decode()
    for telling in (SECRET[:7], quote(SECRET)[4:12], RAW.hex()[4:16], core[4:12], "w+rd", "w%2Brd"):
        assert telling not in shown
    assert shown.startswith("you sent ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bad line: 'GET hunter2-pass'", "bad line: 'GET ***'"),
        ("bad line: hunter2-pass...", "bad line: ***..."),
        ("bad line: hunter2-pas", "bad line: ***"),
        ("hunter2-pass hunter2-pass", "hunter2-pass ***"),
        ("hunter", "***"),
        ("hunte", "hunte"),
        ("hunters are out", "hunters are out"),
        ("aHVudGVyMi1wYXN", "***"),
    ],
)
def test_a_secret_that_a_message_cuts(text: str, expected: str) -> None:
    """A server can see to it that a message reaches its maximum length in the middle of the secret."""
    redactor = Redactor()
    redactor.add("hunter2-password")
    assert redactor.redact(text) == expected


@given(st.text(min_size=4, max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_no_text_keeps_a_secret(secret: str, before: str, after: str) -> None:
    redactor = Redactor()
    redactor.add(secret)
    shown = redactor.redact(f"{before}{secret}{after}")
    assert secret not in shown.replace("***", "\0")


def test_values_of_a_signed_url() -> None:
    redactor = Redactor()
    redactor.add_url("https://s.example/x?X-Signature=0123456789abcdef%2B&X-Expires=300&empty=&scope=" + "a" * 20)
    assert redactor.redact("a" * 20) == "a" * 20
    assert redactor.redact("bad signature 0123456789abcdef+ (0123456789abcdef%2B), 300") == "bad signature *** (***), 300"
    for number in range(1000):
        redactor.add_url(f"https://s.example/x?s={number:016}")
    assert redactor.redact(f"{999:016} {0:016}") == f"*** {0:016}"


def test_where_an_upload_is() -> None:
    redactor = Redactor(("registry.example", "a-team-with-a-long-name/image"))
    identifier, state = "6f1d1f0e-3a43-4fd3-9d2c-4a8f5f3c2b1a", "c3RhdGUgb2YgdGhlIHVwbG9hZCE"
    path = f"/v2/a-team-with-a-long-name/image/blobs/uploads/{identifier}"
    redactor.add_upload(f"https://registry.example{path}?_state={state}&n=1")
    assert redactor.redact(f"PATCH {path}?_state={state}: no") == f"PATCH {path.replace(identifier, '***')}?_state=***: no"


def test_names_are_kept() -> None:
    """A weak password may be a word of the image's name, which everybody can see."""
    redactor = Redactor(("registry.example.com", "team/nginx", ""))
    redactor.add("team", "a-team/nginx-secret")
    assert redactor.redact("team/nginx: no team, no a-team/nginx-secret") == "team/nginx: no ***, no ***"


def test_events() -> None:
    redactor = Redactor()
    events = (
        Warned("hunter2"), Explained("hunter2"), Retrying("hunter2", "hunter2", 1.5),
        Requested("GET", "https://x/hunter2", 404, 0.5),
    )  # fmt: skip
    assert [redactor.redact_event(event) for event in events] == list(events)
    redactor.add("hunter2")
    assert [redactor.redact_event(event) for event in events] == [
        Warned("***"), Explained("***"), Retrying("***", "***", 1.5), Requested("GET", "https://x/***", 404, 0.5),
    ]  # fmt: skip
    plain = Warned("nothing")
    assert redactor.redact_event(plain) is plain


def test_errors_and_their_causes() -> None:
    redactor = Redactor()
    redactor.add("hunter2")
    denied = AccessDenied("no hunter2", status=401, codes=("HUNTER", "hunter2"))

    def fail() -> None:
        try:
            try:
                raise ValueError("bad line: hunter2")
            except ValueError as error:
                raise ConnectionFailed("hunter2 again", host="hunter2") from error
        except ConnectionFailed:
            raise denied  # noqa: B904

    with pytest.raises(AccessDenied) as caught, redactor.redacted_errors():
        fail()
    assert caught.value is denied
    chained: BaseException | None = denied
    count = 0
    while chained is not None:
        assert "hunter2" not in f"{chained} {chained!r} {vars(chained)}"
        chained, count = chained.__cause__ or chained.__context__, count + 1
    assert count == 3
    assert denied.codes == ("HUNTER", "***")
    mismatch = ContentMismatch("x", expected="sha256:hunter2", actual="y")
    with pytest.raises(ContentMismatch), redactor.redacted_errors():
        raise mismatch
    assert mismatch.expected == "sha256:***"


def test_other_exceptions_are_left_alone() -> None:
    redactor = Redactor()
    redactor.add("hunter2")
    with pytest.raises(KeyError, match="hunter2"), redactor.redacted_errors():
        raise KeyError("hunter2")


LONG = "L0ngT0ken/" + "abcdefghijklmnopqrstuvwxyz0123456789" * 3
LONG_RAW = LONG.encode()


LEFT = ("***", "\\x***", "0x***", "*** is unknown", "***=\n", "***=\r\n ", "***=\\n", "***\\n")


@pytest.mark.parametrize(
    "spelling",
    [
        base64.encodebytes(f"ann:{LONG}".encode()).decode(),
        base64.encodebytes(f"ann:{LONG}".encode()).decode().replace("\n", "\r\n "),
        base64.encodebytes(f"ann:{LONG}".encode()).decode().replace("\n", "\\n"),
        f"{LONG[:60]}\n{LONG[60:]}",
        f"{LONG[:2]}\n{LONG[2:]}",
        "\u200b".join(LONG),
        " ".join(LONG),
        ":".join(f"{byte:02x}" for byte in LONG.encode()),
        ":".join(f"{byte:02X}" for byte in LONG.encode()),
        ", ".join(f"0x{byte:02x}" for byte in LONG.encode()),
        LONG.encode().hex(" "),
        "".join(f"\\x{byte:02x}" for byte in LONG.encode()),
        "\\x4c" + LONG[1:],
        LONG.upper(),
        LONG.lower(),
        f"{LONG[:40]} is unknown",
    ],
)
def test_a_secret_in_pieces_is_hidden(spelling: str) -> None:
    redactor = Redactor()
    redactor.add(LONG, base64.b64encode(f"ann:{LONG}".encode()).decode())
    shown = redactor.redact(f"bad password: {spelling} (it is)")
    assert shown in {f"bad password: {left} (it is)" for left in LEFT}


WORD = "S3cret-\u00e9-word"
# How one number is written, and what is between two of them.
NUMBERS = [
    ("{}", ","), ("{}", ",\n  "), ("{:03d}", " "), ("\\{:03o}", ""), ("0o{:o}", ", "), ("{:04o}", " "), ("&#{};", ""),
    ("Chr({})", " & "), ("chr({})", "."), ("U+{:04X}", " "), ("\\u{:04x}", ", "), ("\\u{{{:x}}}", ""), ("{:08b}", " "),
    ("%u{:04X}", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    "spelling",
    [
        between.join(map(number.format, numbers))
        for number, between in NUMBERS
        for numbers in (list(WORD.encode()), list(map(ord, WORD)))
    ]
    + ["".join(format(byte, form) for byte in WORD.encode()) for form in ("03d", "03o", "08b")]
    + ["S3cret\\055\\303\\251-word", "\\123" + WORD[1:], WORD[:-1] + "\\x64"],
)
def test_a_secret_as_numbers_is_hidden(spelling: str) -> None:
    redactor = Redactor()
    redactor.add(WORD)
    shown = redactor.redact(f"in 2024, 10 of 12: no <{spelling}> 7, 8 or 9")
    assert shown.startswith("in 2024, 10 of 12: no ")
    assert shown.endswith(" 7, 8 or 9")
    assert "***" in shown
    assert sum(character.isalnum() for character in shown) <= len("in202410of12no7890r9") + len("charu")


@pytest.mark.parametrize(
    "spelling",
    [
        *(encode(before + LONG_RAW).decode() for encode in (base64.b32encode, lambda raw: base64.b32encode(raw).lower())
          for before in (b"", b"u", b"us", b"use", b"user")),
        LONG.encode("utf-16-le").hex(), LONG.encode("utf-16-be").hex().upper(),
        base64.b64encode(f"us:{LONG}".encode("utf-16-le")).decode(), base64.b64encode(LONG.encode("utf-16-be")).decode(),
        json.dumps(list(LONG)), repr(list(LONG)), json.dumps(list(LONG), indent=1), " + ".join(f"'{one}'" for one in LONG),
    ],
)  # fmt: skip
def test_a_secret_in_rarer_encodings_is_hidden(spelling: str) -> None:
    redactor = Redactor()
    redactor.add(LONG)
    shown = redactor.redact(f"no <{spelling}>!")
    assert "***" in shown
    assert len(shown) < 30


def test_numbers_that_a_message_cuts() -> None:
    redactor = Redactor()
    redactor.add(WORD)
    assert redactor.redact("no: 83,51,99,114,101,116,4") == "no: ***,4"
    assert redactor.redact("no: 83,51,99,114,101,116 and more") == "no: *** and more"
    assert redactor.redact("83,51,99,114,101,117,1") == "83,51,99,114,101,117,1"


def test_other_numbers_are_kept() -> None:
    redactor = Redactor()
    redactor.add(WORD, "10.0.0.1")
    for text in ("https://127.0.0.1:5000/v2/ took 1.5, 2, 3, 4 s", "1 2 3 4 5 6 7 8 9 10 99999999 99999999 1"):
        assert redactor.redact(text) == text


def test_words_beside_each_other_are_no_short_secret() -> None:
    redactor = Redactor()
    redactor.add("team")
    assert redactor.redact("tea market, 74:65 61 6d") == "tea market, ***"


def test_names_are_kept_beside_secrets_in_pieces() -> None:
    redactor = Redactor(("registry.example.com", "team/nginx-1"))
    redactor.add("team/nginx", "a-long-secret", "of-team/nginx-1")
    assert redactor.redact("team/nginx-1: a-long\n-secret of-team/\nnginx-1") == "team/nginx-1: *** ***"


@pytest.mark.parametrize("piece", ["ab ", "ab:", "\\x61", "a\n", " ", "aaaaaaaa \n", "97,", "\\141", "1,,,,,,,,", "1 Chr", "&#97;"])
def test_long_texts_take_linear_time(piece: str) -> None:
    redactor = Redactor()
    redactor.add("a" * 60, "ab" * 40)
    begun = time.process_time()
    redactor.redact(piece * (64 * 1024 // len(piece)))
    assert time.process_time() - begun < 5


HASH = "0123456789abcdef" * 4
BLOB = f"https://127.0.0.1:5000/v2/a/b/blobs/sha256:{HASH}"


def test_urls_of_content_are_left_alone_unless_a_secret_is_in_them() -> None:
    redactor = Redactor(("127.0.0.1:5000", "a/b"))
    redactor.add("another secret")
    assert redactor.redact(BLOB) == BLOB
    redactor.add(HASH)
    assert redactor.redact(BLOB) == BLOB.replace(HASH, "***")


@pytest.mark.parametrize("secret", ["\x7f\x00\x00\x01", "127.0.0.1"])
def test_the_name_of_the_registry_is_no_secret_whatever_its_numbers_say(secret: str) -> None:
    redactor = Redactor(("127.0.0.1:5000", "a/b"))
    redactor.add(secret)
    assert redactor.redact(BLOB) == BLOB
    assert redactor.redact(f"{BLOB}?x") == f"{BLOB}?x"


def test_values_of_many_urls_are_hidden_as_long_as_they_are_recent() -> None:
    redactor = Redactor()
    urls = [f"https://a/?signature={number:04}{HASH}" for number in range(3000)]
    for url in urls:
        redactor.add_url(url)
    assert redactor.redact(urls[-1]) == "https://a/?signature=***"
    assert redactor.redact(urls[-64]) == "https://a/?signature=***"
    assert len(redactor._beginnings or ()) <= 1024
    redactor.add("0042 secret")
    assert redactor.redact("it is 0042 secret") == "it is ***"
