"""What we have gpg sign: the real skopeo accepts it, passphrases are asked for by pinentry, and mistakes are one line."""

from __future__ import annotations

import os
import pty
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from pyskopeo.config.policy_identities import MatchExact
from pyskopeo.errors import CredentialsFailed, InvalidInput, PyskopeoError, Unsupported
from pyskopeo.model.digest import Digest
from pyskopeo.model.reference import Reference
from pyskopeo.signatures.simple_signing import verify
from pyskopeo.signatures.verdict import SignedImage
from pyskopeo.signing.gpg import GpgSigner, export_public_keys
from tests.support.commands import PYSKOPEO, environment
from tests.support.key_states import KeyStates
from tests.support.require import require_peer

pytestmark = [pytest.mark.anyio, pytest.mark.peer("gpg")]
MANIFEST = b'{"schemaVersion":2}'
DIGEST = Digest.of(MANIFEST)
NAME = Reference.parse("example.com/app:1")
# Answers each question of the agent; what it is asked is written beside it (the Assuan protocol).
PINENTRY = """#!{python}
import sys
def say(line):
    sys.stdout.write(line + "\\n"); sys.stdout.flush()
say("OK ready")
for line in sys.stdin:
    open(__file__ + ".log", "a").write(line)
    if line.startswith("GETPIN"):
        say({answer!r})
    if not (line.startswith("GETPIN") and {answer!r}.startswith("ERR")):
        say("OK")
    if line.startswith("BYE"):
        break
"""


@pytest.fixture
def anyio_backend() -> str:
    """One is enough: what differs is how a thread is waited for, which has tests of its own."""
    return "asyncio"


@pytest.fixture
def gpg() -> Iterator[KeyStates]:
    with KeyStates() as found:
        yield found


def environ(gpg: KeyStates, **more: str) -> Mapping[str, str]:
    return {**os.environ, "GNUPGHOME": str(gpg.home), **more}


def accepted_by_skopeo(content: bytes, keys: bytes, folder: Path, name: str = str(NAME)) -> str:
    (folder / "manifest.json").write_bytes(MANIFEST)
    (folder / "signature").write_bytes(content)
    (folder / "keys").write_bytes(keys)
    done = subprocess.run(
        [require_peer("skopeo"), "standalone-verify", "--public-key-file", "keys", "manifest.json", name, "any", "signature"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout or done.stderr


@pytest.mark.parametrize("algorithm", ["ed25519", "rsa2048"])
async def test_both_accept_it(gpg: KeyStates, tmp_path: Path, algorithm: str) -> None:
    key = gpg.make_key("signer", algorithm=algorithm)
    signer = GpgSigner(key, environ(gpg))
    await signer.prepare()
    signature = await signer.sign(DIGEST, NAME)
    assert accepted_by_skopeo(signature.content, gpg.export(), tmp_path) == (
        f"Signature verified using fingerprint {key}, digest {DIGEST}\n"
    )
    verdict = verify(signature, SignedImage(MANIFEST, "x", NAME), [gpg.export()], MatchExact(), datetime.now(UTC))
    assert (verdict.accepted, verdict.signer, verdict.reason) == (True, key, "")
    said = subprocess.run(
        [require_peer("skopeo"), "untrusted-signature-dump-without-verification", "signature"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert '"UntrustedCreatorID": "pyskopeo",' in said
    assert f'"UntrustedShortKeyIdentifier": "{key[-16:]}"' in said


@pytest.mark.parametrize("named", ["fingerprint", "key ID", "user ID", "email"])
async def test_a_key_has_many_names(gpg: KeyStates, tmp_path: Path, named: str) -> None:
    gpg.make_key("other")
    key = gpg.make_key("signer")
    name = {"fingerprint": key, "key ID": key[-16:], "user ID": "signer", "email": "signer@example.com"}[named]
    signature = await GpgSigner(name, environ(gpg)).sign(DIGEST, NAME)
    assert key in accepted_by_skopeo(signature.content, gpg.export(key), tmp_path)


async def test_one_subkey(gpg: KeyStates) -> None:
    key = gpg.make_key("signer", "cert")
    subkeys = [gpg.add_subkey(key) for _ in range(3)]
    for subkey in subkeys:
        message = await GpgSigner(f"{subkey}!", environ(gpg)).sign_text(b"text")
        assert subkey[-16:] in gpg.run("--list-packets", stdin=message).decode()
    with pytest.raises(InvalidInput, match='key "0123456789ABCDEF!" not found'):
        await GpgSigner("0123456789ABCDEF!", environ(gpg)).prepare()


async def test_the_users_settings_do_not_change_the_form(gpg: KeyStates, tmp_path: Path) -> None:
    key = gpg.make_key("signer")
    (gpg.home / "gpg.conf").write_text("armor\ncompress-algo bzip2\ncharset latin1\nthrow-keyids\n")
    signature = await GpgSigner(key, environ(gpg)).sign(DIGEST, NAME)
    assert signature.content[0] >= 0x80
    assert key in accepted_by_skopeo(signature.content, await export_public_keys(environ(gpg)), tmp_path)


def protected(gpg: KeyStates) -> str:
    key = gpg.create("careful@example.com", passphrase="open sesame")
    gpg.forget_passphrases()
    return key


async def test_a_given_passphrase(gpg: KeyStates, tmp_path: Path) -> None:
    key = protected(gpg)
    signer = GpgSigner(key, environ(gpg), b"open sesame")
    await signer.prepare()
    gpg.forget_passphrases()
    signature = await signer.sign(DIGEST, NAME)
    assert key in accepted_by_skopeo(signature.content, gpg.export(), tmp_path)


async def test_a_wrong_passphrase_is_found_out_before_anything_is_copied(gpg: KeyStates) -> None:
    key = protected(gpg)
    with pytest.raises(CredentialsFailed) as caught:
        await GpgSigner(key, environ(gpg), b"open rye").prepare()
    assert str(caught.value) == f"Bad passphrase (GPG key {key})"


async def test_a_passphrase_is_in_no_list_of_processes_and_no_environment(gpg: KeyStates, tmp_path: Path) -> None:
    key = protected(gpg)
    real = require_peer("gpg")
    spy = tmp_path / "gpg"
    spy.write_text(f'#!/bin/sh\ntr "\\0" "\\n" </proc/$$/cmdline >>{tmp_path}/seen\nenv >>{tmp_path}/seen\nexec {real} "$@"\n')
    spy.chmod(0o755)
    signer = GpgSigner(key, environ(gpg, PATH=f"{tmp_path}:{os.environ['PATH']}"), b"open sesame")
    await signer.sign(DIGEST, NAME)
    seen = (tmp_path / "seen").read_text()
    assert key in seen
    assert "sesame" not in seen
    assert "sesame" not in repr(signer)


NO_TERMINAL = (
    "gpg: signing failed: Inappropriate ioctl for device: where there is no terminal, give the passphrase in a file"
)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("D open sesame", None),
        ("D open rye", "Bad passphrase"),
        ("ERR 83886179 Operation cancelled <Pinentry>", "Operation cancelled: no passphrase was entered"),
        ("ERR 83918950 Inappropriate ioctl for device <Pinentry>", NO_TERMINAL),
    ],
)
async def test_pinentry_is_asked(gpg: KeyStates, tmp_path: Path, answer: str, reason: str | None) -> None:
    key = protected(gpg)
    pinentry = tmp_path / "pinentry"
    pinentry.write_text(PINENTRY.format(python=sys.executable, answer=answer))
    pinentry.chmod(pinentry.stat().st_mode | stat.S_IXUSR)
    (gpg.home / "gpg-agent.conf").write_text(f"pinentry-program {pinentry}\n")
    signer = GpgSigner(key, environ(gpg, GPG_TTY="/dev/pts/77"))
    if reason is None:
        await signer.prepare()
        asked = Path(f"{pinentry}.log").read_text()
        assert asked.count("GETPIN") == 1
        assert "OPTION ttyname=/dev/pts/77" in asked
        await signer.sign(DIGEST, NAME)
        assert Path(f"{pinentry}.log").read_text().count("GETPIN") == 1  # the agent has it now
        return
    with pytest.raises(CredentialsFailed) as caught:
        await signer.prepare()
    assert str(caught.value) == f"{reason} (GPG key {key})"


async def test_pinentry_finds_the_terminal(gpg: KeyStates, tmp_path: Path) -> None:
    """Which is the one of standard input, unless ``GPG_TTY`` names another."""
    key = protected(gpg)
    pinentry = tmp_path / "pinentry"
    pinentry.write_text(PINENTRY.format(python=sys.executable, answer="D open sesame"))
    pinentry.chmod(0o755)
    (gpg.home / "gpg-agent.conf").write_text(f"pinentry-program {pinentry}\n")
    (tmp_path / "manifest.json").write_bytes(MANIFEST)
    ours, theirs = pty.openpty()
    try:
        env = {name: value for name, value in environment().items() if name != "GPG_TTY"} | {"GNUPGHOME": str(gpg.home)}
        words = ("standalone-sign", "manifest.json", str(NAME), key, "-o", "signature")
        process = await anyio.run_process([*PYSKOPEO, *words], cwd=tmp_path, env=env, stdin=theirs)
        assert process.stderr == b""
        assert f"OPTION ttyname={os.ttyname(theirs)}\n" in Path(f"{pinentry}.log").read_text()
    finally:
        os.close(ours)
        os.close(theirs)


async def test_a_question_that_nobody_answers_ends_with_the_command(gpg: KeyStates, tmp_path: Path) -> None:
    key = protected(gpg)
    pinentry = tmp_path / "pinentry"
    pinentry.write_text(f"#!/bin/sh\necho $$ >{tmp_path}/pid\necho OK ready\nexec sleep 60\n")
    pinentry.chmod(0o755)
    (gpg.home / "gpg-agent.conf").write_text(f"pinentry-program {pinentry}\n")
    with anyio.move_on_after(20) as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(GpgSigner(key, environ(gpg)).prepare)
            while not (tmp_path / "pid").exists():
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
    assert not scope.cancelled_caught


def unknown(gpg: KeyStates) -> str:
    gpg.make_key("signer")
    return "nobody@example.com"


def ambiguous(gpg: KeyStates) -> str:
    gpg.make_key("one")
    gpg.make_key("two")
    return "example.com"


def only_public(gpg: KeyStates) -> str:
    with KeyStates() as other:
        key = other.make_key("far away")
        gpg.run("--import", stdin=other.export())
    return key


def expired(gpg: KeyStates) -> str:
    return gpg.make_key("old", expire="1d", at=-900_000)


def revoked(gpg: KeyStates) -> str:
    key = gpg.make_key("gone")
    gpg.revoke(key)
    return key


def not_for_signing(gpg: KeyStates) -> str:
    return gpg.make_key("certifier", "cert")


@pytest.mark.parametrize(
    ("make", "kind", "reason"),
    [
        (unknown, InvalidInput, 'key "nobody@example.com" not found'),
        (lambda gpg: "", InvalidInput, "no key identity provided for simple signing"),
        (lambda gpg: "--version", InvalidInput, 'key "--version" not found'),
        (lambda gpg: "a\nb", InvalidInput, r'key "a\nb" not found'),
        (ambiguous, InvalidInput, 'Ambiguous name: key "example.com" is one of '),
        (only_public, InvalidInput, "not found"),
        (expired, CredentialsFailed, "the key cannot sign: it has expired (GPG key "),
        (revoked, CredentialsFailed, "the key cannot sign: it is revoked (GPG key "),
        (not_for_signing, CredentialsFailed, "the key cannot sign: no secret key that is for signing, and valid (GPG key "),
    ],
)
async def test_keys_that_cannot_sign(gpg: KeyStates, make: Callable[[KeyStates], str], kind: type[PyskopeoError], reason: str) -> None:
    key = make(gpg)
    with pytest.raises(kind) as caught:
        await GpgSigner(key, environ(gpg)).prepare()
    assert reason in str(caught.value)
    assert str(caught.value).isprintable()


async def test_without_gpg(gpg: KeyStates, tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="^signing with a GPG key needs the program gpg, which is not in PATH$"):
        await GpgSigner("key", {"PATH": str(tmp_path)}).prepare()
    with pytest.raises(Unsupported, match="needs the program gpg, which is not in PATH$"):
        await export_public_keys({"PATH": str(tmp_path)})


@pytest.mark.parametrize("script", ["", "#!/nowhere/at/all"])
async def test_a_gpg_that_does_not_run(tmp_path: Path, script: str) -> None:
    (tmp_path / "gpg").write_text(script)
    (tmp_path / "gpg").chmod(0o755)
    with pytest.raises(Unsupported, match=f"^{tmp_path}/gpg cannot be started: "):
        await GpgSigner("key", {"PATH": str(tmp_path)}).prepare()


async def test_a_gpg_that_fails(tmp_path: Path) -> None:
    (tmp_path / "gpg").write_text("#!/bin/sh\nprintf 'gpg: it\\033[31m is broken\\n\\n' >&2\nexit 2\n")
    (tmp_path / "gpg").chmod(0o755)
    with pytest.raises(CredentialsFailed) as caught:
        await export_public_keys({"PATH": str(tmp_path)})
    assert str(caught.value) == "gpg cannot export the public keys: gpg: it[31m is broken"
    with pytest.raises(InvalidInput, match=r'^key "key" not found \(gpg: it\[31m is broken\)$'):
        await GpgSigner("key", {"PATH": str(tmp_path)}).prepare()


async def test_what_cannot_be_signed(gpg: KeyStates) -> None:
    signer = GpgSigner(gpg.make_key("signer"), environ(gpg))
    with pytest.raises(InvalidInput, match="^reference example.com/app can't be signed, it has neither a tag nor a digest$"):
        await signer.sign(DIGEST, Reference.parse("example.com/app", default_tag=""))
    with pytest.raises(Unsupported, match="simple signatures are of sha256 digests"):
        await signer.sign(Digest.of(MANIFEST, "sha512"), NAME)
    with pytest.raises(InvalidInput, match="line break"):
        await GpgSigner("x", environ(gpg), b"a\nb").prepare()
