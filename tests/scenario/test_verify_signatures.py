"""``verify`` with keys or a policy: what is signed is accepted, what is not is refused before a layer is read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyskopeo import SignatureTrust, verify_signatures
from pyskopeo.errors import InvalidInput, StorageFailed
from tests.support.cli import Done, fatal, pyskopeo_here, succeed
from tests.support.gnupg import Gnupg
from tests.support.images import BuiltImage, build
from tests.support.outputs import write_dir
from tests.support.sigstore_keys import KeyFiles, write_sigstore_key

pytestmark = pytest.mark.peer("gpg")
ALICE, BOB = "alice@example.com", "bob@example.com"
NAME = "example.com/team/app:1"
IMAGE = build("docker")


@pytest.fixture(scope="module")
def keys() -> Iterator[Gnupg]:
    with Gnupg() as keys:
        for user in (ALICE, BOB):
            keys.create(user)
        yield keys


def payload(digest: str, identity: str = NAME) -> bytes:
    critical = {
        "type": "atomic container signature", "image": {"docker-manifest-digest": digest},
        "identity": {"docker-reference": identity},
    }  # fmt: skip
    return json.dumps({"critical": critical, "optional": {}}).encode()


def signed(keys: Gnupg, folder: Path, image: BuiltImage = IMAGE, *, digest: str = "", by: str = ALICE) -> Path:
    """The image in a ``dir:``, with a signature of its manifest, or of another digest."""
    write_dir(image, folder)
    (folder / "signature-1").write_bytes(keys.sign(by, payload(digest or image.digest)))
    return folder


def verify(*words: object) -> Done:
    return pyskopeo_here("verify", *words)


def found(done: Done) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(done.stdout)["signatures"]
    return document


def requirement(done: Done, number: int = 0) -> dict[str, Any]:
    """What was found for the only requirement of a manifest."""
    (one,) = found(done)["manifests"][number]["requirements"]
    return dict(one)


class TestKeys:
    def test_accepted(self, keys: Gnupg, tmp_path: Path) -> None:
        folder = signed(keys, tmp_path / "image")
        for armor in (False, True):
            key = keys.public_key(ALICE, armor=armor)
            done = succeed(verify("--key", key, f"dir:{folder}"))
            header, row, summary = done.stdout.decode().splitlines()
            assert header.split() == ["RESULT", "IMAGE", "REQUIREMENT", "FORMAT", "SIGNER", "SIGNED", "AS"]
            fingerprint = keys.run("--with-colons", "--list-keys", ALICE).decode().partition("\nfpr:::::::::")[2][:40]
            assert row.split() == ["accepted", IMAGE.digest, "key", "simple", fingerprint, NAME]
            assert "1 image" in summary
        document = json.loads(succeed(verify("--json", "--key", key, f"dir:{folder}")).stdout)
        assert document["ok"] is document["signatures"]["accepted"] is True
        assert document["blobs"] == len(IMAGE.blobs)

    def test_any_of_several(self, keys: Gnupg, tmp_path: Path) -> None:
        folder = signed(keys, tmp_path / "image")
        succeed(verify("--key", keys.public_key(BOB), "--key", keys.public_key(ALICE), f"dir:{folder}"))
        said = fatal_with_table(verify("--key", keys.public_key(BOB), f"dir:{folder}"))
        assert said.startswith(f"dir:{folder}: signatures are not accepted: ")

    def test_what_is_signed_is_this_image_by_its_name(self, keys: Gnupg, tmp_path: Path) -> None:
        key = keys.public_key(ALICE)
        replayed = signed(keys, tmp_path / "replayed", digest=build("oci").digest)
        assert "does not match" in fatal_with_table(verify("--key", key, f"dir:{replayed}"))
        folder = signed(keys, tmp_path / "image")
        succeed(verify("--key", key, "--signed-as=example.com/team/app", f"dir:{folder}"))
        said = fatal_with_table(verify("--key", key, "--signed-as=example.com/team/other", f"dir:{folder}"))
        assert f'Signature for identity "{NAME}" is not accepted' in said

    def test_without_any(self, keys: Gnupg, tmp_path: Path) -> None:
        folder = write_dir(IMAGE, tmp_path / "image")
        done = verify("--json", "--key", keys.public_key(ALICE), f"dir:{folder}")
        assert done.code == 1
        assert requirement(done)["reason"] == "A signature was required, but no signature exists"
        assert not json.loads(done.stdout)["ok"]

    def test_a_key_of_sigstore_checks_no_simple_signature(self, keys: Gnupg, sigstore: KeyFiles, tmp_path: Path) -> None:
        folder = signed(keys, tmp_path / "image")
        done = verify("--json", "--key", sigstore.public, f"dir:{folder}")
        assert (done.code, requirement(done)["accepted"]) == (1, False)
        assert "it could be checked with an OpenPGP key only" in requirement(done)["reason"]
        succeed(verify("--key", sigstore.public, "--key", keys.public_key(ALICE), f"dir:{folder}"))

    def test_files_that_are_no_keys(self, keys: Gnupg, tmp_path: Path) -> None:
        folder, key = signed(keys, tmp_path / "image"), tmp_path / "key"
        assert fatal(verify("--key", key, f"dir:{folder}")).startswith(f"open {key}: ")
        for content in (b"", b"a key", b"{}"):
            key.write_bytes(content)
            assert f"{key} is no key" in fatal(verify("--key", key, f"dir:{folder}"))


class TestContent:
    def test_refused_signatures_end_it(self, keys: Gnupg, tmp_path: Path) -> None:
        """Layers are not read then: this one is broken, which is not said."""
        folder = signed(keys, tmp_path / "image")
        (folder / IMAGE.layer_digests()[0].partition(":")[2]).write_bytes(b"broken")
        said = fatal_with_table(verify("--key", keys.public_key(BOB), f"dir:{folder}"))
        assert "signatures are not accepted" in said

    def test_signatures_only(self, keys: Gnupg, tmp_path: Path) -> None:
        folder = signed(keys, tmp_path / "image")
        (folder / IMAGE.layer_digests()[0].partition(":")[2]).write_bytes(b"broken")
        words = ("--key", keys.public_key(ALICE), f"dir:{folder}")
        succeed(verify("--signatures-only", *words))
        done = succeed(verify("--signatures-only", "--json", *words))
        assert json.loads(done.stdout) == {"name": f"dir:{folder}", "ok": True, "signatures": found(done)}
        done = verify(*words)
        assert done.code == 1
        assert found(done)["accepted"] is True
        assert not json.loads(done.stdout)["ok"]


class TestPolicies:
    @pytest.fixture
    def policy(self, keys: Gnupg, tmp_path: Path) -> Path:
        """Alice and Bob have to sign."""
        path, identity = tmp_path / "policy.json", {"type": "exactRepository", "dockerRepository": "example.com/team/app"}
        each = [
            {"type": "signedBy", "keyType": "GPGKeys", "keyPath": str(keys.public_key(user)), "signedIdentity": identity}
            for user in (ALICE, BOB)
        ]
        path.write_text(json.dumps({"default": each}))
        return path

    def test_every_requirement(self, keys: Gnupg, policy: Path, tmp_path: Path) -> None:
        folder = signed(keys, tmp_path / "image")
        done = verify("--json", "--policy", policy, f"dir:{folder}")
        assert done.code == 1
        by_alice, by_bob = found(done)["manifests"][0]["requirements"]
        assert (by_alice["accepted"], by_bob["accepted"]) == (True, False)
        assert by_alice["type"] == "signedBy"
        assert found(done)["policy"] == str(policy)
        (folder / "signature-2").write_bytes(keys.sign(BOB, payload(IMAGE.digest)))
        done = succeed(verify("--json", "--policy", policy, f"dir:{folder}"))
        assert [len(one["signatures"]) for one in found(done)["manifests"][0]["requirements"]] == [2, 2]

    def test_without_signatures(self, tmp_path: Path) -> None:
        folder, policy = write_dir(IMAGE, tmp_path / "image"), tmp_path / "policy.json"
        policy.write_text('{"default": [{"type": "reject"}]}')
        said = fatal_with_table(verify("--policy", policy, f"dir:{folder}"))
        assert "is rejected by policy" in said
        policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        done = succeed(verify("--json", "--policy", policy, f"dir:{folder}"))
        assert requirement(done)["type"] == "insecureAcceptAnything"
        said = fatal_with_table(verify("--policy", policy, "--require-signed", f"dir:{folder}"))
        assert "No signature verification policy found" in said
        assert fatal(verify("--policy", tmp_path / "none", f"dir:{folder}")).startswith("Error loading trust policy")

    def test_a_key_that_cannot_be_read(self, keys: Gnupg, tmp_path: Path) -> None:
        folder, policy = signed(keys, tmp_path / "image"), tmp_path / "policy.json"
        requirements = [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/none"}]
        policy.write_text(json.dumps({"default": requirements}))
        done = verify("--json", "--policy", policy, f"dir:{folder}")
        assert (done.code, requirement(done)["accepted"]) == (1, False)
        assert "open /none" in requirement(done)["reason"]


class TestLists:
    """By a key the signature of a list is enough; a policy wants one of each image."""

    LIST = build("oci-index")

    @pytest.fixture
    def folder(self, keys: Gnupg, tmp_path: Path) -> Path:
        return signed(keys, tmp_path / "list", self.LIST)

    def test_a_signed_list(self, keys: Gnupg, folder: Path) -> None:
        for words in ((), ("--platform=linux/arm64",), ("--all",)):
            done = succeed(verify("--json", *words, "--key", keys.public_key(ALICE), f"dir:{folder}"))
            assert [one["digest"] for one in found(done)["manifests"]] == [self.LIST.digest]

    def test_signed_images(self, keys: Gnupg, folder: Path, tmp_path: Path) -> None:
        policy = tmp_path / "policy.json"
        identity = {"type": "exactRepository", "dockerRepository": "example.com/team/app"}
        key = str(keys.public_key(ALICE))
        wanted = {"type": "signedBy", "keyType": "GPGKeys", "keyPath": key, "signedIdentity": identity}
        policy.write_text(json.dumps({"default": [wanted]}))
        images = [digest for digest in self.LIST.manifests if digest != self.LIST.digest]
        assert verify("--policy", policy, f"dir:{folder}").code == 1
        for number, digest in enumerate(images):
            done = verify("--json", "--policy", policy, f"dir:{folder}")
            accepted = [one["accepted"] for one in found(done)["manifests"]]
            assert (done.code, len(accepted), accepted.count(True)) == (1, len(images), number)
            (folder / f"{digest.partition(':')[2]}.signature-1").write_bytes(keys.sign(ALICE, payload(digest)))
        succeed(verify("--policy", policy, f"dir:{folder}"))
        (folder / "signature-1").unlink()
        succeed(verify("--policy", policy, f"dir:{folder}"))
        succeed(verify("--key", key, f"dir:{folder}"))


@pytest.mark.anyio
class TestLibrary:
    async def test_a_report(self, keys: Gnupg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder, policy = signed(keys, tmp_path / "image"), tmp_path / "policy.json"
        report = await verify_signatures(f"dir:{folder}", SignatureTrust((keys.public_key(ALICE),)))
        assert report.accepted
        (manifest,) = report.manifests
        assert str(report.root) == str(manifest.digest) == IMAGE.digest
        report = await verify_signatures(f"dir:{folder}", SignatureTrust((keys.public_key(BOB),)))
        assert not report.accepted
        # Nobody is named: the user's policy is checked.
        monkeypatch.setenv("CONTAINERS_POLICY_JSON", str(policy))
        for accepted, kind in ((True, "insecureAcceptAnything"), (False, "reject")):
            policy.write_text(json.dumps({"default": [{"type": kind}]}))
            report = await verify_signatures(f"dir:{folder}")
            assert (report.accepted, report.policy) == (accepted, str(policy))

    async def test_errors(self, keys: Gnupg, tmp_path: Path) -> None:
        folder = signed(keys, tmp_path / "image")
        with pytest.raises(StorageFailed, match="open /none"):
            await verify_signatures(f"dir:{folder}", SignatureTrust((Path("/none"),)))
        with pytest.raises(InvalidInput, match="needed together"):
            await verify_signatures(f"dir:{folder}", SignatureTrust(certificate_identity="a@example.com"))


@pytest.fixture
def sigstore(tmp_path: Path) -> KeyFiles:
    return write_sigstore_key(tmp_path)


def fatal_with_table(done: Done) -> str:
    """The message of a command that has printed a table and failed."""
    assert done.code == 1, done.stderr
    assert done.stdout.startswith(b"RESULT ")
    message: str = json.loads(done.lines[-1].partition("msg=")[2])
    return message
