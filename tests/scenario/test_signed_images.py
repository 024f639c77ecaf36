"""Policies that want signatures: of an image, of one in a list, of all in a list."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from pyskopeo.model.signature import SIGNATURE_LIMIT
from tests.support.caches import build_cache, entry_of, index_of_entries
from tests.support.cli import fatal, pyskopeo_here, succeed
from tests.support.exchange import Response
from tests.support.images import BuiltImage, BuiltManifest, build, digest_of
from tests.support.listed_referrers import lists
from tests.support.outputs import write_dir
from tests.support.pulling import asked_for_blobs
from tests.support.pushing import Pushing
from tests.support.referring import described, referring
from tests.support.sigstore_authority import PrivateKey, public_pem
from tests.support.sigstore_bundles import MEDIA_TYPE, BundleMaker, statement
from tests.support.sigstore_cases import KEY, OTHER
from tests.support.sigstore_keys import write_sigstore_key
from tests.support.sigstore_signatures import REFERENCE, Signed, payload_for
from tests.support.simulator import Simulator

pytestmark = pytest.mark.usefixtures("no_machine_policy")
UNSIGNED = "Source image rejected: A signature was required, but no signature exists"
INDEX = build("oci-index")
CHILDREN = [INDEX.child(number) for number in range(len(INDEX.manifests) - 1)]


def signed(digest: str, key: PrivateKey = KEY) -> bytes:
    """The file of a signature of a manifest."""
    return Signed.by(key, payload_for(digest)).signature.to_bytes()


class Stage:
    """A directory with an image, and a policy for it; the image's name contains none of a registry."""

    def __init__(self, folder: Path, image: BuiltImage) -> None:
        self.folder, self.image = folder, image
        self.source = write_dir(image, folder / "image")
        (folder / "key.pub").write_bytes(public_pem(KEY))
        self.policy()

    def policy(self, **changes: Any) -> None:
        requirement = {
            "type": "sigstoreSigned", "keyPath": str(self.folder / "key.pub"),
            "signedIdentity": {"type": "exactReference", "dockerReference": REFERENCE},
        } | changes  # fmt: skip
        self.write_policy([requirement])

    def write_policy(self, requirements: list[Any]) -> None:
        document = {"default": [{"type": "reject"}], "transports": {"dir": {"": requirements}}}
        (self.folder / "policy.json").write_text(json.dumps(document))

    def sign(self, *names: str, key: PrivateKey = KEY) -> None:
        """Write signatures: of the root, or of the digest before ``.signature``."""
        for name in names:
            hexadecimal, dot, _ = name.partition(".")
            (self.source / name).write_bytes(signed(f"sha256:{hexadecimal}" if dot else self.image.digest, key))

    def copy(self, *words: str, flags: Iterable[str] = ()) -> Any:
        return pyskopeo_here(
            f"--policy={self.folder}/policy.json", *flags, "copy", "-q", *words, f"dir:{self.source}", f"dir:{self.folder}/out"
        )

    def refused(self, *words: str, flags: Iterable[str] = ()) -> str:
        said = fatal(self.copy(*words, flags=flags))
        assert not (self.folder / "out").exists()
        return said


def of(child: BuiltManifest, number: int = 1) -> str:
    return f"{child.digest[7:]}.signature-{number}"


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path, build("oci"))


@pytest.fixture
def listed(tmp_path: Path) -> Stage:
    return Stage(tmp_path, INDEX)


class TestAnImage:
    def test_without_a_signature(self, stage: Stage) -> None:
        assert stage.refused() == (
            f'{UNSIGNED} (sigstoreSigned for image {stage.image.digest}, the rule: transports.dir[""] in {stage.folder}/policy.json)'
        )

    @pytest.mark.parametrize("flags", [(), ("--require-signed",)])
    def test_with_one(self, flags: tuple[str, ...], stage: Stage) -> None:
        stage.sign("signature-1")
        succeed(stage.copy(flags=flags))
        assert (stage.folder / "out/signature-1").read_bytes() == (stage.source / "signature-1").read_bytes()

    def test_that_is_to_lose_its_signature(self, stage: Stage) -> None:
        """It is verified, and left behind."""
        assert stage.refused("--remove-signatures").startswith(UNSIGNED)
        stage.sign("signature-1")
        succeed(stage.copy("--remove-signatures"))
        assert not (stage.folder / "out/signature-1").exists()

    def test_with_a_wrong_one_and_a_right_one(self, stage: Stage) -> None:
        stage.sign("signature-1", key=OTHER)
        said = stage.refused()
        assert said.startswith("Source image rejected: cryptographic signature verification failed")
        assert f"key.pub ({stage.source}/signature-1, for {REFERENCE}) (sigstoreSigned for image " in said
        (stage.source / "signature-2").write_bytes(b"\x90\x0d")  # of another kind
        assert "None of the signatures" not in stage.refused()
        (stage.source / "signature-3").write_bytes(signed("sha256:" + "0" * 64))
        said = stage.refused()
        assert said.startswith("Source image rejected: None of the signatures were accepted, reasons: ")
        assert f"; Signature for digest sha256:{'0' * 64} does not match (1: {stage.source}/signature-1, " in said
        assert f"; 2: {stage.source}/signature-3" in said
        (stage.source / "signature-4").write_bytes(signed(stage.image.digest))
        succeed(stage.copy())

    def test_with_signatures_of_other_kinds_only(self, stage: Stage) -> None:
        (stage.source / "signature-1").write_bytes(b"\x90\x0d")
        assert stage.refused().startswith(f"{UNSIGNED} (1 of other kinds)")

    def test_every_requirement_counts(self, stage: Stage) -> None:
        stage.sign("signature-1")
        document = json.loads((stage.folder / "policy.json").read_text())
        (requirement,) = document["transports"]["dir"][""]
        for other in ({"type": "reject"}, {"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/none"}):
            stage.write_policy([requirement, other])
            assert stage.refused().startswith("Source image rejected: ")
            stage.write_policy([other, requirement])
            assert stage.refused().startswith("Source image rejected: ")
        stage.write_policy([{"type": "insecureAcceptAnything"}, requirement])
        succeed(stage.copy())

    def test_a_key_that_cannot_be_read(self, stage: Stage) -> None:
        stage.policy(keyPath="/nowhere/key.pub")
        assert stage.refused().startswith(UNSIGNED)
        stage.sign("signature-1")
        said = stage.refused()
        assert said.startswith("Source image rejected: open /nowhere/key.pub: no such file or directory (sigstoreSigned for ")

    def test_a_name_that_is_none_of_a_registry(self, stage: Stage) -> None:
        stage.sign("signature-1")
        stage.policy(signedIdentity={"type": "matchRepository"})
        assert "is not accepted" in stage.refused()

    @pytest.mark.parametrize("flags", [("--insecure-policy",), ()])
    def test_without_a_policy_nothing_is_verified(self, flags: tuple[str, ...], stage: Stage) -> None:
        stage.sign("signature-1", key=OTHER)
        stage.write_policy([{"type": "insecureAcceptAnything"}])
        succeed(stage.copy(flags=flags))
        assert (stage.folder / "out/signature-1").exists()

    def test_a_dry_run_verifies_too(self, stage: Stage) -> None:
        assert stage.refused("--dry-run").startswith(UNSIGNED)

    def test_a_dry_run_says_what_is_copied_and_who_signs(self, stage: Stage) -> None:
        stage.sign("signature-1")
        key = write_sigstore_key(stage.folder)
        flags = (
            "--dry-run", f"--sign-by-sigstore-private-key={key.private}", f"--sign-passphrase-file={key.passphrase}",
            "--sign-identity=registry.example/app:1",
        )  # fmt: skip
        rows = [row.split() for row in succeed(stage.copy(*flags)).stdout.decode().splitlines()]
        assert ["1", "signature", "sigstore"] in [row[2:] for row in rows if row[0] == "signature"]
        assert [row[2:] for row in rows if row[:2] == ["to", "sign"]] == [["by", str(key.private)]]
        told = json.loads(succeed(stage.copy(*flags, "--json")).stdout)
        assert [(one["format"], one["count"]) for one in told["signatures"]] == [("sigstore", 1)]
        assert told["signers"] == [str(key.private)]


class TestAList:
    def test_the_image_that_is_chosen(self, listed: Stage) -> None:
        """Neither the signature of the list counts, nor that of another image in it."""
        listed.sign("signature-1", of(CHILDREN[1]))
        assert f"for image {CHILDREN[0].digest}" in listed.refused("--override-arch=amd64")
        listed.sign(of(CHILDREN[0]))
        succeed(listed.copy("--override-arch=amd64"))
        assert [path.name for path in (listed.folder / "out").glob("*signature*")] == ["signature-1"]

    def test_a_signature_of_another_image(self, listed: Stage) -> None:
        (listed.source / of(CHILDREN[0])).write_bytes(signed(CHILDREN[1].digest))
        said = listed.refused("--override-arch=amd64")
        assert f"Signature for digest {CHILDREN[1].digest} does not match" in said

    def test_all_images(self, listed: Stage) -> None:
        """Each has to be signed, the list has not, as in skopeo."""
        listed.sign("signature-1", *map(of, CHILDREN[:-1]))
        assert listed.refused("--all").startswith(UNSIGNED)
        listed.sign(of(CHILDREN[-1]))
        (listed.source / "signature-1").unlink()
        succeed(listed.copy("--all"))
        assert {path.name for path in (listed.folder / "out").glob("*signature*")} == {of(child) for child in CHILDREN}

    def test_the_list_alone(self, listed: Stage) -> None:
        listed.sign(*map(of, CHILDREN))
        assert listed.refused("--multi-arch=index-only").startswith(UNSIGNED)
        listed.sign("signature-1")
        succeed(listed.copy("--multi-arch=index-only"))

    def test_some_images(self, listed: Stage) -> None:
        flag = "--multi-arch=linux/amd64"
        assert listed.refused(flag).startswith(UNSIGNED)
        listed.sign(of(CHILDREN[0]))
        succeed(listed.copy(flag))

    def test_a_list_of_blobs_needs_a_signature_of_its_own(self, tmp_path: Path) -> None:
        stage = Stage(tmp_path, build_cache())
        assert stage.refused("--all").startswith(UNSIGNED)
        stage.sign("signature-1")
        succeed(stage.copy("--all"))


class TestAListOfAnImageAndABlob:
    """What a list names besides images is proven by a signature of the list only."""

    @pytest.fixture
    def mixed(self, tmp_path: Path) -> Stage:
        """A list whose image is signed."""
        image, blob = build("oci"), b"no image"
        entries = [entry_of(image.root.raw, image.root.media_type), entry_of(blob, "application/vnd.example")]
        stage = Stage(tmp_path, index_of_entries(entries, {digest_of(blob): blob}, image))
        stage.sign(of(image.root))
        return stage

    def test_copied_and_joined(self, mixed: Stage) -> None:
        words = (f"--policy={mixed.folder}/policy.json", "index", "create", "-q", f"dir:{mixed.folder}/out", f"dir:{mixed.source}")
        refused = f"{UNSIGNED} (sigstoreSigned for image {mixed.image.digest}"
        assert mixed.refused("--all").startswith(refused)
        assert fatal(pyskopeo_here(*words)).startswith(refused)
        assert not (mixed.folder / "out").exists()
        mixed.sign("signature-1")
        succeed(pyskopeo_here(*words))

    @pytest.mark.parametrize("trust", ["--policy={}/policy.json", "--key={}/key.pub"])
    def test_verified(self, trust: str, mixed: Stage) -> None:
        words = ("verify", "--json", "--signatures-only", trust.format(mixed.folder), f"dir:{mixed.source}")
        done = pyskopeo_here(*words)
        assert done.code == 1
        found = json.loads(done.stdout)["signatures"]["manifests"]
        assert [(one["digest"], one["accepted"]) for one in found] == [(mixed.image.digest, False), (build("oci").digest, True)]
        mixed.sign("signature-1")
        succeed(pyskopeo_here(*words))


@pytest.mark.parametrize("words", [("ls", "{}"), ("export", "{}", "{}/x.tar"), ("cat", "{}", "/x")])
def test_files_are_read_of_signed_images_only(words: tuple[str, ...], stage: Stage) -> None:
    name = f"dir:{stage.source}"
    command = [words[0], name, *(word.format(stage.folder) for word in words[2:])]
    done = pyskopeo_here(f"--policy={stage.folder}/policy.json", *command)
    assert fatal(done).startswith(UNSIGNED)
    stage.sign("signature-1")
    done = pyskopeo_here(f"--policy={stage.folder}/policy.json", *command)
    assert "rejected" not in done.stderr


class TestBundles:
    """Bundles of sigstore that refer to the image; skopeo does not look for them."""

    NAME = "registry.example/ns/repo"

    def stage(self, registry: Simulator, folder: Path, **changes: Any) -> tuple[str, ...]:
        (folder / "key.pub").write_bytes(public_pem(KEY))
        requirement = {
            "type": "sigstoreSigned", "keyPath": str(folder / "key.pub"),
            "signedIdentity": {"type": "exactRepository", "dockerRepository": self.NAME},
        } | changes  # fmt: skip
        (folder / "policy.json").write_text(json.dumps({"default": [requirement]}))
        return (f"--policy={folder}/policy.json", "copy", "-q", "--src-tls-verify=false", registry.name(), f"dir:{folder}/out")

    def attach(self, registry: Simulator, image: BuiltImage, payload: bytes, key: PrivateKey = KEY) -> None:
        made = BundleMaker.of(key, payload).signature
        registry.add(referring(image, MEDIA_TYPE, made.content), "test/image", None)

    def test_accepted(self, tmp_path: Path) -> None:
        image = build("oci")
        with Simulator(image, pushing=Pushing(referrers=True)) as registry:
            words = self.stage(registry, tmp_path)
            self.attach(registry, image, statement(image.digest, self.NAME))
            succeed(pyskopeo_here(*words))

    @pytest.mark.parametrize(
        ("name", "digest", "key", "reason"),
        [
            (None, "", KEY, "the bundle does not say the name of the image"),
            ("registry.example/ns/other", "", KEY, "is not accepted"),
            (NAME, "sha256:" + "0" * 64, KEY, "does not match"),
            (NAME, "", OTHER, "verification failed"),
        ],
    )
    def test_refused(self, name: str | None, digest: str, key: PrivateKey, reason: str, tmp_path: Path) -> None:
        image = build("oci")
        with Simulator(image, pushing=Pushing(referrers=True)) as registry:
            words = self.stage(registry, tmp_path)
            self.attach(registry, image, statement(digest or image.digest, name), key)
            said = fatal(pyskopeo_here(*words))
            assert said.startswith("Source image rejected: ")
            assert reason in said
            assert asked_for_blobs(registry) != []  # the bundle alone
            assert not [line for line in asked_for_blobs(registry) if image.config_digest() in line]

    def test_beside_others_that_cannot_be_read(self, tmp_path: Path) -> None:
        """Registries list what was deleted; a large bundle is an attestation, and nothing of it is requested."""
        image = build("oci")
        with Simulator(image, pushing=Pushing(referrers=True)) as registry:
            words = self.stage(registry, tmp_path)
            signature = referring(image, MEDIA_TYPE, BundleMaker.of(KEY, statement(image.digest, self.NAME)).signature.content)
            large, deleted = referring(image, MEDIA_TYPE, bytes(SIGNATURE_LIMIT + 1)), referring(image, MEDIA_TYPE, b"deleted")
            for one in (signature, large):
                registry.add(one, "test/image", None)
            lists(registry, image.digest, [described(one, artifactType=MEDIA_TYPE) for one in (large, deleted, signature)])
            succeed(pyskopeo_here(*words))
            assert not [line for line in registry.log if large.layer_digests()[0] in line]

    def test_large_ones_without_end(self, tmp_path: Path) -> None:
        image = build("oci")
        with Simulator(image) as registry:
            words = self.stage(registry, tmp_path)
            attached = [referring(image, MEDIA_TYPE, b"%d" % number + bytes(SIGNATURE_LIMIT - 1)) for number in range(5)]
            for one in attached:
                registry.add(one, "test/image", None)
            lists(registry, image.digest, [described(one, artifactType=MEDIA_TYPE) for one in attached])
            said = fatal(pyskopeo_here(*words))
            assert f"{image.digest}: the signatures of one image are over 16777216 bytes" in said

    def test_an_answer_that_makes_no_sense(self, tmp_path: Path) -> None:
        image = build("oci")
        with Simulator(image) as registry:
            words = self.stage(registry, tmp_path)
            page = Response(200, (("Content-Type", "text/html"),), b"<html>")
            registry.routes[f"/v2/test/image/referrers/{image.digest}"] = page
            said = fatal(pyskopeo_here(*words))
            assert said.startswith("Source image rejected: reading the bundles of the image failed: ")

    def test_they_are_read_only_if_they_are_needed(self, tmp_path: Path) -> None:
        image = build("oci")
        with Simulator(image) as registry:
            words = self.stage(registry, tmp_path, type="signedBy", keyType="GPGKeys")
            assert fatal(pyskopeo_here(*words)).startswith(UNSIGNED)
            assert not [line for line in registry.log if "referrers" in line or "/manifests/sha256-" in line]

    def test_in_a_layout(self, tmp_path: Path) -> None:
        image = build("oci")
        with Simulator(image, pushing=Pushing(referrers=True)) as registry:
            words = self.stage(registry, tmp_path)
            self.attach(registry, image, statement(image.digest, self.NAME))
            copied = f"oci:{tmp_path}/layout:x"
            succeed(pyskopeo_here("copy", "-q", "--referrers", "--src-tls-verify=false", registry.name(), copied))
            succeed(pyskopeo_here(words[0], "copy", "-q", copied, f"dir:{tmp_path}/out2"))
