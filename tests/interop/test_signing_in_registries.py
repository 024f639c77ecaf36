"""Signing images in registries beside the real skopeo, with ``copy`` and ``sync``, and with both places for signatures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Done, succeed
from tests.support.gnupg import Gnupg
from tests.support.images import build
from tests.support.outputs import write_dir
from tests.support.peers import Registry
from tests.support.sigstore_keys import KeyFiles, write_sigstore_key

from .programs import PROGRAMS, Program, message, signed_by, write_policy

pytestmark = [pytest.mark.peer("skopeo"), pytest.mark.peer("docker-registry")]
PLAIN = ("--src-tls-verify=false", "--dest-tls-verify=false")


class Desk:
    """A registry with attachments and a lookaside, configured for both programs, and a key of sigstore."""

    def __init__(self, registry: Registry, folder: Path, name: str) -> None:
        self.folder, self.lookaside = folder, folder / "lookaside"
        self.repository = f"{registry.host}/{name}"
        self.keys: KeyFiles = write_sigstore_key(folder)
        (folder / "registries.d").mkdir()
        settings = {"use-sigstore-attachments": True, "lookaside": self.lookaside.as_uri()}
        (folder / "registries.d/ours.yaml").write_text(json.dumps({"docker": {registry.host: settings}}))

    @property
    def by_key(self) -> tuple[str, ...]:
        return (f"--sign-by-sigstore-private-key={self.keys.private}", f"--sign-passphrase-file={self.keys.passphrase}")

    def run(self, program: Program, *words: object, policy: dict[str, Any] | None = None) -> Done:
        checked: tuple[str, ...] = ("--insecure-policy",)
        if policy is not None:
            checked = ("--policy", str(write_policy(self.folder / "policy.json", {"default": [policy]})))
        return program("--registries.d", self.folder / "registries.d", *checked, *words)

    def check(self, tag: str, policy: dict[str, Any], *words: str, accepted: bool = True) -> None:
        """Both programs copy an image from the registry under a policy, or refuse it."""
        for name, program in PROGRAMS.items():
            target = self.folder / f"checked-{name}-{tag}"
            done = self.run(program, "copy", "-q", *words, PLAIN[0], f"docker://{self.repository}:{tag}", f"dir:{target}", policy=policy)
            if accepted:
                succeed(done)
            else:
                assert "Source image rejected" in message(done)

    def sigstore_policy(self) -> dict[str, Any]:
        return {"type": "sigstoreSigned", "keyPath": str(self.keys.public), "signedIdentity": {"type": "matchExact"}}


@pytest.fixture
def desk(registry: Registry, tmp_path: Path, request: pytest.FixtureRequest) -> Desk:
    name = "".join(character if character.isalnum() else "-" for character in request.node.name.lower()).strip("-")
    return Desk(registry, tmp_path, f"signing/{name}")


def test_with_a_key_of_sigstore(program: Program, desk: Desk) -> None:
    source = write_dir(build("oci-index"), desk.folder / "source")
    succeed(desk.run(program, "copy", "-q", "--all", *desk.by_key, PLAIN[1], f"dir:{source}", f"docker://{desk.repository}:1"))
    desk.check("1", desk.sigstore_policy())
    desk.check("1", desk.sigstore_policy(), "--all")
    # The same image by another name is not signed as that.
    succeed(desk.run(program, "copy", "-q", "--all", *PLAIN, f"docker://{desk.repository}:1", f"docker://{desk.repository}:2"))
    desk.check("2", desk.sigstore_policy(), accepted=False)


def test_with_a_gpg_key_after_a_conversion(program: Program, desk: Desk, keys: Gnupg) -> None:
    source = write_dir(build("docker"), desk.folder / "source")
    flags = ("--format=oci", "--sign-by=alice@example.com")
    succeed(desk.run(program, "copy", "-q", *flags, PLAIN[1], f"dir:{source}", f"docker://{desk.repository}:1"))
    for user, accepted in (("alice@example.com", True), ("bob@example.com", False)):
        desk.check("1", signed_by(keys.public_key(user), signedIdentity={"type": "matchExact"}), accepted=accepted)


def test_every_image_of_a_sync_is_signed(program: Program, desk: Desk) -> None:
    images = desk.folder / "images"
    for number in (1, 2):
        write_dir(build("oci"), images / f"app:{number}")
    words = ("sync", "--src=dir", "--dest=docker", *desk.by_key, PLAIN[1], images, desk.repository)
    succeed(desk.run(program, *words))
    for tag in ("1", "2"):
        requirement = {**desk.sigstore_policy(), "signedIdentity": {"type": "matchExact"}}
        for name, checking in PROGRAMS.items():
            target = desk.folder / f"checked-{name}-{tag}"
            succeed(desk.run(checking, "copy", "-q", PLAIN[0], f"docker://{desk.repository}/app:{tag}", f"dir:{target}", policy=requirement))


def test_what_is_present_is_signed_too(program: Program, desk: Desk) -> None:
    """An image that an earlier run has copied, without a signature."""
    images = desk.folder / "images"
    write_dir(build("oci"), images / "app:1")
    words = ("sync", "--src=dir", "--dest=docker", PLAIN[1], images, desk.repository)
    succeed(desk.run(program, *words))
    succeed(desk.run(program, words[0], *desk.by_key, *words[1:]))
    for name, checking in PROGRAMS.items():
        source, target = f"docker://{desk.repository}/app:1", f"dir:{desk.folder}/checked-{name}"
        succeed(desk.run(checking, "copy", "-q", PLAIN[0], source, target, policy=desk.sigstore_policy()))


def test_without_attachments_a_signature_of_sigstore_is_refused(program: Program, desk: Desk) -> None:
    source = write_dir(build("oci"), desk.folder / "source")
    (desk.folder / "registries.d/ours.yaml").write_text("{}")
    done = desk.run(program, "copy", "-q", *desk.by_key, PLAIN[1], f"dir:{source}", f"docker://{desk.repository}:1")
    assert done.code == 1
    assert message(done).startswith("writing signatures: writing sigstore attachments is disabled by configuration")


def test_a_sync_into_directories_has_no_name_to_sign_as(program: Program, desk: Desk) -> None:
    source = write_dir(build("oci"), desk.folder / "source")
    succeed(desk.run(program, "copy", "-q", PLAIN[1], f"dir:{source}", f"docker://{desk.repository}:1"))
    words = ("sync", "--src=docker", "--dest=dir", *desk.by_key, PLAIN[0], f"{desk.repository}:1", desk.folder / "out")
    done = desk.run(program, *words)
    assert done.code == 1
    assert "Cannot determine canonical Docker reference for destination dir:" in message(done)
