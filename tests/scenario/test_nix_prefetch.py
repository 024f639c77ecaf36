"""``nix-prefetch``: what it prints and adds to the Nix store, for which a script stands here (tests/interop has Nix)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from pyskopeo.model.digest import Digest
from pyskopeo.model.nix_hash import to_nix_base32, to_sri
from tests.support.cli import Done, fatal, succeed
from tests.support.commands import PYSKOPEO, environment, pyskopeo
from tests.support.faults import Drip
from tests.support.helper_programs import HelperPrograms
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.simulator import Simulator
from tests.support.trees import tree

LIST = build("docker-list")
# Keeps what it is given, and tells where; as nix-store does, which copies the file.
NIX_STORE = 'printf "%s\\n" "$@" > $OUT/called; cp "$3" $OUT/kept; echo /nix/store/hash-"${3##*/}"'


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with Simulator(LIST) as running:
        yield running


@pytest.fixture
def nix(tmp_path: Path) -> HelperPrograms:
    programs = HelperPrograms(tmp_path / "bin")
    programs.shell("nix-store", NIX_STORE)
    return programs


def prefetch(nix: HelperPrograms, *words: object, env: Mapping[str, str] | None = None) -> Done:
    return pyskopeo("nix-prefetch", "--tls-verify=false", *words, env={**nix.environ, **(env or {})})


def archive(registry: Simulator, folder: Path, name: str, *flags: str) -> bytes:
    """What `copy` makes of the image, called as pullImage calls it."""
    source = f"docker://{registry.host}/test/image@{LIST.digest}"
    path = folder / "pulled.tar"
    succeed(
        pyskopeo(
            "--insecure-policy", "--override-os", "linux", "--override-arch", "amd64", *flags, "copy",
            "--src-tls-verify=false", source, f"docker-archive://{path}:{name}",
        )
    )  # fmt: skip
    content = path.read_bytes()
    path.unlink()
    return content


def test_the_arguments_for_pull_image(registry: Simulator, nix: HelperPrograms, tmp_path: Path) -> None:
    name = f"{registry.host}/test/image"
    content = archive(registry, tmp_path, f"{name}:latest")
    done = succeed(prefetch(nix, name))
    sri = to_sri(Digest.of(content))
    assert done.stdout.decode() == (
        f'{{\n  imageName = "{name}";\n  imageDigest = "{LIST.digest}";\n  hash = "{sri}";\n'
        f'  finalImageName = "{name}";\n  finalImageTag = "latest";\n}}\n'
    )
    file = f"docker-image-{registry.host}-test-image-latest.tar".replace(":", "-")
    assert [line for line in done.lines if line.startswith("->")] == [
        f"-> ImageName: {name}",
        f"-> ImageDigest: {LIST.digest}",
        f"-> PlatformDigest: {LIST.child(0).digest}",
        f"-> FinalImageName: {name}",
        "-> FinalImageTag: latest",
        f"-> ImagePath: /nix/store/hash-{file}",
        f"-> ImageHash: {sri}",
    ]
    flag, algorithm, path = nix.said("called").splitlines()
    assert (flag, algorithm, Path(path).name) == ("--add-fixed", "sha256", file)
    assert (nix.folder / "kept").read_bytes() == content
    assert not Path(path).parent.exists()  # nothing is left in the temporary directory


def test_json_quiet_and_another_name(registry: Simulator, nix: HelperPrograms, tmp_path: Path) -> None:
    name = f"{registry.host}/test/image"
    content = archive(registry, tmp_path, "base:7", "--override-arch", "arm64")
    done = succeed(
        prefetch(nix, "--json", "--quiet", "--arch", "arm64", "--final-image-name=base", "--final-image-tag=7",
                 "--hash-format=base32", name, "latest")
    )  # fmt: skip
    assert done.stderr == ""
    assert json.loads(done.stdout) == {
        "imageName": name, "imageDigest": LIST.digest, "sha256": to_nix_base32(Digest.of(content)),
        "finalImageName": "base", "finalImageTag": "7",
    }  # fmt: skip
    assert done.stdout.decode().startswith('{\n  "imageName"')


def test_without_adding_it_nothing_is_kept_anywhere(registry: Simulator, nix: HelperPrograms, tmp_path: Path) -> None:
    name = f"{registry.host}/test/image"
    content = archive(registry, tmp_path, f"{name}:latest")
    (tmp_path / "tmp").mkdir()
    done = succeed(prefetch(nix, "--no-add", "--json", name, env={"TMPDIR": str(tmp_path / "tmp")}))
    assert json.loads(done.stdout)["hash"] == to_sri(Digest.of(content))
    assert nix.said("called") == ""
    assert "ImagePath" not in done.stderr
    assert tree(tmp_path / "tmp") == {}


def test_the_image_for_a_platform_can_be_pinned_itself(registry: Simulator, nix: HelperPrograms) -> None:
    """As pullImage cannot choose a variant."""
    name = f"{registry.host}/test/image"
    digests = {}
    for variant in ("v6", "v7"):
        done = succeed(prefetch(nix, "--no-add", "--json", "--arch", "arm", "--variant", variant, name))
        digests[variant] = json.loads(done.stdout)["imageDigest"]
        again = succeed(prefetch(nix, "--no-add", "--json", "--arch", "arm", f"{name}@{digests[variant]}"))
        assert json.loads(again.stdout)["hash"] == json.loads(done.stdout)["hash"]
    assert digests == {"v6": LIST.child(1).digest, "v7": LIST.child(2).digest}
    done = succeed(prefetch(nix, "--no-add", "--json", "--platform-digest", name))
    assert json.loads(done.stdout)["imageDigest"] == LIST.child(0).digest


def test_each_byte_is_requested_once(registry: Simulator, nix: HelperPrograms) -> None:
    succeed(prefetch(nix, f"{registry.host}/test/image"))
    blobs = [line for line in registry.log if "/blobs/" in line]
    assert len(blobs) == len(set(blobs)) == 3
    assert [line for line in registry.log if "/manifests/" in line] == [
        "GET /v2/test/image/manifests/latest", f"GET /v2/test/image/manifests/{LIST.child(0).digest}",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'error: opening lock file: Permission denied' >&2; exit 1", "nix-store: error: opening lock file"),
        ("exit 7", "nix-store: exit code 7"),
    ],
)
def test_a_store_that_refuses(
    registry: Simulator, nix: HelperPrograms, script: str, reason: str, tmp_path: Path
) -> None:
    nix.shell("nix-store", script)
    (tmp_path / "tmp").mkdir()
    done = prefetch(nix, f"{registry.host}/test/image", env={"TMPDIR": str(tmp_path / "tmp")})
    assert "adding to the Nix store" in fatal(done)
    assert reason in fatal(done)
    assert tree(tmp_path / "tmp") == {}


def test_an_interrupted_pull_leaves_nothing(nix: HelperPrograms, tmp_path: Path) -> None:
    image = build(ImageSpec("docker", layers=(LayerSpec("large", size=3_000_000),)))
    (tmp_path / "tmp").mkdir()
    command = [*PYSKOPEO, "nix-prefetch", "--tls-verify=false"]
    with Simulator(image) as registry:
        registry.on_blob(image.layer_digests()[0], Drip(10_000, 0.05))
        process = subprocess.Popen(
            [*command, f"{registry.host}/test/image"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment({**nix.environ, "TMPDIR": str(tmp_path / "tmp")}),
        )  # fmt: skip
        with process:
            while not any("/blobs/" in line for line in registry.log):
                assert process.poll() is None
            process.terminate()
            out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (143, b"")
    assert nix.said("called") == ""
    assert tree(tmp_path / "tmp") == {}


def test_an_image_that_is_not_there(registry: Simulator, nix: HelperPrograms) -> None:
    done = prefetch(nix, f"{registry.host}/test/image:nothing")
    assert "manifest unknown" in fatal(done, 2)
    assert nix.said("called") == ""
