"""``sync`` of signed images: what skopeo does with signatures, policies and signers, both programs do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.programs import message, signed_by
from tests.interop.signing_stage import PLAIN_HTTP, Stage, files
from tests.support.cli import Done
from tests.support.gnupg import Gnupg

pytestmark = [pytest.mark.peer("skopeo"), pytest.mark.peer("gpg")]
ALICE, BOB = "alice@example.com", "bob@example.com"


@pytest.fixture
def signed(stage: Stage, keys: Gnupg) -> Stage:
    """With two images of one repository, signed by alice, and an unsigned one of another."""
    for tag, kind in (("1", "docker"), ("2", "oci")):
        stage.copy(f"--sign-by={ALICE}", stage.image(kind), stage.name("app", tag))
    stage.copy(stage.image(), stage.name("unsigned"))
    return stage


def sync(stage: Stage, *words: object, policy: Path | None = None) -> Done:
    rule = ("--insecure-policy",) if policy is None else ("--policy", policy)
    return stage.program(*rule, "--registries.d", stage.registries_d, "sync", *PLAIN_HTTP, *words)


def signatures(folder: Path) -> list[str]:
    return [path for path in files(folder) if "signature" in path]


def test_they_are_copied(signed: Stage, keys: Gnupg) -> None:
    policy = signed.policy(docker={signed.prefix: [signed_by(keys.public_key(ALICE))]})
    out = signed.folder / "out"
    done = sync(signed, "--src=docker", "--dest=dir", f"{signed.prefix}/app", out, policy=policy)
    assert done.code == 0, done.stderr
    assert signatures(out) == ["app:1/signature-1", "app:2/signature-1"]
    done = sync(signed, "--src=docker", "--dest=dir", "--remove-signatures", f"{signed.prefix}/app", signed.folder / "without")
    assert done.code == 0, done.stderr
    assert signatures(signed.folder / "without") == []
    # And from there into a registry, as other images: the signatures are still for those that they were made for.
    done = sync(signed, "--src=dir", "--dest=docker", out, f"{signed.prefix}/mirror")
    assert done.code == 0, done.stderr
    said = signed.refuse(f"docker://{signed.prefix}/mirror/app:1", signed.out("no"), policy=policy)
    assert f'Signature for identity "{signed.prefix}/app:1" is not accepted' in said


def test_a_policy_that_one_image_does_not_satisfy(signed: Stage, keys: Gnupg) -> None:
    policy = signed.policy(docker={signed.prefix: [signed_by(keys.public_key(BOB))]})
    done = sync(signed, "--src=docker", "--dest=dir", f"{signed.prefix}/app", signed.folder / "no", policy=policy)
    assert done.code == 1
    assert "Source image rejected: " in message(done)
    done = sync(signed, "--src=docker", "--dest=dir", f"{signed.prefix}/unsigned", signed.folder / "no", policy=policy)
    assert done.code == 1
    assert "Source image rejected: A signature was required, but no signature exists" in message(done)
    assert not list((signed.folder / "no").rglob("manifest.json"))


def test_what_is_synced_is_signed(signed: Stage, keys: Gnupg) -> None:
    done = sync(signed, "--src=docker", "--dest=docker", f"--sign-by={BOB}", f"{signed.prefix}/app", f"{signed.prefix}/signed")
    assert done.code == 0, done.stderr
    for tag in ("1", "2"):
        name = f"docker://{signed.prefix}/signed/app:{tag}"
        both = [signed_by(keys.public_key(BOB))]
        signed.copy(name, signed.out(tag), policy=signed.policy(both))
        assert signatures(signed.folder / tag) == ["signature-1", "signature-2"]
    done = sync(signed, "--src=docker", "--dest=dir", f"--sign-by={BOB}", f"{signed.prefix}/app", signed.folder / "no")
    assert done.code == 1
    assert "Cannot determine canonical Docker reference for destination dir:" in message(done)


def test_a_yaml_file(signed: Stage, keys: Gnupg) -> None:
    host, _, namespace = signed.prefix.partition("/")
    source, out = signed.folder / "images.yaml", signed.folder / "out"
    source.write_text(f'{host}:\n  tls-verify: false\n  images:\n    {namespace}/app: ["1"]\n    {namespace}/unsigned: [latest]\n')
    policy = signed.policy(docker={signed.prefix: [signed_by(keys.public_key(ALICE))]})
    done = sync(signed, "--src=yaml", "--dest=dir", "--keep-going", source, out, policy=policy)
    assert done.code == 1
    assert [path.rpartition("/")[0].rpartition("/")[2] for path in signatures(out)] == ["app:1"]
