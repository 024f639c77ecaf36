"""policy.json beside the real skopeo: the same files are wrong, and the same images are refused.

`_ours` is the one place that asks our side; the rest compares verdicts.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import pytest

from pyskopeo.config import policy
from pyskopeo.config.policy_scopes import Subject, by_path, by_reference, unscoped
from pyskopeo.errors import InvalidInput, PolicyRejected, StorageFailed
from pyskopeo.model.reference import Reference
from tests.support.cli import pyskopeo_here, succeed
from tests.support.fake_daemon import FakeDaemon
from tests.support.images import build
from tests.support.outputs import write_dir, write_layout, write_layout_archive
from tests.support.peers import Registry
from tests.support.policies import ACCEPT, BY_PATH, CASES, REJECT, SIGSTORE, Case
from tests.support.require import require_peer

pytestmark = pytest.mark.peer("skopeo")
WRONG, REJECTED = "Error loading trust policy: ", "Source image rejected: "
IMAGE = build("docker")
OF_PATHS: tuple[Literal["dir", "oci", "oci-archive"], ...] = ("dir", "oci", "oci-archive")
WITHOUT_SCOPES: tuple[Literal["docker-archive", "tarball"], ...] = ("docker-archive", "tarball")


@dataclass(frozen=True)
class Source:
    """An image: its name, and what policies call it."""

    name: str
    subject: Subject
    flags: tuple[str, ...] = ()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One image in every form that lies in files."""
    folder = tmp_path_factory.mktemp("policy").resolve()
    directory = write_dir(IMAGE, folder / "up/dir")
    write_layout(build("oci"), folder / "up/oci", tag="v1")
    write_layout_archive(build("oci"), folder / "up/oci.tar")
    succeed(pyskopeo_here("copy", f"dir:{directory}", f"docker-archive:{folder}/up/docker.tar:127.0.0.1:5000/ns/repo:v1"))
    (folder / "up/link").symlink_to("dir")
    layer = IMAGE.blobs[IMAGE.layer_digests()[0]]
    (folder / "up/layer.tar").write_bytes(layer)
    return folder


def _theirs(document: Path, source: Source, out: Path) -> str:
    """What skopeo says of copying: its one error, or nothing."""
    command = [require_peer("skopeo"), "--policy", str(document), "copy", *source.flags, source.name, f"dir:{out}"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=30, env=os.environ, stdin=subprocess.DEVNULL)
    if done.returncode == 0:
        return ""
    assert done.returncode == 1
    message = json.loads(done.stderr.decode().splitlines()[-1].partition("msg=")[2])
    assert isinstance(message, str)
    return message


def _ours(document: Path, source: Source) -> str:
    """What we say of it; our command line and the policy itself say the same."""
    try:
        found = policy.load(os.environ, Path("/nowhere"), str(document))
        rule = found.judge(source.subject, source.name)
    except (InvalidInput, StorageFailed) as error:
        expected = str(error)
    except PolicyRejected as error:
        expected = f"{REJECTED}{error}"
    else:
        missing = "A signature was required, but no signature exists"
        expected = ""
        if rule.requirements:
            kind = f"{rule.requirements[0].type} for image {IMAGE.digest}"
            expected = f"{REJECTED}{missing} ({kind}, the rule: {rule})"
    with TemporaryDirectory() as folder:
        out = Path(folder, "out")
        done = pyskopeo_here("--policy", document, "copy", *source.flags, source.name, f"dir:{out}")
        assert (done.code == 0) == out.exists() == (not expected)
    said = "" if done.code == 0 else json.loads(done.lines[-1].partition("msg=")[2])
    assert said == expected
    return expected


def _kind(message: str) -> str:
    return next((kind for kind in (WRONG, REJECTED) if message.startswith(kind)), message)


def _alike(document: Path, source: Source, out: Path) -> str:
    """Both say the same; returns what that was."""
    theirs, ours = _theirs(document, source, out), _ours(document, source)
    if theirs:
        # skopeo ends a name within a layout by a colon even where there is no name.
        assert ours.startswith(theirs.replace(": is rejected", " is rejected"))
    assert _kind(ours) == _kind(theirs)
    return ours


class TestFiles:
    """The same files are refused, wherever the image is."""

    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
    def test_verdicts(self, case: Case, folder: Path, tmp_path: Path) -> None:
        source = Source(f"dir:{folder}/up/dir", by_path("dir", folder / "up/dir"))
        document = tmp_path / "policy.json"
        document.write_bytes(case.raw)
        theirs, ours = _theirs(document, source, tmp_path / "out"), _ours(document, source)
        if case.skopeo == "accepts":
            assert (_kind(theirs) != WRONG, _kind(ours)) == (True, WRONG)
        elif case.skopeo == "refuses":
            assert (_kind(theirs), _kind(ours) != WRONG) == (WRONG, True)
        elif case.skopeo == "words":
            assert _kind(theirs) == _kind(ours) == WRONG
        elif case.problem:
            # Ours goes on with the place; theirs with which of two mistakes it is.
            assert _kind(theirs) == WRONG
            assert ours.startswith(re.sub(r" in a JSON object$|, [^,]+ present$", "", theirs))
        else:
            _alike(document, source, tmp_path / "out2")

    def test_a_file_that_is_not_there(self, folder: Path, tmp_path: Path) -> None:
        source = Source(f"dir:{folder}/up/dir", by_path("dir", folder / "up/dir"))
        assert _alike(tmp_path / "none.json", source, tmp_path / "out") == (
            f"{WRONG}open {tmp_path}/none.json: no such file or directory"
        )
        assert _kind(_theirs(tmp_path, source, tmp_path / "out")) == _kind(_ours(tmp_path, source)) == WRONG


def _scopes(transport: str, scopes: Mapping[str, object], document: Path, default: object = ACCEPT) -> Path:
    document.write_text(json.dumps({"default": default, "transports": {transport: scopes}}))
    return document


@pytest.fixture(scope="module")
def pushed(registry: Registry) -> str:
    """A repository with the image."""
    assert registry.push(IMAGE, "policy/name/space", "v1.0") == IMAGE.digest
    return f"{registry.host}/policy/name/space"


class TestScopes:
    """The same scopes cover an image, and the same one of several counts."""

    @pytest.fixture
    def document(self, tmp_path: Path) -> Path:
        return tmp_path / "policy.json"

    @pytest.mark.parametrize(
        ("transport", "name", "scope", "covers"),
        [
            *(("dir", "dir", scope, True) for scope in ("", "{}/up/dir", "{}/up", "{}")),
            *(("dir", "dir", scope, False) for scope in ("{}/u", "{}/up/di", "{}/up/dir/x", "{}/up/dirs", "{}/up/link")),
            ("dir", "link", "{}/up/dir", True),
            ("dir", "link", "{}/up/link", False),
            *(("oci", "oci:v1", scope, True) for scope in ("", "{}/up/oci", "{}/up")),
            *(("oci", "oci:v1", scope, False) for scope in ("{}/up/oci:v1", "{}/up/oci:", "{}/up/o")),
            ("oci", "oci", "{}/up/oci", True),
            *(("oci-archive", "oci.tar", scope, True) for scope in ("", "{}/up/oci.tar", "{}/up")),
            ("oci-archive", "oci.tar", "{}/up/oci", False),
            ("docker-archive", "docker.tar", "", True),
            ("tarball", "layer.tar", "", True),
        ],
    )
    def test_of_files(
        self, transport: str, name: str, scope: str, covers: bool, folder: Path, document: Path, tmp_path: Path
    ) -> None:
        path = (folder / "up" / name.partition(":")[0]).resolve()
        subjects: dict[str, Subject] = {kind: unscoped(kind) for kind in WITHOUT_SCOPES}
        subjects.update({kind: by_path(kind, path) for kind in OF_PATHS})
        source = Source(f"{transport}:{folder}/up/{name}", subjects[transport])
        found = scope.format(folder)
        said = _spoken(_scopes(transport, {found: REJECT}, document), source, tmp_path / "out")
        assert said == (REJECTED if covers else "")
        said = _spoken(_scopes(transport, {found: ACCEPT}, document, REJECT), source, tmp_path / "out2")
        assert said == ("" if covers else REJECTED)
        # A transport's scopes are its own.
        other = "docker" if transport != "docker" else "dir"
        assert _spoken(_scopes(other, {"": REJECT}, document), source, tmp_path / "out3") == ""

    @pytest.mark.parametrize("end", [":v1.0", "@{digest}"])
    @pytest.mark.parametrize(
        "scope",
        [
            "", "{host}/policy/name/space{end}", "{host}/policy/name/space:v1.0", "{host}/policy/name/space@{digest}",
            "{host}/policy/name/space:other", "{host}/policy/name/space", "{host}/policy/name", "{host}/policy", "{host}",
            "127.0.0.1", "*.0.0.1", "*.0.1", "*.1", "*", "*.127.0.0.1", "*.0.0.1:{port}", "*.0.0.1/policy", "{host}/",
            "{host}/policy/name/spac", "{host}/policy/name/space/v1.0", "policy/name/space", "docker.io",
            "//{host}/policy/name/space{end}", "{host}/policy/name/space:v1.0@{digest}",
        ],
    )  # fmt: skip
    def test_of_registries(
        self, scope: str, end: str, pushed: str, registry: Registry, document: Path, tmp_path: Path
    ) -> None:
        end = end.format(digest=IMAGE.digest)
        found = scope.format(host=registry.host, port=registry.port, end=end, digest=IMAGE.digest)
        source = _registry(pushed + end)
        _alike(_scopes("docker", {found: REJECT}, document), source, tmp_path / "out")
        _alike(_scopes("docker", {found: ACCEPT}, document, REJECT), source, tmp_path / "out2")

    @pytest.mark.parametrize("least", range(8))
    def test_the_most_specific_counts(self, least: int, pushed: str, document: Path, tmp_path: Path) -> None:
        host = pushed.partition("/")[0]
        order = [f"{pushed}:v1.0", pushed, f"{host}/policy/name", f"{host}/policy", host, "*.0.0.1", "*.0.1", "*.1", ""]
        scopes = dict.fromkeys(reversed(order[least + 1 :]), ACCEPT) | {order[least]: REJECT}
        assert _spoken(_scopes("docker", scopes, document), _registry(f"{pushed}:v1.0"), tmp_path / "out") == REJECTED
        scopes = dict.fromkeys(reversed(order[least + 1 :]), REJECT) | {order[least]: ACCEPT}
        assert _spoken(_scopes("docker", scopes, document), _registry(f"{pushed}:v1.0"), tmp_path / "out") == ""

    @pytest.fixture
    def daemon(self, folder: Path) -> Iterator[FakeDaemon]:
        with FakeDaemon() as running:
            archive = (folder / "up/docker.tar").read_bytes()
            running.images = dict.fromkeys(("127.0.0.1:5000/ns/repo:v1", IMAGE.config_digest()), archive)
            yield running

    @pytest.mark.parametrize("by_id", [False, True])
    @pytest.mark.parametrize(
        "scope", ["", "127.0.0.1:5000/ns/repo:v1", "127.0.0.1:5000/ns", "127.0.0.1:5000", "*.0.1", "127.0.0.1", "docker.io"]
    )
    def test_of_daemons(self, scope: str, by_id: bool, daemon: FakeDaemon, document: Path, tmp_path: Path) -> None:
        name = IMAGE.config_digest() if by_id else "127.0.0.1:5000/ns/repo:v1"
        subject = unscoped("docker-daemon") if by_id else by_reference("docker-daemon", Reference.parse(name))
        source = Source(f"docker-daemon:{name}", subject, (f"--src-daemon-host={daemon.host}",))
        said = _alike(_scopes("docker-daemon", {scope: REJECT}, document), source, tmp_path / "out")
        assert bool(said) == (scope == "" or (not by_id and scope not in ("127.0.0.1", "docker.io")))
        assert daemon.called("/images/get")


def _spoken(document: Path, source: Source, out: Path) -> str:
    return _kind(_alike(document, source, out))


def _registry(name: str) -> Source:
    return Source(f"docker://{name}", by_reference("docker", Reference.parse(name)), ("--src-tls-verify=false",))


@pytest.mark.parametrize(
    "requirements",
    [
        [*ACCEPT, *ACCEPT], [*ACCEPT, *REJECT], [*REJECT, *ACCEPT], [*REJECT, BY_PATH], [BY_PATH, *REJECT],
        [*ACCEPT, BY_PATH], [BY_PATH, *ACCEPT], [*ACCEPT, SIGSTORE | {"keyPath": "/k"}],
        [{"type": "signedBaseLayer", "baseLayerIdentity": {"type": "matchExact"}}, *ACCEPT],
    ],
)  # fmt: skip
def test_all_requirements_must_be_met(requirements: list[object], folder: Path, tmp_path: Path) -> None:
    document = tmp_path / "policy.json"
    document.write_text(json.dumps({"default": requirements}))
    source = Source(f"dir:{folder}/up/dir", by_path("dir", folder / "up/dir"))
    said = _alike(document, source, tmp_path / "out")
    assert (said == "") == (requirements == [*ACCEPT, *ACCEPT])
