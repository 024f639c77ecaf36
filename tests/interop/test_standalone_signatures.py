"""``standalone-sign``, ``standalone-verify`` and the dump of a signature beside skopeo's: each signs for the other.

This is what skopeo's own tests of these commands ask (its signing_test.go, and "signing: standalone" of its system
tests), and their bad input.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir
from pathlib import Path

import pytest

from pyskopeo.signatures.simple_signing import SimplePayload
from tests.support.cli import Done, pyskopeo_here
from tests.support.commands import PYSKOPEO, environment
from tests.support.gnupg import Gnupg
from tests.support.key_states import KeyStates
from tests.support.require import require_peer

pytestmark = [pytest.mark.peer("gpg"), pytest.mark.peer("skopeo")]
NAME = "example.com/app:1"
DUMP = "untrusted-signature-dump-without-verification"
OURS, THEIRS = "pyskopeo", "skopeo"


class Desk:
    """A folder with a manifest, and both programs, which use the same keyring."""

    def __init__(self, folder: Path, gpg: KeyStates) -> None:
        self.folder = folder
        self.gpg = gpg
        self.fingerprint = gpg.make_key("alice")
        self.other = gpg.make_key("bob")
        self.guarded = gpg.create("dora@example.com", passphrase="open sesame")
        (folder / "manifest.json").write_text('{"schemaVersion":2}')
        (folder / "keys.gpg").write_bytes(gpg.export())
        (folder / "alice.asc").write_bytes(gpg.export(self.fingerprint, armor=True))
        (folder / "bob.gpg").write_bytes(gpg.export(self.other))
        (folder / "passphrase").write_text("open sesame\nsecond line\n")
        (folder / "wrong").write_text("open rye\n")
        gpg.forget_passphrases()

    def run(self, program: str, *words: str, env: dict[str, str] | None = None) -> Done:
        more = {"GNUPGHOME": str(self.gpg.home), "TZ": "Asia/Kolkata", **(env or {})}
        # The time zone of a process is read when it starts, and the dump of a signature shows it.
        if program == OURS and words[0] != DUMP:
            with chdir(self.folder):
                return pyskopeo_here(*words, stdin="", env=more)
        command = PYSKOPEO if program == OURS else (require_peer("skopeo"),)
        done = subprocess.run(
            [*command, *words], cwd=self.folder, capture_output=True, stdin=subprocess.DEVNULL, check=False,
            timeout=120, env=environment(more),
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr.decode())

    def sign(self, program: str, key: str, *words: str, name: str = NAME) -> Done:
        return self.run(program, "standalone-sign", "manifest.json", name, key, "--output", "signature", *words)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with KeyStates() as gpg:
        yield Desk(tmp_path_factory.mktemp("desk"), gpg)


@pytest.fixture(autouse=True)
def no_signature(desk: Desk) -> None:
    (desk.folder / "signature").unlink(missing_ok=True)


def said(done: Done) -> tuple[int, str, str]:
    return done.code, done.stdout.decode(), done.stderr


@pytest.mark.parametrize("signer", [OURS, THEIRS])
@pytest.mark.parametrize("checker", [OURS, THEIRS])
@pytest.mark.parametrize("name", [NAME, "busybox", "testing/manifest", "localhost:5000/a/b:c", f"quay.io/a@sha256:{'0' * 64}"])
def test_each_signs_for_the_other(desk: Desk, signer: str, checker: str, name: str) -> None:
    assert said(desk.sign(signer, "alice@example.com", name=name)) == (0, "", "")
    digest = desk.run(OURS, "manifest-digest", "manifest.json").stdout.decode().strip()
    for keys in (desk.fingerprint, f"{desk.other},{desk.fingerprint},{'0' * 40}"):
        done = desk.run(checker, "standalone-verify", "manifest.json", name, keys, "signature")
        assert said(done) == (0, f"Signature verified using fingerprint {desk.fingerprint}, digest {digest}\n", "")
    for file in ("keys.gpg", "alice.asc"):
        for keys in ("any", desk.fingerprint):
            done = desk.run(checker, "standalone-verify", "--public-key-file", file, "manifest.json", name, keys, "signature")
            assert said(done) == (0, f"Signature verified using fingerprint {desk.fingerprint}, digest {digest}\n", "")


@pytest.mark.parametrize("signer", [OURS, THEIRS])
def test_the_dump_is_the_same(desk: Desk, signer: str) -> None:
    desk.sign(signer, desk.fingerprint, name="Any <text> & more")
    theirs, ours = (desk.run(program, DUMP, "signature") for program in (THEIRS, OURS))
    assert said(ours) == said(theirs)
    claims = json.loads(ours.stdout)
    assert claims["UntrustedDockerReference"] == "Any <text> & more"
    assert claims["UntrustedShortKeyIdentifier"] == desk.fingerprint[-16:]
    assert claims["UntrustedTimestamp"].endswith("+05:30")


@pytest.mark.parametrize("optional", ["{}", '{"creator":null,"timestamp":0}', '{"timestamp":1458239713.0,"a":[]}', '{"timestamp":-1}'])
@pytest.mark.parametrize("zone", ["UTC", "America/St_Johns"])
def test_the_dump_of_what_is_optional(desk: Desk, optional: str, zone: str) -> None:
    text = (
        '{"critical":{"identity":{"docker-reference":"a\\u2028<"},"image":{"docker-manifest-digest":"sha256:' + "0" * 64 + '"},'
        f'"type":"atomic container signature"}},"optional":{optional}}}'
    )
    (desk.folder / "signature").write_bytes(desk.gpg.message(text.encode(), desk.fingerprint))
    theirs, ours = (desk.run(program, DUMP, "signature", env={"TZ": zone}) for program in (THEIRS, OURS))
    assert said(ours) == said(theirs)
    assert ours.code == 0


def test_a_time_that_no_calendar_has(desk: Desk) -> None:
    text = SimplePayload(NAME, f"sha256:{'0' * 64}", "x", 10**15).to_bytes()
    (desk.folder / "signature").write_bytes(desk.gpg.message(text, desk.fingerprint))
    for program in (OURS, THEIRS):
        done = desk.run(program, DUMP, "signature")
        assert (done.code, done.stdout, len(done.stderr.splitlines())) == (1, b"", 1)


def test_a_device_and_a_file_without_end_instead_of_a_signature(desk: Desk) -> None:
    done = desk.run(OURS, DUMP, "/dev/zero")
    assert (done.code, "from /dev/zero: open /dev/zero: is a device, not a regular file" in done.stderr) == (1, True)
    with (desk.folder / "huge").open("wb") as file:
        file.truncate(2**40)
    done = desk.run(OURS, DUMP, "huge")
    assert (done.code, "Error reading untrusted signature from huge: over 67108864 bytes" in done.stderr) == (1, True)


def test_a_passphrase_file(desk: Desk) -> None:
    for program in (OURS, THEIRS):
        desk.gpg.forget_passphrases()
        assert said(desk.sign(program, desk.guarded, "--passphrase-file", "passphrase")) == (0, "", "")
        desk.gpg.forget_passphrases()
        (desk.folder / "signature").unlink()
        done = desk.sign(program, desk.guarded, "--passphrase-file", "wrong")
        assert done.code == 1
        assert "Error creating signature: Bad passphrase" in done.stderr
        assert "rye" not in done.stderr
        assert not (desk.folder / "signature").exists()


def verify(*words: str) -> Callable[[Desk], Sequence[str]]:
    def make(desk: Desk) -> Sequence[str]:
        desk.sign(THEIRS, desk.fingerprint)
        fill = {"FPR": desk.fingerprint, "KEY-ID": desk.fingerprint[-16:], "OTHER": desk.other}
        return ["standalone-verify", *(fill.get(word, word) for word in words)]

    return make


def sign(*words: str) -> Callable[[Desk], Sequence[str]]:
    def make(desk: Desk) -> Sequence[str]:
        return ["standalone-sign", *(desk.fingerprint if word == "FPR" else word for word in words)]

    return make


# What both refuse, and how our message begins. Where "=" is first, skopeo's is the same to the end.
REFUSED: list[tuple[Callable[[Desk], Sequence[str]], str]] = [
    (sign(), "=Usage: {} standalone-sign manifest docker-reference key-fingerprint -o signature"),
    (sign("a1", "a2", "a3"), "=Usage: {} standalone-sign manifest docker-reference key-fingerprint -o signature"),
    (sign("-o", "o", "a1", "a2", "a3", "a4"), "=Usage: {} standalone-sign manifest docker-reference key-fingerprint -o signature"),
    (sign("nowhere", NAME, "FPR", "-o", "signature"), "=Error reading nowhere: open nowhere: no such file or directory"),
    (sign("manifest.json", "", "FPR", "-o", "signature"), "Error creating signature: Unexpected empty signature content"),
    (sign("manifest.json", NAME, "nobody@example.com", "-o", "signature"), '=Error creating signature: key "nobody@example.com" not found'),
    (sign("manifest.json", NAME, "example.com", "-o", "signature"), "Error creating signature: Ambiguous name"),
    (sign("manifest.json", NAME, "", "-o", "signature"), "Error creating signature: no key identity"),
    (sign("manifest.json", NAME, "FPR", "-o", "no/where"), "=Error writing signature to no/where: open no/where: no such file or directory"),
    (sign("manifest.json", NAME, "FPR", "-o", "/dev/full"), "Error writing signature to /dev/full: "),
    (sign("manifest.json", NAME, "FPR", "-o", "signature", "--passphrase-file", "nowhere"), "=open nowhere: no such file or directory"),
    (verify(), "=Usage: {} standalone-verify manifest docker-reference key-fingerprint signature"),
    (verify("manifest.json", NAME, "FPR"), "=Usage: {} standalone-verify manifest docker-reference key-fingerprint signature"),
    (verify("manifest.json", NAME, "any", "signature"), "=Cannot use any fingerprint without a public key file"),
    (verify("nowhere", NAME, "FPR", "signature"), "=Error reading manifest from nowhere: open nowhere: no such file or directory"),
    (verify("manifest.json", NAME, "FPR", "nowhere"), "=Error reading signature from nowhere: open nowhere: no such file or directory"),
    (verify("--public-key-file", "nowhere", "manifest.json", NAME, "any", "signature"),
     "=Error reading public keys from nowhere: open nowhere: no such file or directory"),
    (verify("--public-key-file", "manifest.json", "manifest.json", NAME, "any", "signature"), "Error verifying signature: No public keys"),
    (verify("--public-key-file", "bob.gpg", "manifest.json", NAME, "any", "signature"), "Error verifying signature: Invalid GPG signature: "),
    (verify("--public-key-file", "keys.gpg", "manifest.json", NAME, "OTHER", "signature"),
     "Error verifying signature: signature by key "),
    (verify("manifest.json", NAME, "OTHER", "signature"), "Error verifying signature: signature by key "),
    (verify("manifest.json", NAME, "KEY-ID", "signature"), "Error verifying signature: signature by key "),
    (verify("manifest.json", "example.com/app:2", "FPR", "signature"),
     '=Error verifying signature: Docker reference "example.com/app:1" does not match "example.com/app:2"'),
    (verify("manifest.json", "example.com/app", "FPR", "signature"),
     '=Error verifying signature: Docker reference "example.com/app:1" does not match "example.com/app"'),
    (verify("manifest.json", "BAD NAME", "FPR", "signature"), "Error verifying signature: invalid reference format"),
    (verify("passphrase", NAME, "FPR", "signature"),
     '=Error verifying signature: Signature for docker digest "sha256:bafebd36189ad3688b7b3915ea55d461e0bfcfbdde11e54b0a123999fb6be50f" does not match'),
    (verify("manifest.json", NAME, "FPR", "manifest.json"), "Error verifying signature: Invalid GPG signature: not OpenPGP data"),
    (verify("manifest.json", NAME, "FPR", "/dev/null"), "Error verifying signature: Invalid GPG signature: it is empty"),
    (lambda desk: [DUMP], f"=Usage: {{}} {DUMP} signature"),
    (lambda desk: [DUMP, "a", "b"], f"=Usage: {{}} {DUMP} signature"),
    (lambda desk: [DUMP, "nowhere"], "=Error reading untrusted signature from nowhere: open nowhere: no such file or directory"),
    (lambda desk: [DUMP, "manifest.json"], "Error decoding untrusted signature: not OpenPGP data"),
    (lambda desk: [DUMP, "bob.gpg"], "Error decoding untrusted signature: it is a key, not a signed message"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "expected"), REFUSED)
def test_bad_input(desk: Desk, make: Callable[[Desk], Sequence[str]], expected: str) -> None:
    words = make(desk)
    there = (desk.folder / "signature").exists()
    ours = desk.run(OURS, *words, env={"SKOPEO_LOG": ""})
    assert (ours.code, ours.stdout) == (1, b"")
    (line,) = ours.stderr.splitlines()
    assert expected.removeprefix("=").format("pyskopeo") in line.replace('\\"', '"')
    theirs = desk.run(THEIRS, *words)
    assert (theirs.code, theirs.stdout) == (1, b"")
    if expected.startswith("="):
        assert expected[1:].format("skopeo") in theirs.stderr.replace('\\"', '"')
    assert (desk.folder / "signature").exists() == there


def test_without_gpg(desk: Desk, tmp_path: Path) -> None:
    desk.sign(OURS, desk.fingerprint)
    nothing = {"PATH": str(tmp_path)}
    done = desk.run(OURS, "standalone-sign", "manifest.json", NAME, desk.fingerprint, "-o", "other", env=nothing)
    assert (done.code, "signing with a GPG key needs the program gpg, which is not in PATH" in done.stderr) == (1, True)
    words = ("standalone-verify", "--public-key-file", "keys.gpg", "manifest.json", NAME, "any", "signature")
    assert desk.run(OURS, *words, env=nothing).code == 0


def test_an_empty_home(desk: Desk) -> None:
    desk.sign(OURS, desk.fingerprint)
    with Gnupg() as empty:
        done = desk.run(OURS, "standalone-verify", "manifest.json", NAME, desk.fingerprint, "signature", env={"GNUPGHOME": str(empty.home)})
    assert (done.code, "Error verifying signature: No public keys imported" in done.stderr) == (1, True)


def test_a_signature_is_readable_by_others(desk: Desk) -> None:
    old = os.umask(0o022)
    try:
        desk.sign(OURS, desk.fingerprint)
    finally:
        os.umask(old)
    assert (desk.folder / "signature").stat().st_mode & 0o777 == 0o644
