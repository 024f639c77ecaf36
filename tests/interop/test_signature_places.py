"""Where signatures are, and what they forbid: both programs find what either has written, and refuse the same copies."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.interop.programs import PROGRAMS
from tests.interop.signing_stage import FolderServer, Stage, files
from tests.support.images import BuiltImage, build
from tests.support.outputs import write_dir
from tests.support.peers import Registry
from tests.support.sigstore_authority import PrivateKey, public_pem
from tests.support.sigstore_cases import KEY, OTHER
from tests.support.sigstore_signatures import Signed, payload_for

pytestmark = pytest.mark.peer("skopeo")
PAIRS = [*itertools.product(PROGRAMS, PROGRAMS)]
SIMPLE = b"\x90\x0d\x03\x00\x02\x08\x00\x00\x00\x00\x00\x00\x00\x00\x01\xcb\x02"
INDEX = build("oci-index")
CHILDREN = [INDEX.child(number) for number in range(len(INDEX.manifests) - 1)]
UNSIGNED = "Source image rejected: A signature was required, but no signature exists"


@pytest.fixture
def stages(registry: Registry, tmp_path: Path) -> Callable[[str], Stage]:
    """One stage for each program, with the same files."""
    namespace = f"places-{abs(hash(str(tmp_path)))}"
    return lambda program: Stage(registry, f"{registry.host}/{namespace}", tmp_path, PROGRAMS[program])


def signed(digest: str, name: str, key: PrivateKey = KEY) -> bytes:
    return Signed.by(key, payload_for(digest, name.removeprefix("docker://"))).signature.to_bytes()


def source(folder: Path, image: BuiltImage, **signatures: bytes) -> str:
    """``dir:`` with an image and signatures: ``root`` that of the root, ``childN`` those of the images in a list."""
    path = write_dir(image, folder / f"source{len(list(folder.iterdir()))}")
    for name, content in signatures.items():
        kind, _, number = name.partition("_")
        prefix = "" if kind == "root" else f"{CHILDREN[int(kind[5:])].digest[7:]}."
        (path / f"{prefix}signature-{number or 1}").write_bytes(content)
    return f"dir:{path}"


def wants(stage: Stage, **changes: object) -> Path:
    (stage.folder / "key.pub").write_bytes(public_pem(KEY))
    requirement: dict[str, Any] = {"type": "sigstoreSigned", "keyPath": str(stage.folder / "key.pub"), **changes}
    return stage.policy(docker={"": [requirement]})


@pytest.mark.parametrize(("writer", "reader"), PAIRS)
class TestPlaces:
    def test_attachments_of_both(self, writer: str, reader: str, stages: Callable[[str], Stage]) -> None:
        """One program adds to what the other has attached; both read all of it."""
        first, second = stages(writer), stages(reader)
        first.configure({first.prefix: {"use-sigstore-attachments": True}})
        name, image = first.name("app"), build("docker")
        mine, other = signed(image.digest, name), signed(image.digest, name, OTHER)
        first.copy(source(first.folder, image, root=other), name)
        second.copy(name, second.out("one"))
        assert (second.folder / "one/signature-1").read_bytes() == other
        assert "None of" not in second.refuse(name, second.out("no"), policy=wants(second))
        second.copy(source(first.folder, image, root=mine), name)
        second.copy(source(first.folder, image, root=mine), name)  # not twice
        for stage, out in ((first, "a"), (second, "b")):
            stage.copy(name, stage.out(out), policy=wants(stage))
            found = sorted((stage.folder / out).glob("signature-*"))
            assert [path.read_bytes() for path in found] == [other, mine]

    def test_a_lookaside_of_both(self, writer: str, reader: str, stages: Callable[[str], Stage]) -> None:
        """In files to write to, on a web server to read from; what is written replaces what was there."""
        first, second = stages(writer), stages(reader)
        with FolderServer(first.lookaside) as server:
            settings = {"lookaside": f"http://{server.host}", "lookaside-staging": f"file://{first.lookaside}"}
            first.configure({first.prefix: settings})
            name, image = first.name("app"), build("docker")
            first.copy(source(first.folder, image, root_1=SIMPLE + b"1", root_2=SIMPLE + b"2"), name)
            second.copy(name, second.out("one"))
            assert [path.read_bytes() for path in sorted((second.folder / "one").glob("signature-*"))] == [SIMPLE + b"1", SIMPLE + b"2"]
            second.copy(source(first.folder, image, root=SIMPLE + b"3"), name)
            assert files(first.lookaside) == [f"{name.split('/', 3)[3].rpartition(':')[0]}@sha256={image.digest[7:]}/signature-1"]
            first.copy(name, first.out("two"))
            assert (first.folder / "two/signature-1").read_bytes() == SIMPLE + b"3"

    def test_a_directory_of_both(self, writer: str, reader: str, stages: Callable[[str], Stage]) -> None:
        first, second = stages(writer), stages(reader)
        child, root = signed(CHILDREN[0].digest, "a/b:c"), signed(INDEX.digest, "a/b:c")
        start = source(first.folder, INDEX, root_1=root, root_2=SIMPLE, child0=child, child1=SIMPLE)
        first.copy("--all", start, first.out("one"))
        second.copy("--all", first.out("one"), second.out("two"))
        for out in ("one", "two"):
            assert files(first.folder / out) == files(Path(start[4:]))
            for path in (first.folder / out).glob("*signature*"):
                assert path.read_bytes() == (Path(start[4:]) / path.name).read_bytes()


@pytest.mark.parametrize("program", PROGRAMS)
class TestLists:
    """Which signatures of a list a policy asks for."""

    @pytest.fixture
    def stage(self, program: str, stages: Callable[[str], Stage]) -> Stage:
        stage = stages(program)
        stage.configure({stage.prefix: {"use-sigstore-attachments": True}})
        return stage

    def upload(self, stage: Stage, *names: str) -> str:
        """A list of which these are signed: ``root``, ``child0``..."""
        name = stage.name("list", f"t{len(list(stage.folder.iterdir()))}")
        digests = {"root": INDEX.digest} | {f"child{number}": child.digest for number, child in enumerate(CHILDREN)}
        signatures = {one: signed(digests[one], name) for one in names}
        stage.copy("--all", source(stage.folder, INDEX, **signatures), name)
        return name

    def test_one_image_of_it(self, stage: Stage) -> None:
        policy, flag = wants(stage), "--override-arch=amd64"
        assert UNSIGNED in stage.refuse(flag, self.upload(stage, "root", "child1"), stage.out("no"), policy=policy)
        stage.copy(flag, self.upload(stage, "child0"), stage.out("yes"), policy=policy)

    def test_all_of_it(self, stage: Stage) -> None:
        policy, children = wants(stage), [f"child{number}" for number in range(len(CHILDREN))]
        name = self.upload(stage, "root", *children[:-1])
        said = stage.refuse("--all", name, stage.out("no"), policy=policy)
        assert UNSIGNED in said
        stage.copy("--all", self.upload(stage, *children), stage.out("yes"), policy=policy)

    def test_the_list_alone(self, stage: Stage, program: str) -> None:
        """skopeo copies it unverified."""
        policy, flag = wants(stage), "--multi-arch=index-only"
        name = self.upload(stage)
        if program == "skopeo":
            stage.copy(flag, name, stage.out("unverified"), policy=policy)
        else:
            assert stage.refuse(flag, name, stage.out("no"), policy=policy).startswith(UNSIGNED)
        stage.copy(flag, self.upload(stage, "root"), stage.out("yes"), policy=policy)


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(("selection", "which"), [("--all", "root"), ("--override-arch=amd64", "child0"), ("--all", "child0")])
def test_what_would_invalidate_signatures(
    selection: str, which: str, program: str, stages: Callable[[str], Stage]
) -> None:
    """Of a signed image, skopeo ignores in silence that another format is asked for; ours says which flag helps."""
    stage, flags = stages(program), (selection, "--format=v2s2")
    start = source(stage.folder, INDEX, **{which: SIMPLE})
    if program == "skopeo" and which != "root":
        stage.copy(*flags, start, stage.out("another"))
    else:
        assert "Would invalidate signatures" in stage.refuse(*flags, start, stage.out())
    stage.copy(*flags, "--remove-signatures", start, stage.out("without"))
    assert not list((stage.folder / "without").glob("*signature*"))


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("to", ["oci:{}/o:x", "oci-archive:{}/o.tar:x", "docker-archive:{}/d.tar:docker.io/a/b:c"])
def test_where_there_is_no_place(to: str, program: str, stages: Callable[[str], Stage]) -> None:
    stage = stages(program)
    name = to.format(stage.folder)
    start = source(stage.folder, build("docker"), root=SIMPLE)
    reason = {"o": "Pushing signatures for OCI images is not supported", "d": "Storing signatures for docker tar files is not supported"}
    assert stage.refuse(start, name).startswith(f"Can not copy signatures to {name}: {reason[to[0]]}")


@pytest.mark.parametrize("program", PROGRAMS)
def test_signatures_that_are_no_file_of_any_format(program: str, stages: Callable[[str], Stage]) -> None:
    stage = stages(program)
    start = source(stage.folder, build("docker"), root=b"<html>")
    assert "reading signatures: " in stage.refuse(start, stage.out())


@pytest.mark.parametrize("program", PROGRAMS)
def test_attachments_are_not_written_unless_they_are_used(program: str, stages: Callable[[str], Stage]) -> None:
    stage = stages(program)
    name = stage.name("app")
    start = source(stage.folder, build("docker"), root=signed(build("docker").digest, name))
    assert "writing sigstore attachments is disabled by configuration" in stage.refuse(start, name)


def test_the_manifest_of_attachments_is_skopeos(stages: Callable[[str], Stage], registry: Registry) -> None:
    """Byte for byte, and so is its configuration."""
    image, found = build("docker"), {}
    for program in PROGRAMS:
        stage = stages(program)
        stage.configure({stage.prefix: {"use-sigstore-attachments": True}})
        stage.copy(source(stage.folder, image, root=signed(image.digest, "a.example/b:c")), stage.name(program))
        tag = f"sha256-{image.digest[7:]}.sig"
        raw = stage.run("inspect", "--raw", "--tls-verify=false", stage.name(program, tag))
        config = stage.run("inspect", "--raw", "--config", "--tls-verify=false", stage.name(program, tag))
        document = json.loads(raw)
        for layer in document["layers"]:
            layer["annotations"] = sorted(layer["annotations"])  # a signature of ECDSA is another one each time
        found[program] = (list(document), [list(layer) for layer in document["layers"]], list(json.loads(config)))
    assert found["skopeo"] == found["pyskopeo"]
