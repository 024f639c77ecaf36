"""What is fuzzed: each parser of foreign text takes any bytes, or refuses them with one of pyskopeo's errors.

A target raises for anything else: another exception, a message of several lines, a promise of the parser that is broken.
"""

from __future__ import annotations

import functools
import os
import socket
import tempfile
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import cast

from pyskopeo.config import registries_toml
from pyskopeo.config.policy import Policy
from pyskopeo.credentials.authfile import AuthFile
from pyskopeo.credentials.bazel_helper import parse_output
from pyskopeo.credentials.helper_program import Output
from pyskopeo.errors import InvalidContent, NotFound, PyskopeoError
from pyskopeo.filesystem.contents import Attributes, ContentDirectory
from pyskopeo.filesystem.entry import Kind
from pyskopeo.filesystem.layer_sink import EntryTotal, LayerSink
from pyskopeo.filesystem.overlay import View
from pyskopeo.filesystem.tree_writer import TreeWriter
from pyskopeo.gocompat.template import GoTime, Struct, render
from pyskopeo.http.connect import Connector, UnixSocket, no_proxy
from pyskopeo.http.connection import Connection
from pyskopeo.http.connection_pool import ConnectionPool, ResponseReader
from pyskopeo.http.error_mapping import ErrorMapping
from pyskopeo.http.headers import Headers
from pyskopeo.http.messages import Request, Response, Route
from pyskopeo.http.origin import Origin, resolve_url
from pyskopeo.model import mediatype
from pyskopeo.model.bundle import BundleContents, BundlePart, bundled_name, is_bundled_name
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.layout import LayoutIndex, read_entries
from pyskopeo.model.lock_file import LockFile
from pyskopeo.model.manifest import Manifest
from pyskopeo.model.manifest_conversion import image_to_docker, image_to_oci
from pyskopeo.model.reference import Reference
from pyskopeo.registry.challenge import Challenge, parse_challenges, parse_token, select_challenge, token_request
from pyskopeo.registry.content_range import blob_part
from pyskopeo.registry.link_header import find_next_page
from pyskopeo.signatures.verdict import Verdict
from pyskopeo.storage.tar import TarIndex
from tests.fuzz import plan_targets, signing_targets, simple_signature_targets
from tests.fuzz.signature_targets import judged, judged_bundle, parse_root

_LONGEST_MESSAGE = 3000
_TEMPLATE_VALUE = Struct(
    "T", {"A": "text", "L": ["x", "y"], "M": {"k": "v"}, "N": None, "C": GoTime(2020, 1, 1), "I": {"d": [1, None]}}
)


@contextmanager
def refusals() -> Iterator[None]:
    """Allow pyskopeo's errors, whose messages are one line."""
    try:
        yield
    except PyskopeoError as error:
        check_message(str(error))


def check_message(message: str) -> None:
    """Refuse a message that is empty, long, or has control characters, line ends or changes of direction in it."""
    assert message, "an error without a message"
    assert len(message) < _LONGEST_MESSAGE, f"a message of {len(message)} characters"
    # Of the Arabic signs of category Cf all are seen.
    categories = {unicodedata.category(character) for character in message if not "\u0600" <= character <= "\u08ff"}
    assert not categories & {"Cc", "Cs", "Cf", "Zl", "Zp"}, ascii(message)


def text(data: bytes) -> str:
    """Return the bytes as text, as files are read."""
    return data.decode("utf-8", "replace")


def bundle(data: bytes) -> None:
    """Contents of a bundle that are read are written and read again as the same; its names are full ones."""
    with refusals():
        found = BundleContents.parse(data, "b")
        raw = found.to_bytes()
        assert BundleContents.parse(raw, "b").to_bytes() == raw
        for entry in found.entries:
            assert is_bundled_name(bundled_name(entry))
            assert entry.digest in found.blobs
        found.index()
    with refusals():
        part = BundlePart.parse(data, "b.part001")
        assert BundlePart.parse(part.to_bytes(), "b.part001") == part


def lock_file(data: bytes) -> None:
    """A lock that is read is written and read again as the same one; its names are no paths that lead elsewhere."""
    with refusals():
        found = LockFile.parse(data, "images.lock")
        raw = found.to_bytes()
        assert LockFile.parse(raw, "images.lock").to_bytes() == raw
        for name, image in found.images.items():
            assert not name.startswith(("/", "-", "."))
            assert ".." not in name.split("/")
            assert found.root(image).digest == image.digest


def manifest(data: bytes) -> None:
    """A manifest of any type has the digest of its bytes, and is converted or refused."""
    with refusals():
        found = Manifest.parse(data)
        assert found.raw == data
        assert found.is_schema1 or found.digest == Digest.of(data)
        for descriptor in (*found.manifests, *found.layers):
            assert Digest.parse(str(descriptor.digest)) == descriptor.digest
        if found.media_type == mediatype.OCI_MANIFEST:
            image_to_docker(found)
        elif found.media_type == mediatype.DOCKER_MANIFEST:
            image_to_oci(found, b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}')


def layout_index(data: bytes) -> None:
    """The ``index.json`` of a layout; its images are found by name, by position or alone; its faults are all found."""
    entries, errors = read_entries(data, "index.json")
    for error in errors:
        check_message(str(error))
    with refusals():
        try:
            index = LayoutIndex.parse(data)
        except InvalidContent:
            assert errors
            raise
        assert [descriptor for _, descriptor in entries] == list(index.descriptors)
        for name in ("", "@0", "latest"):
            with refusals():
                index.find(name, "x")


def reference(data: bytes) -> None:
    """The name of an image is safe in an address, and written it is the same."""
    with refusals():
        found = Reference.parse(text(data))
        assert Reference.parse(str(found)) == found
        assert not set(found.repository) & set(" :@\n?#%")
        assert ".." not in found.repository.split("/")


def challenge(data: bytes) -> None:
    """``WWW-Authenticate``: a token server is asked with a request that can be sent."""
    found = parse_challenges(data.decode("latin-1").splitlines())
    chosen = select_challenge(found, None)
    if chosen is not None:
        with refusals():
            # As its callers do, which refuse a realm that is not a URL.
            realm = resolve_url("https://registry.example/v2/", chosen.realm)
            origin = Origin.of(realm)
            request = token_request(Challenge("bearer", {**chosen.parameters, "realm": realm}), "repository:a:pull", None)
            assert request.method == "GET"
            assert Origin.of(request.url) == origin


def token(data: bytes) -> None:
    """The answer of a token server: a token that can be sent in a header."""
    with refusals():
        found = parse_token(data, "x")
        assert found.value.isascii()
        assert found.value.isprintable()
        assert 60 <= found.life <= 1e9


def auth_file(data: bytes) -> None:
    """``auth.json`` and ``.dockercfg``: no error repeats a part of them."""
    for parse in (AuthFile.parse, AuthFile.legacy):
        with refusals():
            found = parse(text(data), "x")
            for host, repository in (("example.com", "a/b"), ("docker.io", "")):
                with refusals():
                    found.lookup(host, repository)


def bazel_helper(data: bytes) -> None:
    """The output of a credential helper: headers that can be sent, none of which controls the message."""
    with refusals():
        for name, value in parse_output(Output("x", 0, data, b"")).headers.items():
            assert (name + value).isascii()
            assert (name + value).isprintable()
            assert name.lower() not in ("host", "content-length", "transfer-encoding", "connection")


@functools.cache
def _file() -> Path:
    handle, path = tempfile.mkstemp()
    os.close(handle)
    return Path(path)


def tar(data: bytes) -> None:
    """A tar archive: members lie inside it, and links between them end."""
    path = _file()
    path.write_bytes(data)
    with refusals():
        index = TarIndex.read(path)
        for name in ("manifest.json", "index.json", "a"):
            try:
                member = index.find(name)
            except NotFound:
                continue
            assert 0 <= member.offset
            assert 0 <= member.size
            assert member.offset + member.size <= len(data)


def layer(data: bytes) -> None:
    """A layer: what is extracted are the files of its view, at their paths, and nothing beside them changes."""
    with tempfile.TemporaryDirectory() as folder, refusals():
        for name in ("root", "outside", "contents"):
            os.mkdir(f"{folder}/{name}")
        kept = ContentDirectory(Path(folder, "contents"), attributes=Attributes())
        sink = LayerSink(1, "layer 1", EntryTotal(), lambda _: True, kept)
        fd = os.open(f"{folder}/root", os.O_RDONLY)
        try:
            sink.write(memoryview(data))
            sink.finish()
            nodes = list(View.of([sink.layer]).walk())
            wanted = [(path, node) for path, node in nodes if node.entry is None or node.entry.kind is not Kind.HARDLINK]
            writer = TreeWriter(fd, kept, Attributes())
            writer.write(wanted)
            made = {path.encode("utf-8", "surrogateescape") for path, _ in wanted} - set(map(os.fsencode, writer.left_out))
            for path in made:
                assert not {b"", b".", b".."} & set(path.split(b"/"))
                assert os.path.lexists(os.path.join(os.fsencode(folder), b"root", path))
        finally:
            os.chmod(f"{folder}/root", 0o700)
            os.close(fd)
            sink.close()
            kept.close()
            assert sorted(os.listdir(folder)) == ["contents", "outside", "root"]
            assert os.listdir(f"{folder}/outside") == []


def registries_conf(data: bytes) -> None:
    """``registries.conf``."""
    with refusals():
        registries_toml.parse(text(data), "x")


def policy(data: bytes) -> None:
    """``policy.json``."""
    with refusals():
        Policy.parse(data, "x")


def template(data: bytes) -> None:
    """A Go template of ``--format``."""
    with refusals():
        render(text(data), _TEMPLATE_VALUE)


def media_type(data: bytes) -> None:
    """A media type of a layer: the conversions between both families undo each other."""
    kind = mediatype.essence(data.decode("latin-1"))
    docker, oci = mediatype.layer_to_docker(kind), mediatype.layer_to_oci(kind)
    assert docker is None or mediatype.layer_to_oci(docker) == oci
    assert oci is None or mediatype.layer_to_docker(oci) == docker
    for name in ("gzip", "zstd", ""):
        changed = mediatype.with_compression(kind, name)
        assert changed is None or mediatype.compression(changed) == name


def content_range(data: bytes) -> None:
    """``Content-Range`` and ``Content-Length`` of a part of a blob: what is taken lies inside the blob."""
    described = Descriptor("application/x", Digest.of(b""), 100)
    head, _, length = data.partition(b"\n")
    headers = [(b"content-range", head), (b"content-length", length)]
    for status, offset in ((206, 10), (200, 0)):
        with refusals():
            part = blob_part(Response(status, Headers(headers)), described, offset)
            assert part.start == offset
            assert part.end is None or offset <= part.end <= described.size


def link(data: bytes) -> None:
    """``Link`` headers: an address that can be requested, or nothing."""
    with refusals():
        page = find_next_page(data.decode("latin-1").splitlines(), "https://registry.example/v2/a/tags/list")
        assert not page.url or Origin.of(page.url).scheme in ("http", "https")
        if page.problem:
            check_message(page.problem)


def sigstore_signature(data: bytes) -> None:
    """A signature of sigstore, as in a directory: it is accepted, or refused for a reason."""
    with refusals():
        if not data.startswith(b"\x00"):
            data = b"\x00sigstore-json\n" + data
        check_verdicts(judged(data))


def sigstore_bundle(data: bytes) -> None:
    """A bundle of sigstore: it is accepted, or refused for a reason."""
    check_verdicts(judged_bundle(data))


def check_verdicts(verdicts: Sequence[Verdict]) -> None:
    """Refuse a verdict that is accepted with a reason, or refused without one."""
    for verdict in verdicts:
        assert verdict.accepted == (not verdict.reason)
        for said in filter(None, (verdict.reason, verdict.signer)):
            check_message(said)


def trusted_root(data: bytes) -> None:
    """A trusted root of sigstore."""
    with refusals():
        parse_root(data)


class _Scripted:
    """A connector whose one connection has received ``data`` already, and is closed then."""

    proxy = staticmethod(no_proxy)
    target = UnixSocket("")
    stall_timeout = response_timeout = 5.0
    errors = ErrorMapping()

    def __init__(self, data: bytes) -> None:
        near, self._far = socket.socketpair()
        self._far.sendall(data)
        self._far.shutdown(socket.SHUT_WR)
        self._connection = Connection(near)

    def open(self, origin: Origin, *, reach: object = None) -> Connection:
        return self._connection

    def close(self) -> None:
        self._far.close()
        self._connection.sock.close()


def response(data: bytes) -> None:
    """The head of an HTTP response, and its body to the end."""
    connector = _Scripted(data[:100_000])
    pool = ConnectionPool(cast("Connector", connector))
    request = Request("GET", Route(Origin.of("http://registry.example")), "/v2/", [("Host", "registry.example")])
    with closing(pool), closing(connector), refusals():
        exchange = pool.send(request)
        assert not exchange.head.interim
        if exchange.content is None:
            buffer = memoryview(bytearray(4096))
            with closing(ResponseReader(pool, request.route, exchange)) as reader:
                while reader.readinto(buffer):
                    pass


def signed_message(data: bytes) -> None:
    """A simple signature."""
    with refusals():
        simple_signature_targets.signed_message(data)


def simple_payload(data: bytes) -> None:
    """What a simple signature says."""
    with refusals():
        simple_signature_targets.payload(data)


def openpgp_keys(data: bytes) -> None:
    """A keyring."""
    with refusals():
        simple_signature_targets.openpgp_keys(data)


def identity_token(data: bytes) -> None:
    """An identity token for signing."""
    with refusals():
        signing_targets.identity_token(data)


def log_entry(data: bytes) -> None:
    """An answer of Rekor."""
    with refusals():
        signing_targets.log_entry(data)


def signing_key(data: bytes) -> None:
    """An encrypted private key of sigstore."""
    with refusals():
        signing_targets.private_key(data)


def signing_parameters(data: bytes) -> None:
    """Parameters for signatures of sigstore."""
    with refusals():
        signing_targets.parameters(data)


def plan(data: bytes) -> None:
    """The plan of a sync: it is written and read again as the same one."""
    with refusals():
        plan_targets.read_plan(data)


def report(data: bytes) -> None:
    """The report of a sync: it is written and read again as the same one."""
    with refusals():
        plan_targets.read_report(data)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "auth-file": auth_file,
    "bazel-helper": bazel_helper,
    "bundle": bundle,
    "challenge": challenge,
    "content-range": content_range,
    "identity-token": identity_token,
    "layer": layer,
    "layout-index": layout_index,
    "link": link,
    "lock-file": lock_file,
    "log-entry": log_entry,
    "manifest": manifest,
    "media-type": media_type,
    "openpgp-keys": openpgp_keys,
    "plan": plan,
    "policy": policy,
    "reference": reference,
    "registries-conf": registries_conf,
    "report": report,
    "response": response,
    "signed-message": signed_message,
    "simple-payload": simple_payload,
    "sigstore-bundle": sigstore_bundle,
    "signing-key": signing_key,
    "signing-parameters": signing_parameters,
    "sigstore-signature": sigstore_signature,
    "tar": tar,
    "template": template,
    "token": token,
    "trusted-root": trusted_root,
}
