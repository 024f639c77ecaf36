"""Who signs, who checks, where the signature is, and what is signed: what one program signs the other accepts.

And what either refuses both refuse: another key, another name, another image with the same signature, none at all.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.interop.programs import PROGRAMS, exact_repository, signed_by, sigstore_signed
from tests.interop.signing_stage import FolderServer, Stage, files
from tests.support.cli import pyskopeo_here, succeed
from tests.support.gnupg import Gnupg
from tests.support.peers import Registry
from tests.support.signature_extension import ExtendedRegistry

pytestmark = [pytest.mark.peer("skopeo"), pytest.mark.peer("gpg")]
WAYS = [("pyskopeo", "skopeo"), ("skopeo", "pyskopeo")]
# The place of a signature, its format, and what is signed.
CASES = [
    ("lookaside", "simple", "docker"), ("lookaside", "simple", "oci-index"), ("lookaside over http", "simple", "oci"),
    ("extension", "simple", "docker-list"), ("attachments", "sigstore", "docker"), ("attachments", "sigstore", "oci-index"),
    ("dir", "simple", "oci"), ("dir", "simple", "docker-list"), ("dir", "sigstore", "docker"), ("dir", "sigstore", "oci-index"),
]  # fmt: skip
_COUNT = itertools.count()


@dataclass(frozen=True)
class Key:
    """How to sign with a key, and the requirement of its signature."""

    flags: tuple[str, ...]
    requirement: dict[str, Any]


@pytest.fixture(scope="module")
def sigstore_keys(tmp_path_factory: pytest.TempPathFactory) -> list[Key]:
    """Two keys of sigstore, made by skopeo and by us."""
    folder = tmp_path_factory.mktemp("sigstore")
    (folder / "passphrase").write_text("opensesame")
    return [_sigstore_key(folder, name) for name in PROGRAMS]


def _sigstore_key(folder: Path, name: str) -> Key:
    passphrase = folder / "passphrase"
    words = ("generate-sigstore-key", f"--output-prefix={folder}/{name}", f"--passphrase-file={passphrase}")
    succeed(PROGRAMS[name](*words))
    flags = (f"--sign-by-sigstore-private-key={folder}/{name}.private", f"--sign-passphrase-file={passphrase}")
    return Key(flags, sigstore_signed(folder / f"{name}.pub"))


@pytest.fixture
def pair(request: pytest.FixtureRequest, form: str, keys: Gnupg) -> list[Key]:
    """The key that signs, and another one."""
    if form == "sigstore":
        found: list[Key] = request.getfixturevalue("sigstore_keys")
        return found
    users = ("alice@example.com", "bob@example.com")
    return [Key((f"--sign-by={user}",), signed_by(keys.public_key(user))) for user in users]


@dataclass(frozen=True)
class Scene:
    """What is signed, by whom, and where; and what the other program makes of it."""

    signer: Stage
    checker: Stage
    place: str
    kind: str

    def target(self, name: str) -> str:
        """Where an image goes to be signed, and comes from to be checked."""
        return self.signer.out(f"dir-{name}") if self.place == "dir" else self.signer.name(name)

    def sign(self, key: Key, name: str, *flags: str, image: str = "") -> None:
        """Sign the image as the repository ``name``."""
        identity = (f"--sign-identity={self.signer.prefix}/{name}:latest",) if self.place == "dir" else ()
        self.signer.copy(*flags, *key.flags, *identity, image or self.signer.image(self.kind), self.target(name))

    def policy(self, *keys: Key, name: str) -> Path:
        """The policy that wants a signature of each key for the repository ``name``."""
        identity = exact_repository(f"{self.signer.prefix}/{name}")
        more = {"signedIdentity": identity} if self.place == "dir" else {}
        return self.checker.policy([key.requirement | more for key in keys])

    def verified(self, name: str, policy: Path, *flags: str) -> bool:
        """What ``verify`` says, which only we have."""
        words = ("--registries.d", self.checker.registries_d, "verify", "--signatures-only", "--policy", policy)
        done = pyskopeo_here(*words, *flags, *(() if self.place == "dir" else ("--tls-verify=false",)), self.target(name))
        assert (b"refused" in done.stdout) is bool(done.code)
        return done.code == 0

    @property
    def is_list(self) -> bool:
        return self.kind in ("oci-index", "docker-list")


@pytest.fixture
def scene(
    registry: Registry, signer: str, checker: str, place: str, kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Scene]:
    with ExitStack() as running:
        where = running.enter_context(ExtendedRegistry()) if place == "extension" else registry
        prefix = f"{where.host}/matrix{next(_COUNT)}"
        stages = [Stage(where, prefix, tmp_path, PROGRAMS[name]) for name in (signer, checker)]
        settings: dict[str, object] = {"use-sigstore-attachments": place == "attachments"}
        if place == "lookaside":
            settings["lookaside"] = f"file://{stages[0].lookaside}"
        if place == "lookaside over http":
            server = running.enter_context(FolderServer(tmp_path / "staging"))
            settings |= {"lookaside-staging": f"file://{server.folder}", "lookaside": server.url}
        stages[0].configure({prefix: settings})
        yield Scene(stages[0], stages[1], place, kind)


@pytest.mark.parametrize(("signer", "checker"), WAYS)
@pytest.mark.parametrize(("place", "form", "kind"), CASES)
def test_accepted_and_refused(scene: Scene, pair: list[Key]) -> None:
    key, other = pair
    every = ("--all",) if scene.is_list else ()
    scene.sign(key, "app", *every)
    scene.checker.copy(*every, scene.target("app"), scene.checker.out(), policy=scene.policy(key, name="app"))
    refuse = scene.checker.refuse
    out = scene.checker.out("no")
    assert "Source image rejected: " in refuse(*every, scene.target("app"), out, policy=scene.policy(other, name="app"))
    both = scene.policy(key, other, name="app")
    assert "Source image rejected: " in refuse(*every, scene.target("app"), out, policy=both)
    verdicts = [scene.verified("app", scene.policy(*keys, name="app"), *every) for keys in ([key], [other], [key, other])]
    assert verdicts == [True, False, False]
    # Under another name, with the same signatures.
    scene.signer.copy(*every, scene.target("app"), scene.target("copy"))
    said = refuse(*every, scene.target("copy"), out, policy=scene.policy(key, name="copy"))
    assert not scene.verified("copy", scene.policy(key, name="copy"), *every)
    assert f'Signature for identity "{scene.signer.prefix}/app:latest" is not accepted' in said
    # A second signer adds a signature.
    scene.sign(other, "app", *every, image=scene.target("app") if scene.place != "dir" else "")
    if scene.place != "dir":
        scene.checker.copy(*every, scene.target("app"), scene.checker.out("both"), policy=both)


@pytest.mark.parametrize(("signer", "checker"), WAYS)
@pytest.mark.parametrize(
    ("place", "form", "kind"), [("lookaside", "simple", "oci-index"), ("attachments", "sigstore", "docker-list")]
)
def test_each_image_of_a_list_has_its_own(scene: Scene, pair: list[Key]) -> None:
    """A list is checked where it is copied as a whole; where one of its images is copied, that one is."""
    key, _ = pair
    policy = scene.policy(key, name="app")
    scene.sign(key, "app", "--multi-arch=all")
    for flags in (("--override-arch=arm64", "--override-os=linux"), ("--multi-arch=all",)):
        out = scene.checker.out(f"out{len(flags)}")
        scene.checker.copy(*flags, scene.target("app"), out, policy=policy)
    if scene.place != "lookaside":
        return
    # Without the signature of one image the list is refused, as is that image; others are not.
    image = scene.signer.built(scene.kind).child(0).digest
    encoded = image.partition(":")[2]
    (lost,) = [path for path in files(scene.signer.lookaside) if encoded in path]
    (scene.signer.lookaside / lost).unlink()
    said = scene.checker.refuse("--multi-arch=all", scene.target("app"), scene.checker.out("no"), policy=policy)
    assert "A signature was required, but no signature exists" in said


@pytest.mark.parametrize(("signer", "checker"), WAYS)
@pytest.mark.parametrize(("place", "form", "kind"), [("dir", "simple", "docker"), ("dir", "sigstore", "oci")])
def test_replayed_and_altered(scene: Scene, pair: list[Key]) -> None:
    """A signature that belongs to another image, and one whose bytes are not what was signed."""
    key, _ = pair
    policy = scene.policy(key, name="app")
    scene.sign(key, "app")
    folder = Path(scene.target("app").removeprefix("dir:"))
    signature = folder / "signature-1"
    raw = signature.read_bytes()
    other = Path(scene.checker.image("docker-history").removeprefix("dir:"))
    (other / "signature-1").write_bytes(raw)
    said = scene.checker.refuse(f"dir:{other}", scene.checker.out("no"), policy=policy)
    assert "Source image rejected: " in said
    assert f"Signature for digest {scene.signer.built(scene.kind).digest} does not match" in said
    for position in (len(raw) // 3, len(raw) // 2, len(raw) - 10):
        signature.write_bytes(raw[:position] + bytes([raw[position] ^ 1]) + raw[position + 1 :])
        assert scene.checker.refuse(f"dir:{folder}", scene.checker.out("no"), policy=policy)
    signature.write_bytes(b"")
    assert scene.checker.refuse(f"dir:{folder}", scene.checker.out("no"), policy=policy)
    signature.write_bytes(raw)
    scene.checker.copy(f"dir:{folder}", scene.checker.out(), policy=policy)
