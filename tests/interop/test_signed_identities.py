"""``signedIdentity`` beside the real skopeo: which names a signature may claim, for an image in a registry or a directory."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pyskopeo.signatures.simple_signing import SimplePayload
from tests.support.cli import Done, pyskopeo_here
from tests.support.images import build
from tests.support.key_states import KeyStates
from tests.support.outputs import push, write_dir
from tests.support.peers import Registry
from tests.support.require import require_peer

pytestmark = [pytest.mark.peer("gpg"), pytest.mark.peer("skopeo")]
IMAGE = build("docker")
DIGEST = f"@{IMAGE.digest}"
OTHER = f"@sha256:{'0' * 64}"
EXACT, DEFAULT, REPOSITORY = {"type": "matchExact"}, {"type": "matchRepoDigestOrExact"}, {"type": "matchRepository"}


def reference(name: str) -> dict[str, str]:
    return {"type": "exactReference", "dockerReference": name}


def repository(name: str) -> dict[str, str]:
    return {"type": "exactRepository", "dockerRepository": name}


def remap(prefix: str, signed: str) -> dict[str, str]:
    return {"type": "remapIdentity", "prefix": prefix, "signedPrefix": signed}


# HOST stands for the registry. The image that is asked for, the identity of the policy (None: not given), what the
# signature claims, and whether it is accepted.
CASES: list[tuple[str, dict[str, str] | None, str, bool]] = [
    ("HOST/ns/app:1", None, "HOST/ns/app:1", True),
    ("HOST/ns/app:1", None, "HOST/ns/app:2", False),
    ("HOST/ns/app:1", None, f"HOST/ns/app{DIGEST}", False),
    ("HOST/ns/app:1", None, "HOST/ns/app", False),
    (f"HOST/ns/app{DIGEST}", None, "HOST/ns/app:9", True),
    (f"HOST/ns/app{DIGEST}", None, f"HOST/ns/app{OTHER}", True),
    (f"HOST/ns/app{DIGEST}", None, "HOST/ns/other:1", False),
    (f"HOST/ns/app{DIGEST}", None, "HOST/ns/app", False),
    ("HOST/ns/app:1", EXACT, "HOST/ns/app:1", True),
    (f"HOST/ns/app{DIGEST}", EXACT, f"HOST/ns/app{DIGEST}", True),
    (f"HOST/ns/app{DIGEST}", EXACT, "HOST/ns/app:1", False),
    ("HOST/ns/app:1", DEFAULT, "HOST/ns/app:1", True),
    ("HOST/ns/app:1", REPOSITORY, "HOST/ns/app:2", True),
    ("HOST/ns/app:1", REPOSITORY, "HOST/ns/app", True),
    ("HOST/ns/app:1", REPOSITORY, f"HOST/ns/app{OTHER}", True),
    ("HOST/ns/app:1", REPOSITORY, "HOST/ns/app/more:1", False),
    ("HOST/ns/app:1", REPOSITORY, "HOST/ns/APP:1", False),
    ("HOST/ns/app:1", reference("example.com/app:1"), "example.com/app:1", True),
    ("HOST/ns/app:1", reference("example.com/app:1"), "HOST/ns/app:1", False),
    ("HOST/ns/app:1", reference("busybox:1"), "docker.io/library/busybox:1", True),
    ("HOST/ns/app:1", repository("example.com/app"), "example.com/app:7", True),
    ("HOST/ns/app:1", repository("example.com/app"), "example.com/app", True),
    ("HOST/ns/app:1", repository("example.com/app"), "example.com/other:1", False),
    ("HOST/ns/app:1", remap("HOST", "vendor.com"), "vendor.com/ns/app:1", True),
    ("HOST/ns/app:1", remap("HOST", "vendor.com"), "HOST/ns/app:1", False),
    ("HOST/ns/app:1", remap("HOST/ns", "vendor.com/product"), "vendor.com/product/app:1", True),
    ("HOST/ns/app:1", remap("HOST/ns/app", "vendor.com/product"), "vendor.com/product:1", True),
    ("HOST/ns/app:1", remap("HOST/n", "vendor.com"), "vendor.coms/app:1", False),
    ("HOST/ns/app:1", remap("other.com", "vendor.com"), "HOST/ns/app:1", True),
    ("HOST/ns/app:1", remap("HOST/ns", "docker.io"), "docker.io/library/app:1", False),
    ("HOST/ns/app:1", remap("HOST/ns", "docker.io/library"), "app:1", True),
    (f"HOST/ns/app{DIGEST}", remap("HOST", "vendor.com"), "vendor.com/ns/app:9", True),
    ("dir:", None, "HOST/ns/app:1", False),
    ("dir:", EXACT, "HOST/ns/app:1", False),
    ("dir:", REPOSITORY, "HOST/ns/app:1", False),
    ("dir:", remap("HOST", "vendor.com"), "vendor.com/ns/app:1", False),
    ("dir:", reference("example.com/app:1"), "example.com/app:1", True),
    ("dir:", reference("example.com/app:1"), "example.com/app:2", False),
    ("dir:", repository("example.com/app"), "example.com/app:2", True),
]


@dataclass(frozen=True)
class Stage:
    """An image in a registry and in a directory, a key, and the places of signatures and settings."""

    folder: Path
    host: str
    gpg: KeyStates
    key: str

    def copies(self, image: str, identity: dict[str, str] | None, claimed: str) -> list[Done]:
        """The image is copied by both programs, with a policy that wants a signature, and one that claims a name."""
        filled = {name: value.replace("HOST", self.host) for name, value in (identity or {}).items()}
        requirement: dict[str, Any] = {"type": "signedBy", "keyType": "GPGKeys", "keyPath": str(self.folder / "key.gpg")}
        policy = {"default": [requirement | ({"signedIdentity": filled} if identity else {})]}
        (self.folder / "policy.json").write_text(json.dumps(policy))
        payload = SimplePayload(claimed.replace("HOST", self.host), IMAGE.digest)
        signature = self.gpg.message(payload.to_bytes(), self.key)
        lookaside = self.folder / f"lookaside/ns/app@{IMAGE.digest.replace(':', '=')}"
        lookaside.mkdir(parents=True, exist_ok=True)
        for place in (lookaside, self.folder / "image"):
            (place / "signature-1").write_bytes(signature)
        name = f"dir:{self.folder}/image" if image == "dir:" else f"docker://{image.replace('HOST', self.host)}"
        flags = [f"--policy={self.folder}/policy.json", f"--registries.d={self.folder}/registries.d"]
        found = []
        for program in (pyskopeo_here, _skopeo):
            shutil.rmtree(self.folder / "copy", ignore_errors=True)
            found.append(program(*flags, "copy", "--src-tls-verify=false", name, f"dir:{self.folder}/copy"))
        return found


def _skopeo(*words: str) -> Done:
    import subprocess

    done = subprocess.run([require_peer("skopeo"), *words], capture_output=True, check=False, timeout=60)
    return Done(done.returncode, done.stdout, done.stderr.decode())


@pytest.fixture(scope="module")
def stage(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("identities")
    push(IMAGE, registry.url, "ns/app", "1")
    write_dir(IMAGE, folder / "image")
    (folder / "registries.d").mkdir()
    (folder / "registries.d/lookaside.yaml").write_text(f"default-docker: {{lookaside: 'file://{folder}/lookaside'}}\n")
    with KeyStates() as gpg:
        key = gpg.make_key("alice")
        (folder / "key.gpg").write_bytes(gpg.export())
        yield Stage(folder, registry.host, gpg, key)


@pytest.mark.parametrize(("image", "identity", "claimed", "accepted"), CASES)
def test_both_judge_a_name_alike(
    stage: Stage, image: str, identity: dict[str, str] | None, claimed: str, accepted: bool
) -> None:
    ours, theirs = stage.copies(image, identity, claimed)
    assert (ours.code == 0, theirs.code == 0) == (accepted, accepted), (ours.stderr, theirs.stderr)
    if not accepted:
        shown = f'Signature for identity "{claimed.replace("HOST", stage.host)}" is not accepted'
        for done in (ours, theirs):
            assert shown in done.stderr.replace('\\"', '"')
            assert "Source image rejected: " in done.stderr
