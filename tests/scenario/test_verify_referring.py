"""``verify --key`` finds signatures that refer to the image, without any configuration: bundles, and cosign's tags."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Done, fatal, pyskopeo_here, succeed
from tests.support.commands import pyskopeo
from tests.support.exchange import Request, Response
from tests.support.images import BuiltImage, build, edited
from tests.support.keys import private_key
from tests.support.listed_referrers import lists
from tests.support.outputs import write_layout
from tests.support.referring import SBOM, described, referring
from tests.support.sigstore_authority import EMAIL, ISSUER, public_pem
from tests.support.sigstore_bundles import MEDIA_TYPE, BundleMaker, statement, trusted_root
from tests.support.sigstore_cases import FULCIO, KEY, LOG
from tests.support.sigstore_log import TransparencyLog
from tests.support.sigstore_signatures import Signed, payload_for
from tests.support.simulator import Simulator

IMAGE, LIST = build("oci"), build("oci-index")
REPOSITORY = "registry.example/team/app"
PAYLOAD_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with Simulator(IMAGE) as running:
        yield running


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "cosign.pub"
    path.write_bytes(public_pem(KEY))
    return path


def bundle(image: BuiltImage = IMAGE, digest: str = "") -> BuiltImage:
    """What ``cosign sign`` attaches: a bundle that names the digest alone."""
    made = BundleMaker.of(KEY, statement(digest or image.digest))
    return referring(image, MEDIA_TYPE, made.signature.content)


def tagged(image: BuiltImage = IMAGE, reference: str = f"{REPOSITORY}:1") -> BuiltImage:
    """The image with cosign's tag: a payload in a layer, its signature in an annotation."""
    signature = Signed.by(KEY, payload_for(image.digest, reference)).signature
    made = referring(image, PAYLOAD_TYPE, signature.content)

    def change(document: dict[str, Any]) -> None:
        del document["subject"], document["artifactType"]
        document["layers"][0] |= {"mediaType": PAYLOAD_TYPE, "annotations": dict(signature.annotations)}

    return edited(made, change)


def verify(*words: object) -> Done:
    return pyskopeo_here("verify", "--json", "--signatures-only", *words)


def verdicts(done: Done) -> list[dict[str, Any]]:
    (manifest,) = json.loads(done.stdout)["signatures"]["manifests"]
    return [one for requirement in manifest["requirements"] for one in requirement["signatures"]]


@dataclass(frozen=True)
class Afterwards:
    """Do something when the answer is made."""

    act: Callable[[], object]

    def apply(self, request: Request, response: Response) -> Response:
        self.act()
        return response


class TestRegistries:
    def test_a_bundle(self, registry: Simulator, key: Path) -> None:
        attached, packages = bundle(), referring(IMAGE)
        registry.add(attached, "test/image", None)
        entries = [described(attached, artifactType=MEDIA_TYPE), described(packages, artifactType=SBOM)]
        lists(registry, IMAGE.digest, entries)
        words = ("--tls-verify=false", "--key", key, registry.name())
        (found,) = verdicts(succeed(verify(*words)))
        assert (found["accepted"], found["format"], found["identity"]) == (True, "bundle", "")
        assert attached.digest in found["where"]
        assert not [line for line in registry.log if packages.digest in line]
        # It does not say for which repository it is.
        assert verify(*words, f"--signed-as={registry.host}/test/image").code == 1

    def test_a_bundle_whose_type_is_in_its_manifest(self, registry: Simulator, key: Path) -> None:
        attached, other = bundle(), referring(IMAGE)
        for one in (attached, other):
            registry.add(one, "test/image", None)
        lists(registry, IMAGE.digest, [described(attached), described(other)])
        assert len(verdicts(succeed(verify("--tls-verify=false", "--key", key, registry.name())))) == 1

    def test_a_tag_of_cosign(self, registry: Simulator, key: Path) -> None:
        tag = f"{IMAGE.digest.replace(':', '-')}.sig"
        registry.add(tagged(reference=f"{registry.host}/test/image"), "test/image", tag)
        lists(registry, IMAGE.digest, [])
        words = ("--tls-verify=false", "--key", key, registry.name())
        (found,) = verdicts(succeed(verify(*words)))
        assert (found["format"], found["identity"]) == ("sigstore", f"{registry.host}/test/image")
        registry.add(tagged(), "test/image", tag)
        done = verify(*words)
        assert done.code == 1
        assert "name the repository that was signed: --signed-as HOST/REPOSITORY" in done.stderr
        succeed(verify(*words, "--signed-as", REPOSITORY))

    def test_a_signature_for_another_image(self, registry: Simulator, key: Path) -> None:
        attached = bundle(digest=LIST.digest)
        registry.add(attached, "test/image", None)
        lists(registry, IMAGE.digest, [described(attached, artifactType=MEDIA_TYPE)])
        done = verify("--tls-verify=false", "--key", key, registry.name())
        assert (done.code, [one["accepted"] for one in verdicts(done)]) == (1, [False])

    def test_a_certificate(self, registry: Simulator, tmp_path: Path) -> None:
        made = BundleMaker.of(KEY, statement(IMAGE.digest)).certified(FULCIO.issue(KEY.public_key())).logged(LOG)
        attached = referring(IMAGE, MEDIA_TYPE, made.signature.content)
        registry.add(attached, "test/image", None)
        lists(registry, IMAGE.digest, [described(attached, artifactType=MEDIA_TYPE)])
        root = tmp_path / "trusted_root.json"
        root.write_bytes(trusted_root(FULCIO, LOG))
        for subject, code in ((EMAIL, 0), ("other@example.com", 1)):
            flags = (f"--certificate-identity={subject}", f"--certificate-oidc-issuer={ISSUER}", "--trusted-root", root)
            done = verify("--tls-verify=false", *flags, registry.name())
            assert done.code == code, done.stderr
            assert verdicts(done)[0]["accepted"] is not bool(code)

    def test_keys_of_a_trusted_root_that_are_of_no_use(self, tmp_path: Path) -> None:
        """Those for other programs, or newer ones, are passed over without a word."""
        made = BundleMaker.of(KEY, statement(IMAGE.digest)).certified(FULCIO.issue(KEY.public_key())).logged(LOG)
        layout = write_layout(IMAGE, tmp_path / "layout")
        write_layout(referring(IMAGE, MEDIA_TYPE, made.signature.content), layout, tag=None)
        root = json.loads(trusted_root(FULCIO, LOG))
        unknown = json.loads(trusted_root(FULCIO, TransparencyLog()))["tlogs"][0]
        unknown["publicKey"]["keyDetails"] = "LMS_SHA256"
        root["tlogs"].append(unknown)
        (tmp_path / "root.json").write_text(json.dumps(root))
        flags = (f"--certificate-identity={EMAIL}", f"--certificate-oidc-issuer={ISSUER}", f"--trusted-root={tmp_path}/root.json")
        done = pyskopeo("verify", "--json", "--signatures-only", *flags, f"oci:{layout}:latest")
        assert (done.code, done.stderr, verdicts(done)[0]["accepted"]) == (0, "", True)
    def test_the_name_leads_to_another_image_meanwhile(self, registry: Simulator, key: Path) -> None:
        """Its signatures were not checked."""
        attached, other = bundle(), build("docker")
        registry.add(attached, "test/image", None)
        lists(registry, IMAGE.digest, [described(attached, artifactType=MEDIA_TYPE)])
        words = ("--tls-verify=false", "--key", key, registry.name())
        succeed(pyskopeo_here("verify", *words))
        registry.on_manifest("latest", Afterwards(lambda: registry.add(other, "test/image", "latest")), times=1)
        said = fatal(pyskopeo_here("verify", *words))
        assert f"the name leads to {other.digest}, and led to {IMAGE.digest} a moment ago" in said

    def test_what_is_no_bundle(self, registry: Simulator, key: Path) -> None:
        """It is refused like a signature that is wrong; other kinds of manifests end the command."""
        attached = referring(IMAGE, MEDIA_TYPE, b"{}")
        registry.add(attached, "test/image", None)
        lists(registry, IMAGE.digest, [described(attached, artifactType=MEDIA_TYPE)])
        words = ("--tls-verify=false", "--key", key, registry.name())
        done = verify(*words)
        assert (done.code, [one["accepted"] for one in verdicts(done)]) == (1, [False])
        registry.add(LIST, "test/image", None)
        lists(registry, IMAGE.digest, [described(LIST, artifactType=MEDIA_TYPE)])
        assert "is an index, want a manifest with the signature in its layers" in fatal(verify(*words))

    def test_more_than_anybody_needs(self, registry: Simulator, key: Path) -> None:
        entry = described(bundle(), artifactType=MEDIA_TYPE)
        many = [entry | {"digest": f"sha256:{number:064x}"} for number in range(129)]
        lists(registry, IMAGE.digest, many)
        said = fatal(verify("--tls-verify=false", "--key", key, registry.name()))
        assert "more than 128 signatures refer to it" in said


class TestLayouts:
    @pytest.mark.parametrize("image", [IMAGE, LIST], ids=["image", "list"])
    def test_bundles_and_tags(self, image: BuiltImage, key: Path, tmp_path: Path) -> None:
        layout = write_layout(image, tmp_path / "layout", tag="app")
        name = f"oci:{layout}:app"
        other = tmp_path / "other.pub"
        other.write_bytes(public_pem(private_key("P-256", 9)))
        assert verify("--key", key, name).code == 1
        write_layout(bundle(image), layout, tag=None)
        (found,) = verdicts(succeed(verify("--key", key, name)))
        assert found["format"] == "bundle"
        write_layout(tagged(image), layout, tag=f"{image.digest.replace(':', '-')}.sig")
        assert {one["format"] for one in verdicts(succeed(verify("--key", key, name)))} == {"bundle", "sigstore"}
        assert verify("--key", other, name).code == 1
        # Everything besides is verified, too.
        succeed(pyskopeo_here("verify", "--key", key, name))
