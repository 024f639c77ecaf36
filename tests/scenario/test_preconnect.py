"""Connections that a command opens while it is still being loaded: which, when none, and that none is left over."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import pytest

import pyskopeo.cli.main
import pyskopeo.http.preconnection
from pyskopeo.http.connect import Connector
from pyskopeo.http.connection import Connection
from pyskopeo.http.origin import Origin
from pyskopeo.http.preconnection import Preconnection
from tests.support.cli import Done, pyskopeo_here, succeed
from tests.support.delay import DelayProxy
from tests.support.images import build
from tests.support.listening import listening
from tests.support.outputs import write_dir
from tests.support.policies import BY_PATH, REJECT, policy
from tests.support.processes import free_port, wait_until
from tests.support.simulator import BasicGate, BearerGate, Simulator
from tests.support.tls import Authority
from tests.support.token_server import TokenServer

pytestmark = pytest.mark.usefixtures("no_machine_policy")

IMAGE = build("oci")
DIGEST = IMAGE.root.digest
HTTP = "--tls-verify=false"
SOURCE, TARGET = "--src-tls-verify=false", "--dest-tls-verify=false"
ONCE = "--retry-times=0"


class Noted(Preconnection):
    """Notes what was opened in advance, and what became of it."""

    begun: list[Noted]

    def __init__(self, connector: Connector, origin: Origin, *, delay: float = 0.0) -> None:
        self.used: list[object] = []
        self.begun.append(self)
        super().__init__(connector, origin, delay=delay)

    def take(self, patience: float | None = None) -> Connection | None:
        try:
            found = super().take(patience)
        except Exception as error:
            self.used.append(error)
            raise
        self.used += [found] if found else []
        return found


@pytest.fixture(autouse=True)
def begun(monkeypatch: pytest.MonkeyPatch) -> list[Noted]:
    """All connections that were opened in advance. No server is so slow that further ones are opened to it."""
    monkeypatch.setattr(Noted, "begun", [], raising=False)
    monkeypatch.setattr(pyskopeo.http.preconnection, "Preconnection", Noted)
    monkeypatch.setattr(pyskopeo.http.preconnection, "_AT_ONCE", 30.0)
    return Noted.begun


@pytest.fixture
def distant(secure: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[DelayProxy]:
    """The registry ``secure``, so far away that further connections are opened to it."""
    monkeypatch.setattr(pyskopeo.http.preconnection, "_AT_ONCE", 0.005)
    monkeypatch.setattr(pyskopeo.http.preconnection, "_UNUSED_SECONDS", 60.0)  # also on a slow machine
    with DelayProxy("127.0.0.1", secure.port, 0.1) as proxy:
        yield proxy
        assert wait_until(lambda: not secure.open_connections, 15)


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with Simulator(IMAGE) as running:
        yield running
        assert wait_until(lambda: not running.open_connections, 15)


@pytest.fixture(scope="module")
def secure(authority: Authority) -> Iterator[Simulator]:
    with Simulator(IMAGE, tls=authority.server("secure"), gate=BasicGate({"user": "pass"})) as running:
        running.add(build("oci-index"), "test/image", "index")
        yield running


@pytest.fixture
def trusted(authority: Authority, tmp_path: Path) -> str:
    """The flag for a directory in which the authority is all there is."""
    folder = tmp_path / "trusted"
    folder.mkdir()
    (folder / "ca.crt").write_bytes(authority.path.read_bytes())
    return f"--cert-dir={folder}"


def origins(begun: list[Noted]) -> list[str]:
    return [str(one.origin) for one in begun]


def both(host: str) -> list[str]:
    """The origins that a registry may have where plain http is allowed."""
    return [f"https://{host}", f"http://{host}"]


def is_over(begun: list[Noted]) -> bool:
    """Whether no thread that connects is left, and nothing that it has opened."""
    return all(one._ended.is_set() and one._result is None for one in begun)


COMMANDS = [
    ("inspect", "--raw", HTTP, "{image}"),
    ("inspect", HTTP, "{image}", "{image}"),
    ("list-tags", HTTP, "{repository}"),
    ("delete", HTTP, "{image}"),
    ("tree", HTTP, "{image}"),
    ("copy", "-q", SOURCE, "{image}", "dir:{tmp}/new"),
    ("copy", "-q", SOURCE, TARGET, "{image}", "{target}"),
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_as_many_connections_as_ever(
    words: tuple[str, ...], begun: list[Noted], registry: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first connections of each side are those that were opened in advance, for https and for plain http."""

    def run(number: int) -> tuple[bytes, list[str], int]:
        before, connections = len(registry.log), registry.connections_seen
        out = tmp_path / str(number)
        out.mkdir()
        with Simulator() as target:
            names = {
                "image": registry.name(), "repository": registry.name().rpartition(":")[0], "target": target.name(),
                "tmp": out,
            }  # fmt: skip
            done = succeed(pyskopeo_here(*(word.format(**names) for word in words)))
            logged = sorted(re.sub("uploads/.+", "uploads/ID", line) for line in (*registry.log[before:], *target.log))
            seen = registry.connections_seen - connections + target.connections_seen
        registry.add(IMAGE, "test/image", "latest")
        return done.stdout, logged, seen

    found = run(1)
    early = 2 * (words.count(TARGET) + 1)
    assert len(begun) == early
    assert all(one.used for one in begun)
    assert is_over(begun)
    monkeypatch.setattr(pyskopeo.cli.main, "preconnected", lambda visits: nullcontext())
    again = run(2)
    assert again[:2] == found[:2]
    if words[0] in ("list-tags", "delete") or "--raw" in words:  # others send several requests at once
        assert again[2] == found[2]
    assert len(begun) == early


def test_over_tls_it_is_the_connection_that_is_used(secure: Simulator, trusted: str, begun: list[Noted]) -> None:
    """Although the server has sent tickets since, which make it readable."""
    before = secure.connections_seen
    succeed(pyskopeo_here("inspect", "--raw", trusted, "--creds=user:pass", secure.name()))
    assert secure.connections_seen == before + 1
    assert [len(one.used) for one in begun] == [1]
    assert is_over(begun)


def test_where_the_registry_uses_tls_the_other_connection_is_closed(secure: Simulator, begun: list[Noted]) -> None:
    """At once, not at the end of the command."""
    host = secure.host
    succeed(pyskopeo_here("inspect", "--raw", HTTP, "--creds=user:pass", f"docker://{host}/test/image"))
    assert origins(begun) == both(host)
    assert [len(one.used) for one in begun] == [1, 0]
    assert wait_until(lambda: is_over(begun), 15)


COPY = ("copy", "-q", "--src-creds=user:pass", SOURCE)


def test_connections_for_the_blobs_of_a_distant_registry(begun: list[Noted], distant: DelayProxy, tmp_path: Path) -> None:
    """They are opened while the manifest is awaited; those that are not used are closed."""
    succeed(pyskopeo_here(*COPY, f"docker://{distant.host}/test/image", f"oci:{tmp_path}/new:x"))
    assert origins(begun) == [*both(distant.host), *[f"https://{distant.host}"] * 8]
    assert 1 <= sum(bool(one.used) for one in begun[2:]) <= len(IMAGE.blobs)
    assert wait_until(lambda: is_over(begun), 15)


def test_no_more_connections_than_blobs_are_copied_in_parallel(
    begun: list[Noted], distant: DelayProxy, tmp_path: Path
) -> None:
    name = f"docker://{distant.host}/test/image"
    succeed(pyskopeo_here(*COPY, "--image-parallel-copies=3", name, f"oci:{tmp_path}/new:x"))
    assert len(begun) == 2 + 2


def test_connections_for_blobs_are_used_after_a_token_was_requested(
    begun: list[Noted], distant: DelayProxy, secure: Simulator, trusted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From another server, between the first request and the others."""
    with TokenServer(tmp_path / "tokens") as tokens:
        monkeypatch.setattr(secure, "gate", BearerGate(tokens.realm, tokens.accepts))
        succeed(pyskopeo_here(*COPY, f"docker://{distant.host}/test/image", f"oci:{tmp_path}/new:x"))
    further = begun[2:]
    assert len(further) == 8
    assert any(one.used for one in further)


def test_no_further_connections_to_a_registry_that_is_near(begun: list[Noted], secure: Simulator, tmp_path: Path) -> None:
    succeed(pyskopeo_here(*COPY, secure.name(), f"oci:{tmp_path}/new:x"))
    assert len(begun) == 2


@pytest.mark.parametrize(
    "words",
    [
        ("--dry-run", "{image}", "oci:{tmp}/new:x"),
        ("--image-parallel-copies=1", "{image}", "oci:{tmp}/new:x"),
        ("--multi-arch=index-only", "{index}", "oci:{tmp}/new:x"),
        ("--layers=none", "{image}", "oci:{tmp}/new:x"),
        ("{image}", "oci:{tmp}:x"),
        ("{image}", "{target}"),
        ("--store={tmp}/store", "{image}", "oci:{tmp}/new:x"),
    ],
    ids=" ".join,
)
def test_no_further_connections_where_blobs_may_not_be_read(
    words: tuple[str, ...], begun: list[Noted], distant: DelayProxy, registry: Simulator, tmp_path: Path
) -> None:
    image, target = f"docker://{distant.host}/test/image", registry.name("other")
    found = [word.format(image=image, index=f"{image}:index", target=target, tmp=tmp_path) for word in words]
    before = [word for word in found if word.startswith("--store")]
    succeed(pyskopeo_here(*before, *COPY, TARGET, *[word for word in found if word not in before]))
    assert origins(begun)[:2] == both(distant.host)
    assert origins(begun)[2:] == (both(registry.host) if target in found else [])


def test_a_server_that_handles_one_connection_after_the_other(
    begun: list[Noted], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for a request on each: it gets the one for https first, and its first response says what it does."""
    monkeypatch.setattr(pyskopeo.http.preconnection, "_AT_ONCE", 0.0)
    monkeypatch.setattr(pyskopeo.http.preconnection, "_UNUSED_SECONDS", 1000.0)
    served: list[bytes | str] = []

    def serve(connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as received:
            first = received.peek(1)
            if first[:1] != b"G":  # TLS, or closed without a request
                served.append(first[:1])
                return
            path = received.readline().split()[1].decode()
            while received.readline().strip():
                pass
            served.append(path.rpartition("/")[2])
            is_root = "/manifests/" in path
            content = IMAGE.root.raw if is_root else IMAGE.blobs[path.rpartition("/")[2]]
            kind = IMAGE.root.media_type if is_root else "application/octet-stream"
            head = f"HTTP/1.0 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n"
            connection.sendall(head.encode() + content)

    with listening(serve) as port:
        name = f"docker://127.0.0.1:{port}/test/image"
        succeed(pyskopeo_here("copy", ONCE, "--response-timeout=30s", "-q", "--src-no-creds", SOURCE, name, f"oci:{tmp_path}/new:x"))
        assert wait_until(lambda: is_over(begun), 15)
    assert served[:2] == [b"\x16", "latest"]
    assert set(IMAGE.blobs) <= set(served)


def test_connections_for_blobs_are_closed_if_there_is_no_image(
    begun: list[Noted], distant: DelayProxy, tmp_path: Path
) -> None:
    done = pyskopeo_here(*COPY, f"docker://{distant.host}/test/none", f"oci:{tmp_path}/new:x")
    assert "name unknown (status 404)" in done.stderr
    assert len(begun) == 10
    assert wait_until(lambda: is_over(begun), 15)


def test_through_a_proxy_it_goes_through_the_proxy(
    secure: Simulator, begun: list[Noted], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []

    def refuse(connection: socket.socket) -> None:
        with connection:
            asked.append(connection.recv(1000).split(b"\r\n")[0])
            connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    before = secure.connections_seen
    with listening(refuse) as port:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("no_proxy", "")
        done = pyskopeo_here("inspect", ONCE, secure.name().replace("127.0.0.1", "registry.test"))
    assert "403" in done.stderr
    assert asked == [f"CONNECT registry.test:{secure.port} HTTP/1.1".encode()]
    assert len(begun) == 1
    assert secure.connections_seen == before


@pytest.mark.parametrize("variable", ["https_proxy", "http_proxy"])
def test_nothing_is_connected_to_directly_that_one_scheme_has_a_proxy_for(
    variable: str, secure: Simulator, begun: list[Noted], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("no_proxy", "")
    name = secure.name().replace("127.0.0.1", "registry.test")
    assert pyskopeo_here("inspect", ONCE, HTTP, name).code == 1
    assert origins(begun) == [f"https://registry.test:{secure.port}"]


def conf(tmp_path: Path, text: str) -> str:
    path = tmp_path / "registries.conf"
    path.write_text(text)
    return f"--registries-conf={path}"


def rule(tmp_path: Path, requirement: object, host: str) -> str:
    return f"--policy={policy(tmp_path / 'p.json', docker={host: requirement})}"


class TestNone:
    """Where anything is uncertain or forbidden, no connection is opened before the command itself does that."""

    @pytest.mark.parametrize(
        "words",
        [
            ("inspect", "--no-such-flag", "{image}"),
            ("inspect", "--raw", "--format=x", "{image}"),
            ("copy", "{image}", "nonsense:x"),
            ("copy", "{image}"),
            ("--offline", "inspect", HTTP, "{image}"),
            ("--offline", "copy", SOURCE, "{image}", "dir:{tmp}/new"),
            ("copy", "--help", "{image}", "dir:{tmp}/new"),
            ("--policy={tmp}/none", "copy", SOURCE, "{image}", "dir:{tmp}/new"),
            ("--registries-conf={tmp}/none", "inspect", HTTP, "{image}"),
        ],
        ids=" ".join,
    )  # fmt: skip
    def test_for_a_command_that_is_refused(
        self, words: tuple[str, ...], begun: list[Noted], registry: Simulator, tmp_path: Path
    ) -> None:
        done = pyskopeo_here(*(word.format(image=registry.name(), tmp=tmp_path) for word in words))
        assert done.code != 0 or "--help" in words
        assert begun == []
        assert registry.connections_seen == 0

    @pytest.mark.parametrize("words", [("inspect", HTTP, "{}"), ("copy", SOURCE, "{}", "dir:{}/new"), ("list-tags", HTTP, "{}")])
    def test_for_a_blocked_registry(
        self, words: tuple[str, ...], begun: list[Noted], registry: Simulator, tmp_path: Path
    ) -> None:
        flag = conf(tmp_path, f'[[registry]]\nlocation = "{registry.host}"\nblocked = true\n')
        name = f"docker://{registry.host}/test/image"
        assert "is blocked in" in pyskopeo_here(flag, *(word.format(name) for word in words)).stderr
        assert begun == []
        assert registry.connections_seen == 0

    def test_for_a_source_whose_destination_is_blocked(
        self, begun: list[Noted], registry: Simulator, tmp_path: Path
    ) -> None:
        flag = conf(tmp_path, '[[registry]]\nlocation = "registry.test"\nblocked = true\n')
        done = pyskopeo_here(flag, "copy", SOURCE, registry.name(), "docker://registry.test/x")
        assert "is blocked in" in done.stderr
        assert begun == []

    @pytest.mark.parametrize("local", [False, True])
    def test_for_an_image_that_the_policy_rejects(
        self, local: bool, begun: list[Noted], registry: Simulator, tmp_path: Path
    ) -> None:
        flag = f"--policy={policy(tmp_path / 'p.json', docker={registry.host: REJECT}, dir={'': REJECT})}"
        source = f"dir:{write_dir(IMAGE, tmp_path / 'image')}" if local else registry.name()
        done = pyskopeo_here(flag, "copy", SOURCE, TARGET, source, registry.name("other"))
        assert "is rejected by policy" in done.stderr
        assert begun == []

    def test_through_a_proxy_that_httpx_handles(
        self, begun: list[Noted], registry: Simulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("all_proxy", f"socks5://127.0.0.1:{free_port()}")
        monkeypatch.setenv("no_proxy", "")
        done = pyskopeo_here("inspect", ONCE, HTTP, registry.name().replace("127.0.0.1", "registry.test"))
        assert done.code == 1
        assert begun == []

    def test_for_what_may_be_here_by_its_digest(self, begun: list[Noted], registry: Simulator, tmp_path: Path) -> None:
        name = f"docker://{registry.host}/test/image@{DIGEST}"
        copying = ("copy", "-q", SOURCE, name, f"oci:{tmp_path}/layout:x")
        succeed(pyskopeo_here(*copying))
        assert origins(begun) == both(registry.host)
        inspecting = (f"--store={tmp_path}/store", "inspect", "--raw", HTTP, name)
        succeed(pyskopeo_here(*inspecting))
        seen = registry.connections_seen
        succeed(pyskopeo_here(*copying))
        succeed(pyskopeo_here(*inspecting))
        assert len(begun) == 2
        assert registry.connections_seen == seen

    def test_between_files(self, begun: list[Noted], tmp_path: Path) -> None:
        source = write_dir(IMAGE, tmp_path / "image")
        succeed(pyskopeo_here("copy", "-q", f"dir:{source}", f"oci:{tmp_path}/layout:x"))
        assert begun == []


def test_an_image_that_has_to_be_signed_is_asked_for(begun: list[Noted], registry: Simulator, tmp_path: Path) -> None:
    """The manifest is read first, and then its signatures."""
    flag = rule(tmp_path, [BY_PATH], registry.host)
    assert pyskopeo_here(flag, "copy", SOURCE, registry.name(), f"dir:{tmp_path}/new").code == 1
    assert origins(begun) == both(registry.host)
    assert is_over(begun)


def test_a_mirror_is_asked_in_place_of_the_registry(begun: list[Noted], registry: Simulator, tmp_path: Path) -> None:
    with Simulator() as origin:
        flag = conf(
            tmp_path,
            f'[[registry]]\nlocation = "{origin.host}"\n[[registry.mirror]]\nlocation = "{registry.host}"\ninsecure = true\n',
        )
        succeed(pyskopeo_here(flag, "inspect", "--raw", f"docker://{origin.host}/test/image"))
        assert origins(begun) == both(registry.host)
        assert origin.connections_seen == 0
    assert all(one.used for one in begun)


def test_the_events_of_the_configuration_are_told_once(registry: Simulator, tmp_path: Path) -> None:
    flag = conf(tmp_path, "")
    done = succeed(pyskopeo_here("--debug", flag, "copy", "-q", SOURCE, registry.name(), f"dir:{tmp_path}/new"))
    assert done.stderr.count("registries are configured in") == 1
    assert done.stderr.count("the policy is in") == 1


def test_a_warning_about_certificates_is_told_once(secure: Simulator, authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(authority.path.read_bytes())
    (tmp_path / "broken.crt").write_text("no certificate")
    done = succeed(pyskopeo_here("inspect", f"--cert-dir={tmp_path}", "--creds=user:pass", secure.name()))
    assert done.stderr.count(f"certificate file {tmp_path}/broken.crt is not used") == 1


def plain(done: Done) -> tuple[int, bytes, str]:
    # Of a server that wants a certificate either the alert or the end of the connection is seen first.
    same = re.sub("the connection was closed before an answer came.*?certificate", "CERTIFICATE", done.stderr)
    same = re.sub("tlsv13 alert certificate required", "CERTIFICATE", same)
    return done.code, done.stdout, re.sub('time="[^"]*"', "", same)


@pytest.fixture
def trouble(request: pytest.FixtureRequest, authority: Authority, tmp_path: Path) -> Iterator[str]:
    """The address of a server that cannot be used."""

    def banner(connection: socket.socket) -> None:
        with connection:
            connection.sendall(b"SSH-2.0-server\r\n")

    match request.param:
        case "refused":
            yield f"127.0.0.1:{free_port()}"
        case "no such host":
            yield "registry.invalid"
        case "another protocol":
            with listening(banner) as port:
                yield f"127.0.0.1:{port}"
        case "no TLS":
            with Simulator(IMAGE) as running:
                yield running.host
        case "not trusted":
            with Simulator(IMAGE, tls=authority.server("stranger")) as running:
                yield running.host
        case "wants a certificate":
            tls = authority.server("strict", client_authority=authority.path)
            with Simulator(IMAGE, tls=tls) as running:
                yield running.host


@pytest.mark.parametrize(
    "trouble",
    ["refused", "no such host", "another protocol", "no TLS", "not trusted", "wants a certificate"],
    indirect=True,
)
@pytest.mark.parametrize("flags", [(), (HTTP,), ("trusting",)], ids=["", "insecure", "trusting"])
def test_the_error_is_the_same(
    trouble: str, flags: tuple[str, ...], begun: list[Noted], trusted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("inspect", "--raw", ONCE, *(flag.replace("trusting", trusted) for flag in flags), f"docker://{trouble}/test/image")
    early = plain(pyskopeo_here(*words))
    assert origins(begun) == both(trouble)[: 2 if HTTP in flags else 1]
    assert wait_until(lambda: is_over(begun), 15)
    monkeypatch.setattr(pyskopeo.cli.main, "preconnected", lambda visits: nullcontext())
    begun.clear()
    assert plain(pyskopeo_here(*words)) == early
    assert begun == []


def test_a_client_certificate_that_cannot_be_used(begun: list[Noted], tmp_path: Path) -> None:
    (tmp_path / "x.cert").write_text("")
    (tmp_path / "x.key").write_text("")
    done = pyskopeo_here("inspect", f"--cert-dir={tmp_path}", f"docker://127.0.0.1:{free_port()}/x")
    assert f"cannot use certificate {tmp_path}/x.cert" in done.stderr
    assert len(begun) == 1


def test_a_command_that_ends_first_waits_for_nothing_and_leaves_nothing(begun: list[Noted], tmp_path: Path) -> None:
    """A server that accepts and says nothing holds up a handshake."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    def has_written() -> bool:
        try:
            end = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody reads it yet
            return False
        os.write(end, b"no archive" * 1000)
        os.close(end)
        return True

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)

        def accept() -> bool:
            """Have the command fail once it is connected; whether the connection was closed then."""
            connection, _ = server.accept()
            with connection:
                assert wait_until(has_written, 15)
                connection.settimeout(30)
                while connection.recv(4096):
                    pass
            return True

        with ThreadPoolExecutor(1) as pool:
            closed = pool.submit(accept)
            name = f"docker://127.0.0.1:{server.getsockname()[1]}/x"
            done = pyskopeo_here("copy", f"docker-archive:{fifo}", name)
            assert closed.result(30)
    assert done.code == 1
    assert wait_until(lambda: is_over(begun), 15)
    assert [one.used for one in begun] == [[]]


def test_a_time_limit_ends_the_wait_for_it(begun: list[Noted]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        name = f"docker://127.0.0.1:{server.getsockname()[1]}/x"
        done = pyskopeo_here("--command-timeout=300ms", "inspect", name)
        assert "not finished after 0.3 s" in done.stderr
        assert wait_until(lambda: is_over(begun), 15)
    assert len(begun) == 1
