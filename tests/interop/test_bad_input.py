"""Whatever is wrong, from a mistyped name to a full disk: one clear line, the right exit code, nothing left behind."""

from __future__ import annotations

import base64
import json
import os
import re
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.commands import PYSKOPEO, Done, environment, pyskopeo, tree
from tests.support.faults import (
    Body,
    Cut,
    Endless,
    Fault,
    Flip,
    Long,
    Padded,
    Redirect,
    Refuse,
    SetHeaders,
    Short,
    Stall,
)
from tests.support.images import BuiltImage, ImageSpec, LayerSpec, build
from tests.support.outputs import blob_path, write_dir, write_layout
from tests.support.require import unavailable
from tests.support.simulator import BasicGate, BearerGate, Simulator
from tests.support.tls import Authority
from tests.support.token_server import TokenServer

SECRET = "s3cr3t-and-long"
IMAGE = build(ImageSpec(layers=(LayerSpec("base", base=True), LayerSpec("big", size=600_000))))
LAYER = IMAGE.layer_digests()[1]
QUICK = ("--retry-times=0", "--retry-delay=10ms")
PLAIN = ("--src-tls-verify=false", *QUICK)
DESTINATIONS = ("oci:{}/new:x", "dir:{}/new", "docker-archive:{}/new.tar:a:1", "oci-archive:{}/new.tar")


def copy(*words: object, env: Mapping[str, str] | None = None) -> Done:
    return pyskopeo("copy", *words, env=env)


def said(done: Done, code: int = 1, *, warnings: int = 0) -> str:
    """The one fatal message of a command that failed as it should."""
    assert done.code == code, done.stderr
    assert done.stdout == b""
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stderr
    told = [line for line in done.lines if line.startswith("time=")]
    assert len(told) == warnings + 1, done.stderr
    assert all(line.startswith(("Copying ", "Writing manifest")) for line in done.lines if line not in told), (
        done.stderr
    )
    *others, last = told
    assert all(" level=warning " in line for line in others)
    assert " level=fatal " in last
    assert last == done.lines[-1]
    message: str = json.loads(last.partition("msg=")[2])
    assert "\n" not in message or "Try 'pyskopeo" in message
    assert len(message) < 600
    return message


def nothing_left(folder: Path, image: BuiltImage = IMAGE) -> None:
    """Nothing but whole blobs in a layout that has no index yet: the next try need not fetch them."""
    for name, content in tree(folder).items():
        assert name.startswith("new/blobs/sha256/"), name
        assert content == image.blobs[f"sha256:{name.rpartition('/')[2]}"]
    assert not (folder / "new").exists() or tree(folder / "new")


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with Simulator(IMAGE) as running:
        yield running


class TestNames:
    """What is wrong with a name is found before anything is touched."""

    @pytest.mark.parametrize(
        ("source", "phrase"),
        [
            ("alpine", 'Invalid image name "alpine", expected colon-separated transport:reference'),
            ("ftp://a/b", 'unknown transport "ftp"'),
            ("docker:alpine", "docker: image reference alpine does not start with //"),
            ("docker://", "invalid reference format"),
            ("docker://Upper/Case", "must be lowercase"),
            ("docker://a:b:c", "invalid reference format"),
            ("docker://a@sha256:123", "invalid reference format"),
            ("docker://a@md5:d41d8cd98f00b204e9800998ecf8427e", "invalid reference format"),
            ("docker://" + "a" * 300, "repository name must not be more than 255 characters"),
            ("docker://a/../b", "invalid reference format"),
            ("docker://" + "0" * 64, "invalid reference format"),
            (f"docker://user:{SECRET}@host/a", "invalid reference format"),
            ("oci:", "want oci:path[:name]"),
            ("oci:x:bad name", "Invalid image 'bad name'"),
            ("oci:x:@one", "position"),
            ("oci-archive:", "want oci-archive:path[:name]"),
            ("dir:", "want dir:path"),
            ("docker-archive:", "want docker-archive:path"),
            ("docker-archive:x:Upper:1", "must be lowercase"),
            ("docker-archive:x:@one", "position"),
            ("", "expected colon-separated transport:reference"),
        ],
    )
    def test_names(self, tmp_path: Path, source: str, phrase: str) -> None:
        message = said(copy(source, f"dir:{tmp_path}/new"))
        assert message.startswith("Invalid source name ")
        assert phrase in message
        assert said(pyskopeo("inspect", source)).startswith("Error parsing image name ")
        assert tree(tmp_path) == {}

    @pytest.mark.parametrize(
        "name", ["oci:{}/x:@0", "docker-archive:{}/x:@0", "docker-archive:{}/x:a@sha256:" + "0" * 64]
    )
    def test_names_that_cannot_be_written(self, registry: Simulator, tmp_path: Path, name: str) -> None:
        message = said(copy(*PLAIN, registry.name(), name.format(tmp_path)))
        assert "can only be read" in message or "doesn't support digest references" in message
        assert tree(tmp_path) == {}

    @pytest.mark.parametrize(
        ("name", "code"),
        [("test/image:nope", 2), ("test/nope", 1), (f"test/image@sha256:{'0' * 64}", 2)],
    )
    @pytest.mark.parametrize("destination", DESTINATIONS)
    def test_images_that_are_not_there(
        self, registry: Simulator, tmp_path: Path, name: str, code: int, destination: str
    ) -> None:
        name = f"docker://{registry.host}/{name}"
        message = said(copy(*PLAIN, name, destination.format(tmp_path)), code)
        assert message.startswith(f"initializing source {name}: reading manifest ")
        assert "unknown" in message
        nothing_left(tmp_path)

    def test_no_platform_fits(self, tmp_path: Path) -> None:
        image = build("oci-index")
        with Simulator(image) as registry:
            message = said(copy(*PLAIN, "--platform=plan9/mips", registry.name(), f"oci:{tmp_path}/new"))
        assert 'architecture "mips", variant "", OS "plan9"' in message
        assert message.endswith(
            "there is: linux/amd64, linux/arm/v6, linux/arm/v7, linux/arm64/v8, linux/s390x, windows/amd64"
        )
        nothing_left(tmp_path)


class TestConnections:
    """Registries that cannot be reached, or are not to be believed."""

    def test_refused(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            host = f"127.0.0.1:{closed.getsockname()[1]}"
        message = said(copy(*QUICK, f"docker://{host}/a", f"dir:{tmp_path}/new"))
        assert message.lower() == f"initializing source docker://{host}/a: {host}: connection refused"
        nothing_left(tmp_path)

    def test_each_retry_is_a_warning(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            host = f"127.0.0.1:{closed.getsockname()[1]}"
        words = ("--retry-times=2", "--retry-delay=10ms", f"docker://{host}/a", f"dir:{tmp_path}/new")
        said(copy(*words), warnings=2)

    def test_unknown_host(self, tmp_path: Path) -> None:
        message = said(copy(*QUICK, "docker://nowhere.invalid/a", f"dir:{tmp_path}/new"))
        assert message.endswith("nowhere.invalid: no such host")

    def test_http_where_https_is_wanted(self, registry: Simulator, tmp_path: Path) -> None:
        message = said(copy(*QUICK, registry.name(), f"dir:{tmp_path}/new"))
        assert "server gave an HTTP response to an HTTPS client" in message
        assert "--src-tls-verify=false" in message
        assert "tls-verify=false" in said(pyskopeo("inspect", *QUICK, registry.name()))

    @pytest.mark.parametrize("trouble", ["unknown authority", "expired", "another host"])
    def test_certificates(self, authority: Authority, tmp_path: Path, trouble: str) -> None:
        certificate = {
            "unknown authority": lambda: authority.server("untrusted"),
            "expired": lambda: authority.server("expired", expired=True),
            "another host": lambda: authority.server("elsewhere", hosts=("elsewhere.example",)),
        }[trouble]()
        trust = [] if trouble == "unknown authority" else [f"--src-cert-dir={authority.folder}"]
        # The folder of the authority holds servers' *.crt too, which are no authorities but do no harm.
        with Simulator(IMAGE, tls=certificate) as registry:
            message = said(copy(*QUICK, *trust, registry.name(), f"oci:{tmp_path}/new"))
            assert registry.requests == ()  # nothing was said to a server that is not believed
            assert copy(*PLAIN, registry.name(), f"oci:{tmp_path}/new").code == 0
        assert "certificate" in message
        assert registry.host in message

    def test_a_folder_of_certificates_that_is_not_one(self, registry: Simulator, tmp_path: Path) -> None:
        (tmp_path / "certs").mkdir()
        (tmp_path / "certs" / "ca.crt").write_text("not a certificate")
        words = (*QUICK, f"--src-cert-dir={tmp_path}/certs", registry.name(), f"dir:{tmp_path}/new")
        assert f"{tmp_path}/certs/ca.crt" in said(copy(*words))
        (tmp_path / "certs" / "ca.crt").rename(tmp_path / "certs" / "client.cert")
        assert "client" in said(copy(*words))

    def test_no_more_progress(self, registry: Simulator, tmp_path: Path) -> None:
        registry.on_blob(LAYER, Stall(1000))
        message = said(copy(*PLAIN, "--stall-timeout=300ms", registry.name(), f"oci:{tmp_path}/new"))
        assert "no progress" in message or "stalled" in message
        assert registry.host in message or LAYER in message
        nothing_left(tmp_path)

    @pytest.mark.parametrize("status", [500, 502, 503, 418])
    def test_refusals(self, registry: Simulator, tmp_path: Path, status: int) -> None:
        registry.on_blob(LAYER, Refuse(status, body=b"<html>\x1b[31m no \n luck</html>", content_type="text/html"))
        message = said(copy(*PLAIN, registry.name(), f"oci:{tmp_path}/new"))
        assert str(status) in message
        assert "\x1b" not in message
        nothing_left(tmp_path)

    def test_a_redirect_into_the_private_network(self, registry: Simulator, tmp_path: Path) -> None:
        registry.on_blob(LAYER, Redirect("file:///etc/passwd"))
        said(copy(*PLAIN, registry.name(), f"oci:{tmp_path}/new"))
        nothing_left(tmp_path)


class TestCredentials:
    """Wrong ones, missing ones, helpers that fail; and that none is ever shown."""

    @pytest.mark.parametrize(
        "words",
        [
            (f"--src-creds=user:{SECRET}",),
            ("--src-username=user", f"--src-password={SECRET}"),
            (f"--src-registry-token={SECRET}",),
            ("--src-no-creds",),
            (f"--screds=user:{SECRET}",),
        ],
    )
    @pytest.mark.parametrize("gate", ["basic", "bearer"])
    def test_wrong_credentials(self, tmp_path: Path, words: tuple[str, ...], gate: str) -> None:
        with TokenServer(tmp_path / "tokens") as tokens, Simulator(IMAGE) as registry:
            registry.gate = (
                BasicGate({"user": "right"}) if gate == "basic" else BearerGate(tokens.realm, tokens.accepts)
            )
            for show in ("--progress=plain", "--progress=json"):
                done = copy(*PLAIN, *words, show, registry.name(), f"oci:{tmp_path}/new")
                message = said(done)
            assert "401" in message
            assert registry.host in message or tokens.host in message
        nothing_left(tmp_path / "new")

    def test_a_wrong_password_in_a_file(self, registry: Simulator, tmp_path: Path) -> None:
        registry.gate = BasicGate({"user": "right"})
        wrong = base64.b64encode(f"user:{SECRET}".encode()).decode()
        path = tmp_path / "auth.json"
        path.write_text(json.dumps({"auths": {registry.host: {"auth": wrong}}}))
        done = copy(*PLAIN, f"--authfile={path}", registry.name(), f"dir:{tmp_path}/new")
        assert "401" in said(done)
        assert wrong not in done.stderr

    @pytest.mark.parametrize("content", ["{", "[]", '{"auths": {"HOST": {"auth": "%%%"}}}', '{"auths": 1}', None])
    def test_a_credentials_file_that_cannot_be_used(
        self, registry: Simulator, tmp_path: Path, content: str | None
    ) -> None:
        """It is read when a registry asks for credentials, as nothing else needs it."""
        path = tmp_path / "auth.json"
        if content is not None:
            path.write_text(content.replace("HOST", registry.host))
        words = (*PLAIN, f"--authfile={path}", registry.name())
        assert copy(*words, f"dir:{tmp_path}/open").code == 0
        registry.gate = BasicGate({"user": "right"})
        assert str(path) in said(copy(*words, f"dir:{tmp_path}/new"))
        assert not (tmp_path / "new").exists()

    HELPERS: Mapping[str, str] = {
        "fails": f"echo {SECRET}; echo {SECRET} >&2; exit 3",
        "babbles": f"echo 'no json, but {SECRET}'",
        "is missing": "",
    }

    @pytest.mark.parametrize("trouble", sorted(HELPERS))
    def test_a_helper_that_fails(self, registry: Simulator, tmp_path: Path, trouble: str) -> None:
        folder = tmp_path / "bin"
        folder.mkdir()
        if self.HELPERS[trouble]:
            helper = folder / "docker-credential-broken"
            helper.write_text(f"#!/bin/sh\n{self.HELPERS[trouble]}\n")
            helper.chmod(0o755)
        path = tmp_path / "auth.json"
        path.write_text(json.dumps({"credHelpers": {registry.host: "broken"}}))
        registry.add(IMAGE, "public/image", "latest")
        name = registry.name("public/image")
        words = (*PLAIN, f"--authfile={path}", name, f"dir:{tmp_path}/new")
        env = {"PATH": f"{folder}:{os.environ['PATH']}"}
        with TokenServer(tmp_path / "tokens") as tokens:
            registry.gate = BearerGate(tokens.realm, tokens.accepts)
            assert "docker-credential-broken" in said(copy("--auth-strict", *words, env=env))
            assert not (tmp_path / "new").exists()
            done = copy(*words, env=env)
        assert done.code == 0, done.stderr  # everybody may have this image: a warning, and on without credentials
        (warning,) = (line for line in done.lines if line.startswith("time="))
        assert " level=warning " in warning
        assert "docker-credential-broken" in warning
        assert SECRET not in done.stderr


class TestContent:
    """Bytes that are not what they should be."""

    @pytest.mark.parametrize("destination", DESTINATIONS)
    @pytest.mark.parametrize(
        ("fault", "phrase"),
        [
            (Flip(-1), "sha256:"),
            (Short(), "ends after|short|too few|bytes"),
            (Long(), "too many|longer|more than|bytes"),
            (Cut(1000), "connection lost|bytes"),
            (Body(b""), "bytes"),
        ],
        ids=["flipped", "short", "long", "cut", "empty"],
    )
    def test_blobs(self, registry: Simulator, tmp_path: Path, destination: str, fault: Fault, phrase: str) -> None:
        registry.on_blob(LAYER, fault)
        message = said(copy(*PLAIN, registry.name(), destination.format(tmp_path)))
        assert LAYER in message or registry.host in message
        assert re.search(phrase, message)
        nothing_left(tmp_path)

    @pytest.mark.parametrize(
        ("fault", "phrase"),
        [
            (Padded(4 * 1024 * 1024 + 1), "limit of 4194304 bytes"),
            (Endless(), "limit of 4194304 bytes"),
            (Body(b"{"), "not valid JSON"),
            (Body(b""), "not valid JSON"),
            (Body(b"[]"), "not a JSON object"),
            (Body(b"[" * 100_000), "JSON"),
            (Body(b"\xff\xfe"), "JSON"),
            (Body(b'{"schemaVersion":2}'), ""),
            (Body(b'{"schemaVersion":1,"fsLayers":[]}'), ""),
            (Body(IMAGE.root.raw.replace(b'"layers"', b'"manifests":[],"layers"')), "ambiguous"),
            (Body(IMAGE.root.raw.replace(LAYER.encode(), b"sha256:../../etc/passwd")), "invalid digest"),
            (Body(IMAGE.root.raw.replace(b'"size":', b'"size":-')), "size"),
            (Body(IMAGE.root.raw.replace(b".manifest.v1+json", b".index.v1+json")), "but it was served as"),
            (SetHeaders({"Docker-Content-Digest": "sha256:" + "0" * 64}), "Docker-Content-Digest says"),
            (SetHeaders({"Docker-Content-Digest": "nonsense"}), "invalid digest"),
            (SetHeaders({"Content-Type": "application/vnd.oci.image.index.v1+json"}), "but it was served as"),
        ],
        ids=["large", "endless", "cut", "empty", "list", "deep", "binary", "bare", "schema1", "two-kinds", "bad-digest",
             "negative", "other-type", "other-digest", "bad-header", "other-content-type"],
    )  # fmt: skip
    def test_manifests(self, registry: Simulator, tmp_path: Path, fault: Fault, phrase: str) -> None:
        registry.on_manifest("latest", SetHeaders({"Docker-Content-Digest": None}), fault)
        message = said(copy(*PLAIN, registry.name(), f"oci:{tmp_path}/new"))
        assert message.startswith(f"initializing source {registry.name()}: ")
        assert phrase in message
        nothing_left(tmp_path)
        assert said(pyskopeo("inspect", "--tls-verify=false", *QUICK, registry.name()))

    def test_another_manifest_than_the_digest_says(self, registry: Simulator, tmp_path: Path) -> None:
        registry.on_manifest("sha256:*", Body(IMAGE.root.raw + b" "), SetHeaders({"Docker-Content-Digest": None}))
        name = f"docker://{registry.host}/test/image@{IMAGE.digest}"
        assert IMAGE.digest in said(copy(*PLAIN, name, f"oci:{tmp_path}/new"))
        nothing_left(tmp_path)

    @pytest.mark.parametrize("content", [b"{", b"[]", b'{"config":{"Labels":[]}}', b'{"architecture":1}'])
    def test_configurations(self, tmp_path: Path, content: bytes) -> None:
        import hashlib

        source = write_dir(IMAGE, tmp_path / "source")
        manifest = IMAGE.root.json
        digest = hashlib.sha256(content).hexdigest()
        assert isinstance(manifest["config"], dict)
        manifest["config"] |= {"digest": f"sha256:{digest}", "size": len(content)}
        (source / digest).write_bytes(content)
        (source / "manifest.json").write_text(json.dumps(manifest))
        assert "config" in said(pyskopeo("inspect", f"dir:{source}"))
        assert "config" in said(copy(f"dir:{source}", f"docker-archive:{tmp_path}/new.tar"))
        assert sorted(tree(tmp_path)) == sorted(f"source/{name}" for name in tree(source))

    @pytest.mark.parametrize("transport", ["docker-archive", "oci-archive"])
    @pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08 no gzip", b"BZh no", b"\xfd7zXZ\0 no",
                                         b"\x28\xb5\x2f\xfd no", b"\0" * 10240])  # fmt: skip
    def test_archives(self, tmp_path: Path, transport: str, content: bytes) -> None:
        path = tmp_path / "archive"
        path.write_bytes(content)
        message = said(copy(f"{transport}:{path}", f"dir:{tmp_path}/new"))
        assert str(path) in message
        assert list(tree(tmp_path)) == ["archive"]

    @pytest.mark.parametrize(
        ("file", "content"),
        [("index.json", b"{"), ("index.json", b"[]"), ("index.json", b'{"manifests":[{}]}'), ("oci-layout", b"{"),
         ("oci-layout", b'{"imageLayoutVersion":"2.0.0"}')],
    )  # fmt: skip
    def test_layouts(self, tmp_path: Path, file: str, content: bytes) -> None:
        layout = write_layout(IMAGE, tmp_path / "layout")
        (layout / file).write_bytes(content)
        assert file in said(copy(f"oci:{layout}:latest", f"dir:{tmp_path}/new"))
        assert not (tmp_path / "new").exists()

    def test_a_blob_that_is_missing_from_a_layout(self, tmp_path: Path) -> None:
        layout = write_layout(IMAGE, tmp_path / "layout")
        blob_path(layout, LAYER).unlink()
        done = copy(f"oci:{layout}:latest", f"dir:{tmp_path}/new")
        assert LAYER[7:] in said(done, done.code)
        assert done.code in (1, 2)
        assert not (tmp_path / "new").exists()

    def test_a_destination_with_a_broken_index(self, registry: Simulator, tmp_path: Path) -> None:
        layout = write_layout(build("docker"), tmp_path / "layout")
        (layout / "index.json").write_bytes(b'{"manifests":')
        assert "index.json" in said(copy(*PLAIN, registry.name(), f"oci:{layout}:x"))
        assert (layout / "index.json").read_bytes() == b'{"manifests":'


class TestDestinations:
    """Places that are taken, forbidden, or full."""

    @pytest.mark.parametrize("destination", DESTINATIONS)
    def test_no_such_folder(self, registry: Simulator, destination: str) -> None:
        message = said(copy(*PLAIN, registry.name(), destination.format("/proc/nowhere")))
        assert "/proc/nowhere" in message

    def test_a_folder_that_holds_something_else(self, registry: Simulator, tmp_path: Path) -> None:
        mine = tmp_path / "mine"
        mine.mkdir()
        (mine / "thesis").write_text("years")
        message = said(copy(*PLAIN, registry.name(), f"dir:{mine}"))
        assert message == (
            f"initializing destination dir:{mine}: "
            f'"{mine}" is not a containers image directory, don\'t want to overwrite important data'
        )
        assert registry.requests == ()
        for transport in ("docker-archive", "oci-archive"):
            assert "is a directory" in said(copy(*PLAIN, registry.name(), f"{transport}:{mine}"))
        assert tree(tmp_path) == {"mine/thesis": b"years"}

    def test_files_in_the_way(self, registry: Simulator, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_text("years")
        assert "docker-archive doesn't support modifying existing images" in said(
            copy(*PLAIN, registry.name(), f"docker-archive:{path}")
        )
        for destination in (f"dir:{path}", f"oci:{path}", f"dir:{path}/below", f"oci-archive:{path}/below"):
            assert str(path) in said(copy(*PLAIN, registry.name(), destination))
        assert tree(tmp_path) == {"file": b"years"}

    @pytest.mark.parametrize("destination", DESTINATIONS)
    def test_a_read_only_file_system(self, registry: Simulator, tmp_path: Path, destination: str) -> None:
        """Also root must not write there; a bind mount makes sure of it."""
        with mounted(tmp_path, "--bind", str(tmp_path)):
            remount = subprocess.run(
                ["mount", "-o", "remount,bind,ro", str(tmp_path)], capture_output=True, check=False
            )
            assert remount.returncode == 0, remount.stderr
            message = said(copy(*PLAIN, registry.name(), destination.format(tmp_path), env={"TMPDIR": "/tmp"}))
        assert "read-only file system" in message.lower()
        assert tree(tmp_path) == {}

    @pytest.mark.parametrize("destination", DESTINATIONS)
    def test_a_full_disk(self, registry: Simulator, tmp_path: Path, destination: str) -> None:
        with mounted(tmp_path, "-t", "tmpfs", "-o", "size=256k", "tmpfs"):
            message = said(copy(*PLAIN, registry.name(), destination.format(tmp_path)))
            nothing_left(tmp_path)
        assert "no space left on device" in message.lower()
        assert str(tmp_path) in message

    @pytest.mark.parametrize("destination", DESTINATIONS)
    def test_a_file_that_may_not_grow(self, registry: Simulator, tmp_path: Path, destination: str) -> None:
        """As a full disk, but it needs no root."""
        done = subprocess.run(
            [*PYSKOPEO, "copy", *PLAIN, registry.name(), destination.format(tmp_path)],
            env=environment({"PYTHONDONTWRITEBYTECODE": "1"}), capture_output=True, timeout=30, check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
        )  # fmt: skip
        message = said(Done(done.returncode, done.stdout, done.stderr.decode()))
        assert "file too large" in message.lower()
        nothing_left(tmp_path)

    @pytest.mark.parametrize("transport", ["docker-archive", "oci-archive"])
    def test_a_device_that_is_full(self, registry: Simulator, tmp_path: Path, transport: str) -> None:
        words = (*PLAIN, "--tmpdir", str(tmp_path), registry.name(), f"{transport}:/dev/full")
        message = said(copy(*words))
        assert "no space left on device" in message.lower()
        assert "/dev/full" in message
        assert tree(tmp_path) == {}

    def test_no_temporary_folder(self, registry: Simulator, tmp_path: Path) -> None:
        words = (*PLAIN, f"--tmpdir={tmp_path}/nowhere", registry.name(), f"docker-archive:{tmp_path}/new.tar")
        assert f"{tmp_path}/nowhere" in said(copy(*words))
        assert tree(tmp_path) == {}


class mounted:
    """A mount on ``folder`` for the block; without the right to mount, the test is skipped."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder, self.words = folder, words

    def __enter__(self) -> None:
        if sys.platform != "linux" or os.geteuid() != 0:
            unavailable("needs root, to mount a file system")
        done = subprocess.run(["mount", *self.words, str(self.folder)], capture_output=True, text=True, check=False)
        if done.returncode:
            unavailable(f"cannot mount a file system here: {done.stderr.strip()}")

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)
