"""What the real skopeo encrypts we decrypt, what we encrypt it decrypts, and what either refuses both refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Done, pyskopeo_here, succeed
from tests.support.commands import skopeo
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.keys import KINDS, private_pem, write_keys
from tests.support.outputs import write_dir, write_layout
from tests.support.peers import Registry
from tests.support.trees import tree

pytestmark = pytest.mark.peer("skopeo")
COMPRESSIONS: tuple[Any, ...] = ("gzip", "zstd", "gzip")
IMAGE = ImageSpec(layers=tuple(LayerSpec(f"layer {n}", compression=kind) for n, kind in enumerate(COMPRESSIONS)))


def theirs(*words: object) -> Done:
    return skopeo("--insecure-policy", "copy", "-q", *words)


def ours(*words: object) -> Done:
    return pyskopeo_here("copy", "-q", *words)


PROGRAMS = {"ours": ours, "skopeo": theirs}
BOTH_WAYS = pytest.mark.parametrize(("writer", "reader"), [("ours", "skopeo"), ("skopeo", "ours")])


@BOTH_WAYS
@pytest.mark.parametrize("kinds", [*[(kind,) for kind in KINDS], ("RSA", "P-256", "P-521")])
def test_each_recipient(writer: str, reader: str, kinds: tuple[str, ...], tmp_path: Path) -> None:
    source = write_layout(build(IMAGE), tmp_path / "source")
    keys = [write_keys(tmp_path, kind) for kind in kinds]
    flags = [f"--encryption-key=jwe:{public}" for public, _ in keys]
    succeed(PROGRAMS[writer](*flags, f"oci:{source}:latest", f"oci:{tmp_path}/secret:x"))
    for number, (_, private) in enumerate(keys):
        back = tmp_path / f"back{number}"
        succeed(PROGRAMS[reader](f"--decryption-key={private}", f"oci:{tmp_path}/secret:x", f"oci:{back}:latest"))
        assert tree(back / "blobs") == tree(source / "blobs")
    _, other = write_keys(tmp_path, "RSA", 1)
    for program in (theirs, ours):
        assert program(f"--decryption-key={other}", f"oci:{tmp_path}/secret:x", f"oci:{tmp_path}/no:x").code == 1


@BOTH_WAYS
@pytest.mark.parametrize("indexes", [("0",), ("-1",), ("0,-1",), ("1", "-1")])
def test_some_layers_through_a_registry(
    writer: str, reader: str, indexes: tuple[str, ...], registry: Registry, tmp_path: Path
) -> None:
    source = write_dir(build(IMAGE), tmp_path / "source")
    public, private = write_keys(tmp_path, "RSA")
    layers = [f"--encrypt-layer={index}" for index in indexes]
    secret = f"docker://{registry.host}/secret/{writer}:layers{'x'.join(indexes).replace(',', '_')}"
    key = f"--encryption-key=jwe:{public}"
    succeed(PROGRAMS[writer]("--dest-tls-verify=false", key, *layers, f"dir:{source}", secret))
    succeed(PROGRAMS[reader]("--src-tls-verify=false", secret, f"dir:{tmp_path}/secret"))
    document = json.loads((tmp_path / "secret/manifest.json").read_bytes())
    wanted = {int(index) % 3 for word in indexes for index in word.split(",")}
    assert {n for n, layer in enumerate(document["layers"]) if layer["mediaType"].endswith("+encrypted")} == wanted
    succeed(PROGRAMS[reader]("--src-tls-verify=false", f"--decryption-key={private}", secret, f"dir:{tmp_path}/back"))
    assert tree(tmp_path / "back") == tree(source)


@BOTH_WAYS
def test_docker_and_plain_layers(writer: str, reader: str, tmp_path: Path) -> None:
    spec = ImageSpec("docker", layers=(LayerSpec("a", base=True), LayerSpec("b", compression="none")))
    source = write_dir(build(spec), tmp_path / "source")
    public, private = write_keys(tmp_path, "P-384")
    succeed(PROGRAMS[writer](f"--encryption-key=jwe:{public}", f"dir:{source}", f"dir:{tmp_path}/secret"))
    succeed(PROGRAMS[reader](f"--decryption-key={private}", f"dir:{tmp_path}/secret", f"dir:{tmp_path}/back"))
    succeed(theirs("--format=oci", f"dir:{source}", f"dir:{tmp_path}/wanted"))
    assert tree(tmp_path / "back") == tree(tmp_path / "wanted")


def test_command_lines_that_both_refuse(tmp_path: Path) -> None:
    source = f"dir:{write_dir(build(IMAGE), tmp_path / 'source')}"
    public, private = write_keys(tmp_path, "RSA")
    (tmp_path / "locked.pem").write_bytes(private_pem("RSA", passphrase="opensesame", traditional=True))
    key = f"--encryption-key=jwe:{public}"
    for flags, said in (
        ((key, f"--decryption-key={private}"), "--encryption-key and --decryption-key cannot be specified together"),
        (("--encrypt-layer=0",), "--encrypt-layer can only be used with --encryption-key"),
        ((key, "--encrypt-layer=3"), "when choosing layers to encrypt, layer index 3 out of range (3 layers exist)"),
        ((key, "--encrypt-layer=-4"), "when choosing layers to encrypt, layer index -4 out of range (3 layers exist)"),
        ((key, "--format=v2s2"), "encryption required together with format"),
        ((f"--encryption-key={public}",), "Invalid encryption keys: Invalid recipient format"),
        ((f"--encryption-key=jwx:{public}",), "Invalid encryption keys: Provided protocol not recognized"),
        ((f"--encryption-key=jwe:{private}",), "File provided is not a public key"),
        ((f"--decryption-key={tmp_path}/locked.pem",), "Missing password for encrypted private key"),
        ((f"--decryption-key={tmp_path}/locked.pem:wrong",), "Wrong password: could not decrypt private key"),
        ((key, "--preserve-digests"), "digests"),
    ):
        for program in (theirs, ours):
            done = program(*flags, source, f"oci:{tmp_path}/out:x")
            assert (done.code, said in done.stderr) == (1, True), (program.__name__, flags, done.stderr)
            assert "wrong" not in done.stderr.partition("Wrong")[0]


@pytest.mark.parametrize("end", [":opensesame", ":pass=opensesame", ":file={}/secret"])
def test_passphrases_that_both_take(end: str, tmp_path: Path) -> None:
    source = write_layout(build(IMAGE), tmp_path / "source")
    public, _ = write_keys(tmp_path, "RSA")
    (tmp_path / "locked.pem").write_bytes(private_pem("RSA", passphrase="opensesame", traditional=True))
    (tmp_path / "secret").write_text("opensesame")
    succeed(ours(f"--encryption-key=jwe:{public}", f"oci:{source}:latest", f"oci:{tmp_path}/new:x"))
    for name, program in PROGRAMS.items():
        key = f"--decryption-key={tmp_path}/locked.pem{end.format(tmp_path)}"
        succeed(program(key, f"oci:{tmp_path}/new:x", f"oci:{tmp_path}/{name}:latest"))
        assert tree(tmp_path / name / "blobs") == tree(source / "blobs")
