"""Signatures of images in registries: lookasides, attachments, and what is wrong with them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Done, fatal, pyskopeo_here, succeed
from tests.support.exchange import Response
from tests.support.faults import Drop, Endless, Redirect, Refuse, SetHeaders
from tests.support.gates import BasicGate
from tests.support.images import BuiltManifest, build, digest_of
from tests.support.outputs import write_dir
from tests.support.pulling import asked_for_blobs
from tests.support.pushing import Pushing
from tests.support.sigstore_authority import public_pem
from tests.support.sigstore_cases import KEY
from tests.support.sigstore_signatures import REFERENCE, Signed, payload_for
from tests.support.simulator import Simulator

pytestmark = pytest.mark.usefixtures("no_machine_policy", "clean_environment")
IMAGE, INDEX = build("oci"), build("oci-index")
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
SIMPLE = b"\x90an OpenPGP message"
TAG = f"sha256-{IMAGE.digest[7:]}.sig"


class Stage:
    """A registry with an image, what is configured for it, and a directory with the same image to sign by hand."""

    def __init__(self, registry: Simulator, folder: Path, *flags: str) -> None:
        self.registry, self.folder, self.flags = registry, folder, flags
        self.image = write_dir(IMAGE, folder / "image")
        (folder / "registries.d").mkdir()

    def configure(self, **settings: object) -> None:
        text = json.dumps({"docker": {self.registry.host: {name.replace("_", "-"): value for name, value in settings.items()}}})
        (self.folder / "registries.d/test.yaml").write_text(text)

    def copy(self, *words: str) -> Done:
        return pyskopeo_here(
            f"--registries.d={self.folder}/registries.d", "copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false",
            "--retry-delay=1ms", *self.flags, *words,
        )  # fmt: skip

    def sign(self, *contents: bytes) -> None:
        for number, content in enumerate(contents, 1):
            (self.image / f"signature-{number}").write_bytes(content)

    def pull(self, *words: str) -> list[bytes]:
        """Copy to a directory; return the signatures that came along."""
        out = self.folder / f"out{len(list(self.folder.iterdir()))}"
        succeed(self.copy(*words, self.registry.name(), f"dir:{out}"))
        return [path.read_bytes() for path in sorted(out.glob("signature-*"))]

    def refuse(self) -> str:
        said = fatal(self.copy(self.registry.name(), f"dir:{self.folder}/none"))
        assert not (self.folder / "none").exists()
        assert not asked_for_blobs(self.registry)
        return said

    @property
    def directory(self) -> Path:
        """Where a local lookaside ``look`` has the signatures of the image."""
        return self.folder / f"look/test/image@sha256={IMAGE.digest[7:]}"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Simulator(IMAGE, pushing=Pushing(conditions="honoured")) as registry:
        yield Stage(registry, tmp_path)


def sigstore(digest: str = IMAGE.digest, reference: str = REFERENCE) -> bytes:
    return Signed.by(KEY, payload_for(digest, reference)).signature.to_bytes()


class TestALocalLookaside:
    @pytest.mark.parametrize("staging", [False, True])
    def test_written_and_read(self, staging: bool, stage: Stage) -> None:
        look = f"file://{stage.folder}/look"
        if staging:
            stage.configure(lookaside="https://is-only.example/read", lookaside_staging=look)
        else:
            stage.configure(lookaside=look)
        stage.sign(SIMPLE, SIMPLE + b"2")
        succeed(stage.copy(f"dir:{stage.image}", stage.registry.name()))
        assert {path.name: path.read_bytes() for path in stage.directory.iterdir()} == {
            "signature-1": SIMPLE, "signature-2": SIMPLE + b"2",
        }  # fmt: skip
        stage.configure(lookaside=look)
        assert stage.pull() == [SIMPLE, SIMPLE + b"2"]
        assert stage.pull("--remove-signatures") == []

    def test_the_users_own(self, stage: Stage, monkeypatch: pytest.MonkeyPatch, clean_environment: Path) -> None:
        """Without a word about it in registries.d."""
        monkeypatch.setattr("os.geteuid", lambda: 1000)
        stage.sign(SIMPLE)
        succeed(stage.copy(f"dir:{stage.image}", stage.registry.name()))
        own = clean_environment / f".local/share/containers/sigstore/test/image@sha256={IMAGE.digest[7:]}"
        assert [path.name for path in own.iterdir()] == ["signature-1"]
        assert stage.pull() == [SIMPLE]
        # Nobody is told where that is, but for who asks.
        done = succeed(stage.copy("--debug", f"dir:{stage.image}", f"{stage.registry.name()}-2"))
        assert f"signatures written into {own}: 1" in done.stderr

    def test_what_is_there_is_no_signature(self, stage: Stage) -> None:
        stage.configure(lookaside=f"file://{stage.folder}/look")
        stage.directory.mkdir(parents=True)
        (stage.directory / "signature-1").write_text("text")
        assert stage.refuse().endswith(f"reading signatures: {stage.directory}/signature-1: unrecognized signature format")

    @pytest.mark.parametrize(
        ("settings", "reason"),
        [
            ({"lookaside": "https://a.example/x"}, "Writing directly to a https lookaside https://a.example/x is not supported. Configure a lookaside-staging: location"),
            ({"lookaside_staging": "http://u:p@a.example/x"}, "Writing directly to a http lookaside http://a.example/x is not supported"),
            ({"lookaside": "file://{}/look", "lookaside_staging": "https://a.example"}, "Writing directly to a https lookaside"),
        ],
    )
    def test_where_nothing_can_be_written(self, settings: dict[str, str], reason: str, stage: Stage) -> None:
        stage.configure(**settings)
        stage.sign(SIMPLE)
        name = f"docker://{stage.registry.host}/new:1"
        said = fatal(stage.copy(f"dir:{stage.image}", name))
        assert said.startswith(f"Can not copy signatures to {name}: {reason}")
        assert said.endswith("; --remove-signatures copies the image without them")
        assert not [line for line in stage.registry.log if not line.startswith(("GET", "HEAD"))]
        succeed(stage.copy("--remove-signatures", f"dir:{stage.image}", name))


class TestARemoteLookaside:
    @pytest.fixture
    def remote(self, stage: Stage) -> Iterator[Simulator]:
        with Simulator() as remote:
            stage.configure(lookaside=f"http://{remote.host}/x%20y")
            yield remote

    def serve(self, remote: Simulator, *contents: bytes) -> None:
        for number, content in enumerate(contents, 1):
            remote.routes[self.path(number)] = Response(200, (), content)

    def path(self, number: int) -> str:
        return f"/x%20y/test/image@sha256={IMAGE.digest[7:]}/signature-{number}"

    def test_read(self, stage: Stage, remote: Simulator) -> None:
        assert stage.pull() == []
        assert remote.log == [f"GET {self.path(1)}"]
        self.serve(remote, SIMPLE, SIMPLE + b"2")
        assert stage.pull() == [SIMPLE, SIMPLE + b"2"]
        assert remote.log[1:] == [f"GET {self.path(number)}" for number in (1, 2, 3)]
        assert all(request.header("authorization") is None for request in remote.requests)
        assert stage.pull("--remove-signatures") == []
        assert len(remote.log) == 4

    def test_that_fails_for_a_moment(self, stage: Stage, remote: Simulator) -> None:
        self.serve(remote, SIMPLE)
        remote.on("/x*", Refuse(503), times=1)
        remote.on("/x*", Drop(), times=1, skip=1)
        assert stage.pull() == [SIMPLE]

    @pytest.mark.parametrize("status", [401, 403, 500])
    def test_that_refuses(self, status: int, stage: Stage, remote: Simulator) -> None:
        remote.on("/x*", Refuse(status))
        said = stage.refuse()
        assert f"reading signatures: reading signature from http://{remote.host}{self.path(1)}: StatusCode: {status}" in said

    def test_that_cannot_be_reached(self, stage: Stage) -> None:
        with Simulator() as gone:
            stage.configure(lookaside=f"http://{gone.host}/x%20y")
        said = stage.refuse()
        assert f"reading signature from http://{gone.host}{self.path(1)}: {gone.host}: " in said
        assert "registries.d names this lookaside" in said

    def test_that_never_ends(self, stage: Stage, remote: Simulator) -> None:
        self.serve(remote, *[SIMPLE] * 200)
        assert stage.refuse().endswith("signature-129: more than 128 signatures of one image")
        assert len(remote.log) == 129

    def test_of_which_one_never_ends(self, stage: Stage, remote: Simulator) -> None:
        self.serve(remote, SIMPLE)
        remote.on("/x*", Endless())
        assert "is over the limit of 4194304 bytes" in stage.refuse()

    def test_that_answers_with_a_page(self, stage: Stage, remote: Simulator) -> None:
        self.serve(remote, b"<html>not found</html>")
        assert "signature-1: unrecognized signature format" in stage.refuse()

    def test_that_redirects(self, stage: Stage, remote: Simulator) -> None:
        with Simulator() as other:
            other.routes["/there"] = Response(200, (), SIMPLE)
            remote.on(self.path(1), Redirect(f"http://{other.host}/there"))
            self.serve(remote, b"")
            assert stage.pull() == [SIMPLE]
            remote.on(self.path(1), Redirect("file:///etc/passwd"))
            assert "file" in fatal(stage.copy(stage.registry.name(), f"dir:{stage.folder}/none"))

    def test_with_credentials_in_its_url(self, stage: Stage, remote: Simulator) -> None:
        """They are for it alone, and shown to nobody."""
        stage.configure(lookaside=f"http://user:s%20ecret@{remote.host}/x%20y")
        with Simulator() as other:
            other.routes["/there"] = Response(200, (), SIMPLE)
            self.serve(remote, b"", SIMPLE)
            remote.on(self.path(1), Redirect(f"http://{other.host}/there"))
            assert stage.pull() == [SIMPLE, SIMPLE]
            expected = f"Basic {base64.b64encode(b'user:s ecret').decode()}"
            assert {request.header("authorization") for request in remote.requests} == {expected}
            assert {request.header("authorization") for request in other.requests} == {None}
        remote.on(self.path(1), Refuse(403))
        assert "ecret" not in fatal(stage.copy(stage.registry.name(), f"dir:{stage.folder}/none"))

    def test_offline(self, stage: Stage, remote: Simulator) -> None:
        """What cannot be asked for is not needed, unless a policy wants it."""
        store = f"--store={stage.folder}/store"
        name = f"docker://{stage.registry.host}/test/image@{IMAGE.digest}"
        flags = (f"--registries.d={stage.folder}/registries.d", store)
        succeed(pyskopeo_here(*flags, "copy", "-q", "--src-tls-verify=false", name, f"oci:{stage.folder}/1:x"))
        asked = len(remote.log)
        done = pyskopeo_here(*flags, "--offline", "copy", "-q", "--src-tls-verify=false", name, f"oci:{stage.folder}/2:x")
        assert "signatures are not copied: " in succeed(done).stderr
        (stage.folder / "key.pub").write_bytes(public_pem(KEY))
        wanted = [{"type": "sigstoreSigned", "keyPath": f"{stage.folder}/key.pub"}]
        (stage.folder / "p.json").write_text(json.dumps({"default": wanted}))
        done = pyskopeo_here(
            f"--policy={stage.folder}/p.json", *flags, "--offline", "copy", "-q", "--src-tls-verify=false", name,
            f"oci:{stage.folder}/3:x",
        )  # fmt: skip
        assert "--offline allows none" in done.stderr
        assert len(remote.log) == asked


class TestAttachments:
    @pytest.fixture(autouse=True)
    def used(self, stage: Stage) -> None:
        stage.configure(use_sigstore_attachments=True, lookaside=f"file://{stage.folder}/look")

    def manifest(self, stage: Stage) -> Any:
        found = stage.registry.manifest(TAG)
        assert found is not None
        return json.loads(found.raw)

    def test_written_and_read(self, stage: Stage) -> None:
        first, second = sigstore(), sigstore(reference="a.example/b:2")
        stage.sign(first)
        succeed(stage.copy(f"dir:{stage.image}", stage.registry.name()))
        document = self.manifest(stage)
        assert list(document) == ["schemaVersion", "mediaType", "config", "layers"]
        assert [layer["mediaType"] for layer in document["layers"]] == ["application/vnd.dev.cosign.simplesigning.v1+json"]
        config = json.loads(stage.registry.blobs()[document["config"]["digest"]])
        assert config["rootfs"] == {"type": "layers", "diff_ids": [document["layers"][0]["digest"]]}
        assert stage.pull() == [first]
        # One more is added; one that is there is not written again.
        stage.sign(second, first)
        succeed(stage.copy(f"dir:{stage.image}", stage.registry.name()))
        assert stage.pull() == [first, second]
        document = self.manifest(stage)
        config = json.loads(stage.registry.blobs()[document["config"]["digest"]])
        assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in document["layers"]]
        written = len([line for line in stage.registry.log if line.startswith("PUT") and TAG in line])
        succeed(stage.copy(f"dir:{stage.image}", stage.registry.name()))
        assert len([line for line in stage.registry.log if line.startswith("PUT") and TAG in line]) == written

    def test_what_others_have_put_there_stays(self, stage: Stage) -> None:
        config = b'{"architecture":"x","rootfs":{"type":"layers","diff_ids":[]},"created":"2020-01-01T00:00:00Z","os":"y"}'
        stage.registry.store.add_blob("test/image", digest_of(config), config)
        attestation = b"{}"
        stage.registry.store.add_blob("test/image", digest_of(attestation), attestation)
        layer = {"mediaType": "application/vnd.dsse.envelope.v1+json", "digest": digest_of(attestation), "size": 2}
        document = {
            "schemaVersion": 2, "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest_of(config), "size": len(config)},
            "layers": [layer], "annotations": {"a": "b"},
        }  # fmt: skip
        raw = json.dumps(document).encode()
        stage.registry.store.add_manifest("test/image", TAG, BuiltManifest(digest_of(raw), MANIFEST_TYPE, raw))
        stage.sign(sigstore())
        succeed(stage.copy(f"dir:{stage.image}", stage.registry.name()))
        found = self.manifest(stage)
        assert found["annotations"] == {"a": "b"}
        assert found["layers"][0] == layer
        assert len(found["layers"]) == 2
        changed = json.loads(stage.registry.blobs()[found["config"]["digest"]])
        assert (changed["created"], changed["architecture"]) == ("2020-01-01T00:00:00Z", "x")

    def test_they_are_not_used_unless_configured(self, stage: Stage) -> None:
        stage.sign(sigstore())
        succeed(stage.copy(f"dir:{stage.image}", stage.registry.name()))
        stage.configure(lookaside=f"file://{stage.folder}/look")
        asked = len(stage.registry.log)
        assert stage.pull() == []
        assert not [line for line in stage.registry.log[asked:] if ".sig" in line]
        said = fatal(stage.copy(f"dir:{stage.image}", stage.registry.name(tag="other")))
        assert "writing sigstore attachments is disabled by configuration: set use-sigstore-attachments" in said
        assert stage.registry.manifest("other") is None

    def test_of_each_image_of_a_list(self, stage: Stage) -> None:
        source = write_dir(INDEX, stage.folder / "list")
        digests = [INDEX.digest, *(INDEX.child(number).digest for number in range(2))]
        for digest in digests:
            name = "signature-1" if digest == INDEX.digest else f"{digest[7:]}.signature-1"
            (source / name).write_bytes(sigstore(digest))
        (source / f"{digests[1][7:]}.signature-2").write_bytes(SIMPLE)
        succeed(stage.copy("--all", f"dir:{source}", stage.registry.name(tag="list")))
        tags = {f"sha256-{digest[7:]}.sig" for digest in digests}
        log = [line.rpartition("/")[2] for line in stage.registry.log if line.startswith("PUT") and "/manifests/" in line]
        assert log[-1] == "list"
        assert tags <= set(log)
        assert log.index(INDEX.digest) < log.index(f"sha256-{INDEX.digest[7:]}.sig")
        out = stage.folder / "out"
        succeed(stage.copy("--all", stage.registry.name(tag="list"), f"dir:{out}"))
        wanted = {path.name: path.read_bytes() for path in source.glob("*signature*")}
        # In a registry, a simple signature is in another place, and read first.
        swapped = {f"{digests[1][7:]}.signature-{a}": wanted[f"{digests[1][7:]}.signature-{b}"] for a, b in ((1, 2), (2, 1))}
        assert {path.name: path.read_bytes() for path in out.glob("*signature*")} == wanted | swapped
        succeed(stage.copy("--all", "--remove-list-signatures", stage.registry.name(tag="list"), f"dir:{out}"))
        assert "signature-1" not in {path.name for path in out.glob("*signature*")}

    def test_a_tag_of_something_else(self, stage: Stage) -> None:
        stage.registry.add(INDEX, "test/image", TAG)
        assert "unexpected MIME type for sigstore attachment manifest" in stage.refuse()
        stage.sign(sigstore())
        said = fatal(stage.copy(f"dir:{stage.image}", stage.registry.name(tag="new")))
        assert "unexpected MIME type for sigstore attachment manifest" in said
        assert stage.registry.manifest("new") is None

    def test_an_error_is_not_taken_for_none(self, stage: Stage) -> None:
        stage.registry.on_manifest(TAG, Refuse(500))
        assert "reading signatures: reading manifest sha256-" in stage.refuse()

    def test_a_payload_with_other_bytes(self, stage: Stage) -> None:
        stage.sign(sigstore())
        succeed(stage.copy(f"dir:{stage.image}", stage.registry.name()))
        (layer,) = self.manifest(stage)["layers"]
        stage.registry.on_blob(layer["digest"], Endless())
        said = fatal(stage.copy(stage.registry.name(), f"dir:{stage.folder}/none"))
        assert "reading signatures: " in said

    def test_an_image_that_is_there_gets_its_signatures(self, stage: Stage) -> None:
        """Nothing else is written."""
        stage.sign(sigstore())
        before = len(stage.registry.log)
        succeed(stage.copy(f"dir:{stage.image}", stage.registry.name()))
        written = [line for line in stage.registry.log[before:] if line.startswith("PUT") and "/manifests/" in line]
        assert written == [f"PUT /v2/test/image/manifests/{TAG}"]


class TestTheRegistryItself:
    """``X-Registry-Supports-Signatures``, as OpenShift's registry has it."""

    PATH = f"/extensions/v2/test/image/signatures/{IMAGE.digest}"

    @pytest.fixture
    def stage(self, tmp_path: Path) -> Iterator[Stage]:
        """With a registry that asks for credentials at ``/v2/``, as OpenShift's does, so that nothing more is asked."""
        with Simulator(IMAGE, gate=BasicGate({"user": "password"})) as registry:
            registry.on("/v2/", SetHeaders({"X-Registry-Supports-Signatures": "1"}))
            stage = Stage(registry, tmp_path, "--src-creds=user:password", "--dest-creds=user:password")
            stage.configure(lookaside=f"file://{stage.folder}/look")
            yield stage

    def keep(self, stage: Stage, *entries: object, status: int = 200) -> None:
        raw = json.dumps({"signatures": entries}).encode()
        stage.registry.routes[self.PATH] = Response(status, (("Content-Type", "application/json"),), raw)

    def entry(self, content: bytes, **changes: object) -> dict[str, object]:
        return {
            "schemaVersion": 2, "name": f"{IMAGE.digest}@1", "type": "atomic", "content": base64.b64encode(content).decode()
        } | changes  # fmt: skip

    def test_read(self, stage: Stage) -> None:
        """In the place of a lookaside."""
        stage.directory.mkdir(parents=True)
        (stage.directory / "signature-1").write_bytes(SIMPLE + b"of the lookaside")
        self.keep(stage, self.entry(SIMPLE), self.entry(SIMPLE, type="other"), self.entry(SIMPLE, schemaVersion=1))
        assert stage.pull() == [SIMPLE]

    def test_one_that_is_there_is_not_written_again(self, stage: Stage) -> None:
        self.keep(stage, self.entry(SIMPLE))
        stage.sign(SIMPLE)
        succeed(stage.copy(f"dir:{stage.image}", stage.registry.name()))
        assert not [line for line in stage.registry.log if line == f"PUT {self.PATH}"]

    def test_what_is_written(self, stage: Stage) -> None:
        self.keep(stage, self.entry(SIMPLE), status=200)
        stage.sign(SIMPLE + b"new")
        said = fatal(stage.copy(f"dir:{stage.image}", stage.registry.name()))
        assert "writing signatures: uploading signature to " in said  # it did not say 201
        (request,) = [one for one in stage.registry.requests if one.method == "PUT" and one.path == self.PATH]
        assert request.length > len(SIMPLE)
        assert not stage.directory.exists()

    @pytest.mark.parametrize(
        ("raw", "reason"),
        [
            (b"<html>", "downloading signatures for"),
            (b'{"signatures": 5}', "signatures is not a list of objects"),
            (b'{"signatures": [{"schemaVersion": 2, "type": "atomic", "content": "!"}]}', "has no content in base64"),
            (b'{"signatures": [], "signatures": []}', "signatures"),
        ],
    )
    def test_answers_that_make_no_sense(self, raw: bytes, reason: str, stage: Stage) -> None:
        stage.registry.routes[self.PATH] = Response(200, (), raw)
        assert reason in stage.refuse()

    def test_more_than_can_be_meant(self, stage: Stage) -> None:
        self.keep(stage, *[self.entry(SIMPLE)] * 129)
        assert "more than 128 signatures of one image" in stage.refuse()

    def test_an_error_is_not_taken_for_none(self, stage: Stage) -> None:
        self.keep(stage, status=404)
        assert "reading signatures: downloading signatures for" in stage.refuse()

    def test_a_registry_without_credentials_is_asked_if_a_policy_wants_signatures(self, tmp_path: Path) -> None:
        with Simulator(IMAGE) as registry:
            registry.on("/v2/", SetHeaders({"X-Registry-Supports-Signatures": "1"}))
            stage = Stage(registry, tmp_path)
            self.keep(stage, self.entry(SIMPLE))
            assert stage.pull() == []
            assert "GET /v2/" not in registry.log
            requirement = {"type": "signedBy", "keyType": "GPGKeys", "keyData": base64.b64encode(b"x").decode()}
            (tmp_path / "p.json").write_text(json.dumps({"default": [requirement]}))
            done = pyskopeo_here(
                f"--policy={tmp_path}/p.json", "copy", "--src-tls-verify=false", registry.name(), f"dir:{tmp_path}/none"
            )
            assert fatal(done).startswith("Source image rejected: ")
            assert f"GET {self.PATH}" in registry.log


def test_a_signature_takes_no_request_but_those_for_itself(stage: Stage) -> None:
    """With a policy or without one; a lookaside in files takes none."""
    (stage.folder / "key.pub").write_bytes(public_pem(KEY))
    requirement = {
        "type": "sigstoreSigned", "keyPath": f"{stage.folder}/key.pub",
        "signedIdentity": {"type": "exactReference", "dockerReference": REFERENCE},
    }  # fmt: skip
    (stage.folder / "p.json").write_text(json.dumps({"default": [requirement]}))

    def asked(*flags: str) -> list[str]:
        before = len(stage.registry.log)
        out = stage.folder / f"asked{before}"
        words = ("copy", "-q", "--src-tls-verify=false", stage.registry.name(), f"dir:{out}")
        succeed(pyskopeo_here(f"--registries.d={stage.folder}/registries.d", *flags, *words))
        return sorted(line for line in stage.registry.log[before:] if line != "GET /v2/")

    unsigned = asked()
    stage.configure(lookaside=f"file://{stage.folder}/look")
    stage.directory.mkdir(parents=True)
    (stage.directory / "signature-1").write_bytes(sigstore())
    assert asked() == asked(f"--policy={stage.folder}/p.json") == unsigned
    (stage.directory / "signature-1").unlink()
    stage.configure(lookaside=f"file://{stage.folder}/look", use_sigstore_attachments=True)
    stage.sign(sigstore())
    succeed(stage.copy(f"dir:{stage.image}", stage.registry.name()))
    found = stage.registry.manifest(TAG)
    assert found is not None
    (layer,) = json.loads(found.raw)["layers"]
    more = [f"GET /v2/test/image/blobs/{layer['digest']}", f"GET /v2/test/image/manifests/{TAG}"]
    assert asked() == asked(f"--policy={stage.folder}/p.json") == sorted([*unsigned, *more])
