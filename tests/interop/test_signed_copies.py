"""Copies of images that are signed, under policies: what skopeo's own tests expect, of both programs.

skopeo's tests sign for an OpenShift registry; ours for a registry with a lookaside, see also test_signature_extension.py.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.interop.programs import PROGRAMS, Program, copied, exact_repository, message, refused, signed_by
from tests.interop.signing_stage import FolderServer, Stage, files
from tests.support.gnupg import Gnupg

pytestmark = [pytest.mark.peer("skopeo"), pytest.mark.peer("gpg")]
ACCEPT = [{"type": "insecureAcceptAnything"}]
UNSIGNED = "Source image rejected: A signature was required, but no signature exists"
# gpgme and Sequoia say it differently.
OTHER_KEY = re.compile("Source image rejected: (Invalid GPG signature|Missing key)")
ALICE, BOB = "alice@example.com", "bob@example.com"


@pytest.fixture
def both_keys(stage: Stage, keys: Gnupg) -> Path:
    """A policy in which each repository alice/* and bob/* wants the signature of its owner."""
    requirements = {
        f"{stage.prefix}/{name}": [signed_by(keys.public_key(f"{name}@example.com", armor=True))]
        for name in ("alice", "bob")
    }
    return stage.policy(docker={**requirements, f"{stage.prefix}/open": ACCEPT})


def not_for(name: str) -> str:
    """What is said of a signature for another image than the one that is wanted."""
    return f'Signature for identity "{name.removeprefix("docker://")}" is not accepted'


class TestRepositoriesWithOwners:
    """systemtest/050-signing.bats."""

    def test_each_owner(self, stage: Stage, both_keys: Path) -> None:
        signed, unsigned, open_ = stage.name("alice/app", "signed"), stage.name("alice/app", "unsigned"), stage.name("open/app")
        stage.copy(f"--sign-by={ALICE}", stage.image(), signed)
        stage.copy(stage.image(), unsigned)
        stage.copy(f"--sign-by={ALICE}", stage.image(), stage.name("bob/app", "by-alice"))
        stage.copy(stage.image(), stage.name("carol/app"))
        stage.copy(stage.image(), open_)
        for number, accepted in enumerate((signed, open_)):
            stage.copy(accepted, stage.out(str(number)), policy=both_keys)
        said = stage.refuse(unsigned, stage.out(), policy=both_keys)
        assert f"Source image rejected: {not_for(signed)}" in said
        assert OTHER_KEY.match(stage.refuse(stage.name("bob/app", "by-alice"), stage.out(), policy=both_keys))
        said = stage.refuse(stage.name("carol/app"), stage.out(), policy=both_keys)
        assert said.startswith(f"Source image rejected: Running image {stage.name('carol/app')} is rejected by policy.")
        assert not (stage.folder / "out/manifest.json").exists()

    def test_signatures_removed(self, stage: Stage, both_keys: Path) -> None:
        name = stage.name("alice/app")
        stage.copy(f"--sign-by={ALICE}", stage.image(), name)
        stage.copy(name, stage.out("signed"), policy=both_keys)
        stage.copy("--remove-signatures", name, stage.out("unsigned"), policy=both_keys)
        signed, unsigned = (files(stage.folder / folder) for folder in ("signed", "unsigned"))
        assert set(signed) - set(unsigned) == {"signature-1"}

    def test_a_passphrase(self, stage: Stage, keys: Gnupg) -> None:
        name, sign = stage.name("locked/app"), "--sign-by=locked@example.com"
        wrong, right = (keys.passphrase_file(word) for word in ("wrong", "opensesame"))
        assert "Bad passphrase" in stage.refuse(sign, "--sign-passphrase-file", wrong, stage.image(), name)
        keys.forget_passphrases()
        assert not stage.lookaside.exists()
        stage.copy(sign, "--sign-passphrase-file", right, stage.image(), name)
        policy = stage.policy(docker={"": [signed_by(keys.public_key("locked@example.com"))]})
        stage.copy(name, stage.out(), policy=policy)

    def test_moved_to_another_owner(self, stage: Stage, both_keys: Path) -> None:
        """A signature that is copied along is still by its own key."""
        for one, other, kind in (("alice", "bob", "docker"), ("bob", "alice", "oci")):
            stage.copy(f"--sign-by={one}@example.com", stage.image(kind), stage.name(f"{one}/app", "mine"))
            stage.copy(stage.name(f"{one}/app", "mine"), stage.name(f"{other}/app", "attack"))
        for owner in ("alice", "bob"):
            stage.copy(stage.name(f"{owner}/app", "mine"), stage.out(owner), policy=both_keys)
            said = stage.refuse(stage.name(f"{owner}/app", "attack"), stage.out(), policy=both_keys)
            assert OTHER_KEY.match(said)

    def test_the_identity_is_part_of_it(self, stage: Stage, keys: Gnupg) -> None:
        official, copy = stage.name("official", "v1"), stage.name("naming", "v1")
        requirement = signed_by(keys.public_key(ALICE))
        elsewhere = requirement | {"signedIdentity": exact_repository(f"{stage.prefix}/official")}
        scope = f"{stage.prefix}/naming"
        stage.copy(f"--sign-by={ALICE}", stage.image(), official)
        stage.copy(official, copy)
        said = stage.refuse(copy, stage.out(), policy=stage.policy(docker={scope: [requirement]}))
        assert f"Source image rejected: {not_for(official)}" in said
        stage.copy(copy, stage.out(), policy=stage.policy(docker={scope: [elsewhere]}))

    def test_two_signatures_are_wanted(self, stage: Stage, keys: Gnupg) -> None:
        official, name = stage.name("official", "v1"), stage.name("cosigned", "v1")
        elsewhere = {"signedIdentity": exact_repository(f"{stage.prefix}/official")}
        wanted = [signed_by(keys.public_key(ALICE)) | elsewhere, signed_by(keys.public_key(BOB))]
        policy = stage.policy(docker={f"{stage.prefix}/cosigned": wanted})
        stage.copy(f"--sign-by={ALICE}", stage.image(), official)
        stage.copy(official, name)
        assert OTHER_KEY.match(stage.refuse(name, stage.out(), policy=policy))
        stage.copy(f"--sign-by={BOB}", official, name)
        stage.copy(name, stage.out(), policy=policy)
        assert [path for path in files(stage.folder / "out") if "signature" in path] == ["signature-1", "signature-2"]


class TestDirectories:
    """A ``dir:`` has signatures, but no name that could be signed."""

    def test_a_restricted_folder(self, stage: Stage, keys: Gnupg) -> None:
        restricted = stage.folder / "restricted"
        official = f"{stage.prefix}/official"
        requirement = signed_by(keys.public_key(ALICE), signedIdentity=exact_repository(official))
        policy = stage.policy(dir={str(restricted): [requirement], "": ACCEPT}, docker={"": ACCEPT})
        restricted.mkdir()
        for by, repository, target in (
            (ALICE, "official", "right"), (BOB, "official", "other-key"), (ALICE, "personal", "other-name"),
        ):  # fmt: skip
            name = stage.name(repository, target)
            stage.copy(f"--sign-by={by}", stage.image(), name, policy=policy)
            stage.copy(name, stage.out(f"restricted/{target}"), policy=policy)
        assert "signature-1" in files(restricted / "right")
        stage.copy(stage.out("restricted/right"), stage.out(), policy=policy)
        said = stage.refuse(stage.out("restricted/other-key"), stage.out("no"), policy=policy)
        assert "Source image rejected: " in said
        said = stage.refuse(stage.out("restricted/other-name"), stage.out("no"), policy=policy)
        assert not_for(stage.name("personal", "other-name")) in said


class TestLookaside:
    """Signatures in folders, and what is read from another place than where it is written."""

    def test_one_folder(self, stage: Stage, keys: Gnupg) -> None:
        policy = stage.policy(docker={stage.prefix: [signed_by(keys.public_key(ALICE))]})
        plain, signed = stage.name("original"), stage.name("signed")
        stage.copy(stage.image(), plain)
        assert stage.refuse(plain, stage.out(), policy=policy).startswith(UNSIGNED)
        stage.copy(f"--sign-by={ALICE}", plain, signed)
        algorithm, _, encoded = stage.built().digest.partition(":")
        path = f"{stage.prefix.partition('/')[2]}/signed@{algorithm}={encoded}/signature-1"
        assert files(stage.lookaside) == [path]
        stage.copy(signed, stage.out(), policy=policy)
        stage.run("delete", "--tls-verify=false", signed)
        assert files(stage.lookaside) == []

    def test_reading_is_not_writing(self, stage: Stage, keys: Gnupg) -> None:
        policy = stage.policy(docker={stage.prefix: [signed_by(keys.public_key(ALICE))]})
        staging, served, name = stage.folder / "staging", stage.folder / "served", stage.name("public/app")
        served.mkdir()
        with FolderServer(served) as server:
            stage.configure(
                {
                    stage.prefix: {"lookaside": f"file://{stage.lookaside}"},
                    f"{stage.prefix}/public": {"lookaside-staging": f"file://{staging}", "lookaside": server.url},
                }
            )
            stage.copy(f"--sign-by={ALICE}", stage.image(), name)
            assert len(files(staging)) == 1
            assert not stage.lookaside.exists()
            assert stage.refuse(name, stage.out(), policy=policy).startswith(UNSIGNED)
            served.rmdir()
            staging.rename(served)
            stage.copy(name, stage.out(), policy=policy)


@pytest.mark.parametrize("program", [PROGRAMS["pyskopeo"]])
class TestRequireSigned:
    """The skopeo that is compared with does not have this flag yet; its own tests of it are these."""

    def test_it_excludes_the_insecure_policy(self, stage: Stage) -> None:
        done = stage.program("--insecure-policy", "--require-signed", "copy", stage.image(), stage.out())
        assert done.code == 1
        assert "--insecure-policy and --require-signed" in message(done)

    def test_a_policy_that_verifies(self, stage: Stage, program: Program, keys: Gnupg, alice: str) -> None:
        image = stage.image()
        path = Path(image.removeprefix("dir:"))
        open_ = stage.policy(ACCEPT)
        copied(program, image, stage.out("1"), policy=open_)
        said = refused(program, "--require-signed", image, stage.out("2"), policy=open_)
        assert said.startswith("Source image rejected: No signature verification policy found for image ")
        reference = "localhost/test:latest"
        stage.run("standalone-sign", "-o", path / "signature-1", path / "manifest.json", reference, alice)
        wanted = signed_by(keys.public_key(ALICE), signedIdentity=exact_repository("localhost/test"))
        policy = stage.policy([wanted])
        copied(program, "--require-signed", image, stage.out("3"), policy=policy)
        (path / "signature-1").unlink()
        assert refused(program, "--require-signed", image, stage.out("4"), policy=policy).startswith(UNSIGNED)


class TestSigners:
    """What is refused before anything is copied."""

    def test_a_destination_without_a_name(self, stage: Stage, keys: Gnupg) -> None:
        out = stage.out()
        said = stage.refuse(f"--sign-by={ALICE}", stage.image(), out)
        assert f"Cannot determine canonical Docker reference for destination {out}" in said
        identity = "example.com/team/app:1"
        stage.copy(f"--sign-by={ALICE}", f"--sign-identity={identity}", stage.image(), out)
        raw = stage.run("untrusted-signature-dump-without-verification", f"{stage.folder}/out/signature-1")
        assert json.loads(raw)["UntrustedDockerReference"] == identity

    def test_the_identity(self, stage: Stage, keys: Gnupg) -> None:
        for identity, said in (
            ("this-is-not-fully-specified", "Could not parse --sign-identity: repository name must be canonical"),
            ("example.com/team/app", "Sign identity must be a fully specified reference example.com/team/app"),
            ("example.com/Team:1", "Could not parse --sign-identity: "),
        ):
            flags = (f"--sign-by={ALICE}", f"--sign-identity={identity}")
            assert said in stage.refuse(*flags, stage.image(), stage.name("identity")), identity

    def test_an_unknown_key(self, stage: Stage, keys: Gnupg) -> None:
        said = stage.refuse("--sign-by=nobody@example.com", stage.image(), stage.name("nobody"))
        assert "nobody@example.com" in said or "creating signature" in said.lower()

    def test_one_passphrase_for_one_signer(self, stage: Stage, keys: Gnupg, tmp_path: Path) -> None:
        flags = (f"--sign-by={ALICE}", "--sign-by-sigstore-private-key=/none", "--sign-passphrase-file=/none")
        assert stage.refuse(*flags, stage.image(), stage.name("two")) == (
            "Only one of --sign-by, --sign-by-sq-fingerprint and --sign-by-sigstore-private-key can be used with "
            "--sign-passphrase-file"
        )

    def test_destinations_that_cannot_hold_signatures(self, stage: Stage, keys: Gnupg) -> None:
        stage.copy(f"--sign-by={ALICE}", stage.image(), stage.name("signed"))
        for transport, end in (("oci", ":x"), ("oci-archive", ":x"), ("docker-archive", ":example.com/x:1")):
            out = f"{transport}:{stage.folder}/{transport}{end}"
            said = stage.refuse(stage.name("signed"), out)
            assert said.startswith(f"Can not copy signatures to {out}: ")
            stage.copy("--remove-signatures", stage.name("signed"), out)


@pytest.fixture
def alice(keys: Gnupg) -> str:
    """The fingerprint of alice's key."""
    listed = keys.run("--with-colons", "--list-keys", ALICE).decode()
    return next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr:"))
