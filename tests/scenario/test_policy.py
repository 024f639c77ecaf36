"""What may be used, and how it may be reached: ``--policy`` and its kin, ``--tls-details``, ``--debug``."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import pyskopeo
from pyskopeo.access import Access
from pyskopeo.config.policy import Policy
from pyskopeo.errors import InvalidInput, PolicyRejected
from pyskopeo.http.origin import shown
from tests.support import faults as f
from tests.support.access import access_for
from tests.support.commands import Done, pyskopeo_here
from tests.support.fake_daemon import FakeDaemon
from tests.support.images import BuiltImage, BuiltManifest, ImageSpec, LayerSpec, build, digest_of
from tests.support.outputs import write_dir, write_layout, write_layout_archive
from tests.support.policies import ACCEPT, BY_PATH, REJECT
from tests.support.pulling import AMD64
from tests.support.simulator import BasicGate, BearerGate, Simulator
from tests.support.tls import Authority, ServerCertificate
from tests.support.token_server import TokenServer
from tests.support.trees import tree

IMAGE = build("docker")
INDEX = build("oci-index")
REJECTED = re.compile(r"Source image rejected: Running image (\S+) is rejected by policy\. \(The rule: (.+)\)")


def policy(path: Path, default: object = ACCEPT, **transports: object) -> Path:
    """A policy file; the transports' names have ``_`` for ``-``."""
    scopes = {name.replace("_", "-"): said for name, said in transports.items()}
    path.write_text(json.dumps({"default": default, "transports": scopes}))
    return path


def fatal(done: Done, code: int = 1) -> str:
    """The one line of a command that failed."""
    assert done.code == code, done.stderr
    assert done.stdout == b""
    (line,) = [line for line in done.lines if " level=fatal " in line]
    assert line == done.lines[-1]
    message: str = json.loads(line.partition("msg=")[2])
    assert "\n" not in message
    return message


def encrypted() -> BuiltImage:
    """An image whose last layer says that it can be read only with a key."""
    image = build("oci")
    root: Any = image.root.json
    root["layers"][-1]["mediaType"] += "+encrypted"
    raw = json.dumps(root).encode()
    new = BuiltManifest(digest_of(raw), image.root.media_type, raw)
    return BuiltImage(new, {new.digest: new}, image.blobs, image.tars)


def blobs_asked(registry: Simulator) -> list[str]:
    return [line for line in registry.log if "/blobs/" in line]


@pytest.mark.parametrize("flags", [(), ("--format=v2s2",), ("--dry-run",)])
@pytest.mark.parametrize("place", ["docker-archive:{}/new.tar:a:b", "docker-daemon:a:b"])
def test_encrypted_layers_are_refused_before_a_blob_is_read(
    place: str, flags: tuple[str, ...], tmp_path: Path
) -> None:
    name = place.format(tmp_path)
    with Simulator(encrypted()) as registry, FakeDaemon() as daemon:
        flags = (*flags, "--src-tls-verify=false", f"--dest-daemon-host={daemon.host}")
        said = fatal(pyskopeo_here("copy", *flags, registry.name(), name))
        assert said.startswith(f"{name} holds layers decompressed, and this image has encrypted layers (")
        assert blobs_asked(registry) == []
        assert daemon.images == {}
    assert not (tmp_path / "new.tar").exists()


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with Simulator(IMAGE) as running:
        yield running


@pytest.fixture(autouse=True)
def no_machine_policy(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the machine says is not asked: everything is accepted."""
    path = policy(tmp_path_factory.mktemp("machine") / "policy.json")
    monkeypatch.setenv("CONTAINERS_POLICY_JSON", str(path))
    conf = path.with_name("registries.conf")
    conf.write_text("")
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(conf))
    return path


class TestPolicy:
    """Refusals come after the image is known to be there, and before a byte of a blob is asked for."""

    @pytest.mark.parametrize("destination", ["oci:{}/new:x", "dir:{}/new", "docker-archive:{}/new.tar:a:b", "registry"])
    @pytest.mark.parametrize("format_", ["", "oci", "v2s2"])
    def test_nothing_is_read_or_written(
        self, destination: str, format_: str, registry: Simulator, tmp_path: Path
    ) -> None:
        document = policy(tmp_path / "p.json", docker={registry.host: REJECT})
        out = tmp_path / "out"
        out.mkdir()
        with Simulator() as target:
            name = target.name() if destination == "registry" else destination.format(out)
            flags = [f"--format={format_}"] if format_ else []
            done = pyskopeo_here(
                f"--policy={document}", "copy", "--src-tls-verify=false", "--dest-tls-verify=false", *flags,
                registry.name(), name,
            )  # fmt: skip
            found = REJECTED.fullmatch(fatal(done))
            assert found
            assert found.groups() == (registry.name(), f'transports.docker["{registry.host}"] in {document}')
            assert not [line for line in target.log if not line.startswith(("GET", "HEAD"))]
        assert blobs_asked(registry) == []
        assert tree(out) == {}

    @pytest.mark.parametrize("flags", [(), ("--all",), ("--override-arch=s390x",), ("--dry-run",)])
    def test_of_a_list_nothing_but_manifests_is_read(self, flags: tuple[str, ...], tmp_path: Path) -> None:
        with Simulator(INDEX) as registry:
            document = policy(tmp_path / "p.json", REJECT)
            done = pyskopeo_here(
                f"--policy={document}", "copy", "--src-tls-verify=false", *flags, registry.name(), f"oci:{tmp_path}/o"
            )
            assert REJECTED.fullmatch(fatal(done))
            assert blobs_asked(registry) == []
            if flags == ("--all",):  # like skopeo: the list is refused, so its images are not even looked at
                assert len([line for line in registry.log if "/manifests/" in line]) == 1
        assert not (tmp_path / "o").exists()

    def test_a_missing_image_comes_first(self, registry: Simulator, tmp_path: Path) -> None:
        document = policy(tmp_path / "p.json", REJECT)
        name = registry.name(tag="absent")
        done = pyskopeo_here(f"--policy={document}", "copy", "--src-tls-verify=false", name, f"dir:{tmp_path}/o")
        assert fatal(done, 2).startswith(f"initializing source {name}: reading manifest absent in ")

    def test_a_damaged_policy_comes_before_all(self, registry: Simulator, tmp_path: Path) -> None:
        (tmp_path / "p.json").write_text('{"default": []}')
        name = registry.name(tag="absent")
        for words in (("copy", name, f"dir:{tmp_path}/o"), ("copy", "--dry-run", name, f"dir:{tmp_path}/o")):
            done = pyskopeo_here(f"--policy={tmp_path}/p.json", *words, "--src-tls-verify=false")
            assert fatal(done).startswith(f'Error loading trust policy: invalid policy in "{tmp_path}/p.json": ')
        assert registry.log == []

    def test_a_signature_that_cannot_be_verified(self, registry: Simulator, tmp_path: Path) -> None:
        document = policy(tmp_path / "p.json", docker={"": [BY_PATH]})
        flags = ("copy", "--src-tls-verify=false", registry.name(), f"dir:{tmp_path}/o")
        said = fatal(pyskopeo_here(f"--policy={document}", *flags))
        assert said.startswith(f"Source image rejected: A signature was required for image {registry.name()} (signedBy")
        assert "--policy" in said
        assert not (tmp_path / "o").exists()

    def test_all_transports(self, registry: Simulator, tmp_path: Path) -> None:
        folder = tmp_path.resolve() / "in"
        folder.mkdir()
        write_dir(IMAGE, folder / "dir")
        write_layout(build("oci"), folder / "oci", tag="v1")
        write_layout_archive(build("oci"), folder / "oci.tar")
        (folder / "layer.tar").write_bytes(IMAGE.tars[IMAGE.layer_digests()[0]])
        assert pyskopeo_here("copy", f"dir:{folder}/dir", f"docker-archive:{folder}/docker.tar:a/b:c").code == 0
        sources = {
            f"dir:{folder}/dir": f"{folder}/dir", f"oci:{folder}/oci:v1": f"{folder}", f"oci-archive:{folder}/oci.tar": "",
            f"docker-archive:{folder}/docker.tar": "", f"tarball:{folder}/layer.tar": "",
            registry.name(): f"{registry.host}/test/image",
        }  # fmt: skip
        for name, scope in sources.items():
            transport = name.partition(":")[0]
            for default, said, refused in ((ACCEPT, REJECT, True), (REJECT, ACCEPT, False)):
                document = tmp_path / "p.json"
                document.write_text(json.dumps({"default": default, "transports": {transport: {scope: said}}}))
                out = tmp_path / "out"
                done = pyskopeo_here(
                    f"--policy={document}", "copy", "--quiet", "--src-tls-verify=false", name, f"oci:{out}:{transport}{refused}"
                )
                assert done.code == refused, done.stderr
                assert not refused or f"Running image {name} is rejected" in fatal(done)

    @pytest.mark.parametrize("words", [("inspect",), ("inspect", "--raw"), ("inspect", "--config"), ("list-tags",), ("delete",)])
    def test_only_copies_are_judged(self, words: tuple[str, ...], registry: Simulator, tmp_path: Path) -> None:
        document = policy(tmp_path / "p.json", REJECT)
        name = registry.name().removesuffix(":latest") if words == ("list-tags",) else registry.name()
        done = pyskopeo_here(f"--policy={document}", *words, "--tls-verify=false", name)
        assert done.code == 0, done.stderr

    def test_who_decides(
        self, registry: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: Path
    ) -> None:
        """``--policy``, then the variable, then the user's own; ``--insecure-policy`` asks none of them."""

        def copy(*flags: str) -> Done:
            words = ("copy", "--quiet", "--src-tls-verify=false", registry.name(), f"dir:{tmp_path}/o")
            return pyskopeo_here(*flags, *words)

        rejecting = policy(tmp_path / "reject.json", REJECT)
        accepting = policy(tmp_path / "accept.json")
        assert copy().code == 0
        monkeypatch.setenv("CONTAINERS_POLICY_JSON", str(rejecting))
        assert REJECTED.fullmatch(fatal(copy()))
        assert copy(f"--policy={accepting}").code == 0
        assert copy("--insecure-policy").code == 0
        assert copy(f"--policy={rejecting}", "--insecure-policy").code == 0
        monkeypatch.delenv("CONTAINERS_POLICY_JSON")
        own = clean_environment / ".config/containers/policy.json"
        own.parent.mkdir(parents=True, exist_ok=True)
        policy(own, REJECT)
        assert f"in {own})" in fatal(copy())
        monkeypatch.setenv("CONTAINERS_POLICY_JSON", str(tmp_path / "none.json"))
        assert fatal(copy()) == f"Error loading trust policy: open {tmp_path}/none.json: no such file or directory"

    def test_require_signed(self, registry: Simulator, tmp_path: Path) -> None:
        words = ("copy", "--src-tls-verify=false", registry.name(), f"dir:{tmp_path}/o")
        accepting = policy(tmp_path / "accept.json")
        said = fatal(pyskopeo_here("--require-signed", f"--policy={accepting}", *words))
        assert said.startswith(f"Source image rejected: No signature verification policy found for image {registry.name()}")
        assert blobs_asked(registry) == []
        said = fatal(pyskopeo_here("--require-signed", "--insecure-policy", *words))
        assert said == "--insecure-policy and --require-signed are mutually exclusive"

    def test_a_destination_is_not_judged(self, registry: Simulator, tmp_path: Path) -> None:
        document = policy(tmp_path / "p.json", dir={"": REJECT})
        done = pyskopeo_here(f"--policy={document}", "copy", "--src-tls-verify=false", registry.name(), f"dir:{tmp_path}/o")
        assert done.code == 0, done.stderr

    def test_the_name_that_counts_is_the_one_that_was_given(self, registry: Simulator, tmp_path: Path) -> None:
        """Wherever ``registries.conf`` has it fetched from."""
        conf = tmp_path / "r.conf"
        conf.write_text(f'[[registry]]\nprefix = "named.example"\nlocation = "{registry.host}"\ninsecure = true\n')
        for scope, refused in (("named.example", True), (registry.host, False)):
            document = policy(tmp_path / "p.json", docker={scope: REJECT})
            done = pyskopeo_here(
                f"--policy={document}", f"--registries-conf={conf}", "copy", "--quiet",
                "docker://named.example/test/image", f"dir:{tmp_path}/{refused}",
            )  # fmt: skip
            assert done.code == refused, done.stderr

    @pytest.mark.anyio
    async def test_the_library_asks_its_access(self, registry: Simulator, tmp_path: Path) -> None:
        asked: list[None] = []

        def rejecting() -> Policy:
            asked.append(None)
            return Policy.parse(json.dumps({"default": REJECT}).encode(), "mine")

        access = replace(access_for(tmp_path), policy=rejecting)
        with pytest.raises(PolicyRejected) as caught:
            await pyskopeo.copy(registry.name(), f"oci:{tmp_path}/o", selection=AMD64, source_access=access)
        assert (caught.value.scope, caught.value.where) == ("default", "mine")
        with pytest.raises(PolicyRejected):
            await pyskopeo.plan_copy(registry.name(), f"oci:{tmp_path}/o", selection=AMD64, source_access=access)
        assert asked
        unsigned = replace(access_for(tmp_path), policy=lambda: replace(Policy.accepting(), require_signed=True))
        with pytest.raises(PolicyRejected, match="no policy that demands a signature"):
            await pyskopeo.copy(registry.name(), f"oci:{tmp_path}/o", selection=AMD64, source_access=unsigned)

    def test_a_sync_is_judged_image_by_image(self, registry: Simulator, tmp_path: Path) -> None:
        registry.add(IMAGE, "test/other", "latest")
        document = policy(tmp_path / "p.json", docker={f"{registry.host}/test/image": REJECT})
        done = pyskopeo_here(
            f"--policy={document}", "sync", "--src=docker", "--dest=dir", "--src-tls-verify=false",
            f"{registry.host}/test/image", str(tmp_path),
        )  # fmt: skip
        assert done.code == 1
        assert "Source image rejected: Running image" in done.stderr
        assert "initializing source" not in done.stderr
        assert blobs_asked(registry) == []


class _Old(ServerCertificate):
    """A server that knows nothing newer than TLS 1.2."""

    def server_context(self) -> ssl.SSLContext:
        context = super().server_context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        return context


class TestTlsDetails:
    """``--tls-details`` holds for every connection, verified or not."""

    @pytest.fixture
    def old(self, authority: Authority) -> Iterator[Simulator]:
        certificate = authority.server("old")
        with Simulator(IMAGE, tls=_Old(certificate.pair, certificate.authority)) as running:
            yield running

    @pytest.mark.parametrize("verify", ["--cert-dir={}", "--tls-verify=false"])
    @pytest.mark.parametrize(("least", "code"), [("1.2", 0), ("1.3", 1)])
    def test_the_least_version(
        self, least: str, code: int, verify: str, old: Simulator, authority: Authority, tmp_path: Path
    ) -> None:
        details = tmp_path / "tls.yaml"
        details.write_text(f'minVersion: "{least}"\n')
        (tmp_path / "certs").mkdir()
        (tmp_path / "certs/ca.crt").write_bytes(authority.path.read_bytes())
        flags = (verify.format(tmp_path / "certs"), "--retry-times=0")
        done = pyskopeo_here(f"--tls-details={details}", "inspect", *flags, old.name())
        assert done.code == code, done.stderr
        if code:
            said = fatal(done)
            assert said.startswith(f'Error parsing image name "{old.name()}": {old.host}: ')
            assert said.endswith(": TLS: tlsv1 alert protocol version")
            assert old.log == []

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("minVersion: '1.3'\nmaxVersion: '1.3'\n", 'unknown key "maxVersion"; want minVersion'),
            ("minVersion: '1.4'\n", 'unrecognized TLS minimum version "1.4"'),
            ("cipherSuites: [TLS_FOO]\n", 'unrecognized TLS cipher suite "TLS_FOO"'),
        ],
    )
    @pytest.mark.parametrize("words", [("copy", "{}", "dir:{}/o"), ("inspect", "{}"), ("list-tags", "{}"), ("delete", "{}")])
    def test_mistakes(self, words: tuple[str, ...], text: str, said: str, registry: Simulator, tmp_path: Path) -> None:
        details = tmp_path / "tls.yaml"
        details.write_text(text)
        name = registry.name().removesuffix(":latest") if words[0] == "list-tags" else registry.name()
        names = [word.format(name if word == "{}" else tmp_path) for word in words[1:]]
        assert fatal(pyskopeo_here(f"--tls-details={details}", words[0], *names)).startswith(f"{details}: {said}")
        assert registry.log == []

    def test_a_file_that_is_not_there(self, registry: Simulator, tmp_path: Path) -> None:
        done = pyskopeo_here(f"--tls-details={tmp_path}/none", "inspect", registry.name())
        assert fatal(done) == f"open {tmp_path}/none: no such file or directory"


class TestRegistriesD:
    """Not used before there are signatures, but what is wrong in it is said."""

    def test_mistakes_are_said(self, registry: Simulator, tmp_path: Path) -> None:
        folder = tmp_path / "d"
        folder.mkdir()
        words = (f"--registries.d={folder}", "inspect", "--tls-verify=false", registry.name())
        assert pyskopeo_here(*words).code == 0
        (folder / "a.yaml").write_text("docker:\n  a.example: {lookaside: 'https://sig.example'}\n")
        assert pyskopeo_here(*words).code == 0
        (folder / "b.yaml").write_text("docker: 5\n")
        assert str(folder / "b.yaml") in fatal(pyskopeo_here(*words))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://r.example/v2/a/manifests/b", "https://r.example/v2/a/manifests/b"),
        ("https://user:s3cr3t@r.example/v2/", "https://r.example/v2/"),
        ("https://s.example/b?X-Amz-Signature=s3cr3t&X-Amz-Date=1", "https://s.example/b?X-Amz-Signature=***&X-Amz-Date=***"),
        ("https://s.example/b?s3cr3t", "https://s.example/b?***"),
        ("https://s.example/b?=s3cr3t#s3cr3t", "https://s.example/b?=***"),
        ("https://t.example/t?service=r&scope=repository:a:pull&account=u", "https://t.example/t?service=r&scope=repository:a:pull&account=***"),
        ("https://r.example/v2/a/blobs/uploads/?mount=sha256:1&from=b", "https://r.example/v2/a/blobs/uploads/?mount=sha256:1&from=b"),
        ("https://[s3cr3t@x?s3cr3t", "'https://...@x'"),
    ],
)  # fmt: skip
def test_what_is_shown_of_a_url(url: str, expected: str) -> None:
    assert shown(url) == expected
    assert "s3cr3t" not in shown(url)


class TestDebug:
    """``--debug``: what is asked of whom, with whose credentials, by which files; and never a secret."""

    SECRETS = ("pa55w0rd", "dXNlcjpwYTU1dzByZA", "s1gnatur3", "t0k3n")

    def told(self, done: Done) -> list[str]:
        for secret in self.SECRETS:
            assert secret not in done.stderr
        lines = [line for line in done.lines if " level=debug " in line]
        return [json.loads(line.partition("msg=")[2]) for line in lines]

    def test_requests_credentials_and_files(self, tmp_path: Path, no_machine_policy: Path) -> None:
        gate = BasicGate({"user": "pa55w0rd"})
        layer = IMAGE.layer_digests()[0]
        with Simulator(IMAGE, gate=gate) as registry:
            registry.on_blob(layer, f.Redirect("/storage/{name}?X-Amz-Signature=s1gnatur3"))
            authfile = tmp_path / "auth.json"
            authfile.write_text(json.dumps({"auths": {registry.host: {"auth": "dXNlcjpwYTU1dzByZA=="}}}))
            words = ("copy", f"--src-authfile={authfile}", "--src-tls-verify=false", registry.name(), f"dir:{tmp_path}/o")
            told = self.told(pyskopeo_here("--debug", *words))
            requests = [re.sub(r" after \d+ ms$", "", line) for line in told if " after " in line]
            assert f"GET {registry.url}/v2/test/image/manifests/latest: 401" in requests
            assert f"GET {registry.url}/v2/test/image/manifests/latest: 200" in requests
            assert f"GET {registry.url}/storage/{layer}?X-Amz-Signature=***: 200" in requests
            assert f"GET https://{registry.host}/v2/: no answer" in requests
            assert len(requests) - 1 == len(registry.log)
            assert f"credentials for {registry.host}: user user ({authfile})" in told
            assert f"the policy is in {no_machine_policy}" in told
            assert f"registries are configured in {no_machine_policy.with_name('registries.conf')}" in told
            # And without it, nothing.
            assert self.told(pyskopeo_here(*words)) == []
            assert self.told(pyskopeo_here("--debug=false", *words)) == []

    @pytest.mark.parametrize("progress", ["plain", "json", "none"])
    def test_with_any_progress(self, progress: str, registry: Simulator, tmp_path: Path) -> None:
        words = ("copy", f"--progress={progress}", "--src-tls-verify=false", registry.name(), f"dir:{tmp_path}/o")
        loud, quiet = pyskopeo_here("--debug", *words), pyskopeo_here(*words)
        assert (loud.code, quiet.code) == (0, 0)
        if progress == "json":
            events = [json.loads(line)["event"] for line in loud.lines]
            assert {"Requested", "Explained"} <= set(events)
            assert not {"Requested", "Explained"} & {json.loads(line)["event"] for line in quiet.lines}
        else:
            assert self.told(loud)
            assert self.told(quiet) == []

    def test_no_secret(self, tmp_path: Path, token_server: TokenServer) -> None:
        gate = BearerGate(f"{token_server.realm}?state=s1gnatur3", lambda token, scope: False)
        with Simulator(IMAGE, gate=gate) as registry:
            name = registry.name()
            for flags in (
                ("--creds=user:pa55w0rd",), ("--registry-token=t0k3n",), ("--username=user", "--password=pa55w0rd"),
            ):  # fmt: skip
                done = pyskopeo_here("--debug", "inspect", "--tls-verify=false", "--retry-times=0", *flags, name)
                assert done.code == 1
                told = self.told(done)
                assert any(" after " in line for line in told)
                assert not [line for line in told if re.search("[?&](account|state)=(?![*])", line)]

    def test_other_commands(self, registry: Simulator, tmp_path: Path) -> None:
        repository = registry.name().removesuffix(":latest")
        for words in (("list-tags", repository), ("delete", registry.name())):
            told = self.told(pyskopeo_here("--debug", words[0], "--tls-verify=false", *words[1:]))
            assert any(f" {registry.url}/v2/test/image/" in line for line in told)
        with Simulator(IMAGE) as other:
            done = pyskopeo_here(
                "--debug", "sync", "--src=docker", "--dest=dir", "--src-tls-verify=false",
                f"{other.host}/test/image:latest", str(tmp_path),
            )  # fmt: skip
            assert any(f" {other.url}/v2/test/image/" in line for line in self.told(done))


@pytest.mark.anyio
async def test_a_layer_is_not_read_for_a_conversion_that_is_refused(tmp_path: Path) -> None:
    """Configurations are blobs, and those of many images at that."""
    image = build(ImageSpec(layers=(LayerSpec("x", size=300, compression="zstd"),)))
    with Simulator(image) as registry:
        access = replace(
            access_for(tmp_path), policy=lambda: Policy.parse(json.dumps({"default": REJECT}).encode(), "mine")
        )
        with pytest.raises(PolicyRejected):
            await pyskopeo.copy(
                registry.name(), f"dir:{tmp_path}/o", selection=AMD64, form=pyskopeo.Form(format="v2s2"), source_access=access
            )
        assert blobs_asked(registry) == []


def test_the_files_are_named_in_errors(tmp_path: Path) -> None:
    (tmp_path / "r.conf").write_text("[registries.search]\nregistries = ['a']\n")
    access = Access.from_environ({"HOME": str(tmp_path)}, registries_conf=tmp_path / "r.conf")
    with pytest.raises(InvalidInput, match=f"{tmp_path}/r.conf.*must be in v2 format"):
        access.registries()
