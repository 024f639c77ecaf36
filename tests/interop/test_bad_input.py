"""Whatever is wrong, from a mistyped name to a full disk: one clear line, the right exit code, nothing left behind."""

from __future__ import annotations

import base64
import json
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.interop.refusals import DESTINATIONS, IMAGE, LAYER, PLAIN, QUICK, SECRET, copy, nothing_left, said
from tests.support.cli import pyskopeo_here
from tests.support.faults import (
    Redirect,
    Refuse,
    Stall,
)
from tests.support.images import build
from tests.support.simulator import BasicGate, BearerGate, Simulator
from tests.support.tls import Authority
from tests.support.token_server import TokenServer
from tests.support.trees import tree


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
            ("docker://a@md5:d41d8cd98f00b204e9800998ecf8427e", "unsupported digest algorithm"),
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
        assert said(pyskopeo_here("inspect", source)).startswith("Error parsing image name ")
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
        assert "server gave HTTP response to HTTPS client" in message
        assert "--src-tls-verify=false" in message
        assert "tls-verify=false" in said(pyskopeo_here("inspect", *QUICK, registry.name()))

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
        done = copy(*words)
        assert f"certificate file {tmp_path}/certs/ca.crt is not used: no PEM certificate in it" in done.stderr
        assert done.stderr.count("ca.crt") == 1
        assert said(done, warnings=1)
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
        path.chmod(0o600)
        done = copy(*PLAIN, f"--authfile={path}", registry.name(), f"dir:{tmp_path}/new")
        assert "401" in said(done)
        assert wrong not in done.stderr

    @pytest.mark.parametrize("content", ["{", "[]", '{"auths": {"HOST": {"auth": "%%%"}}}', '{"auths": 1}', None])
    def test_a_credentials_file_that_cannot_be_used(
        self, registry: Simulator, tmp_path: Path, content: str | None
    ) -> None:
        """It may hold credentials, without which a registry may show less: so it is not passed over, as by skopeo."""
        path = tmp_path / "auth.json"
        if content is not None:
            path.write_text(content.replace("HOST", registry.host))
            path.chmod(0o600)
        words = (*PLAIN, f"--authfile={path}", registry.name())
        assert copy(*words, f"dir:{tmp_path}/open").code == int(content is not None)
        registry.gate = BasicGate({"user": "right"})
        done = copy(*words, f"dir:{tmp_path}/new")
        said(done, warnings=int(content is None))
        assert str(path) in done.stderr
        assert not (tmp_path / "new").exists()

    HELPERS: Mapping[str, str] = {
        "fails": "echo 'the store is locked'; exit 3",
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
