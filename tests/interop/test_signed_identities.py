"""Each ``signedIdentity`` with each form of names: both programs decide alike, and so does ``verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.interop.programs import PROGRAMS, signed_by
from tests.interop.signing_stage import Stage
from tests.support.cli import Done, pyskopeo_here, succeed
from tests.support.gnupg import Gnupg
from tests.support.peers import Registry

pytestmark = [pytest.mark.peer("skopeo"), pytest.mark.peer("gpg")]
# What the signature says, of the repository app with the tag 1; "{}" is the namespace, with the registry's host.
CLAIMED = {
    "its tag": "{}/app:1", "another tag": "{}/app:2", "its digest": "{}/app@{digest}", "another digest": "{}/app@sha256:" + "0" * 64,
    "tag and digest": "{}/app:1@{digest}", "no tag": "{}/app", "another repository": "{}/other:1", "below it": "{}/app/x:1",
    "another host": "example.com/app:1", "of Docker Hub": "busybox", "upper case": "{}/APP:1", "no name": "a b",
}  # fmt: skip
IDENTITIES: dict[str, dict[str, Any] | None] = {
    "none": None,
    "matchExact": {"type": "matchExact"},
    "matchRepoDigestOrExact": {"type": "matchRepoDigestOrExact"},
    "matchRepository": {"type": "matchRepository"},
    "exactReference": {"type": "exactReference", "dockerReference": "{}/app:1"},
    "exactReference of another": {"type": "exactReference", "dockerReference": "example.com/app:1"},
    "exactReference by digest": {"type": "exactReference", "dockerReference": "{}/app@{digest}"},
    "exactRepository": {"type": "exactRepository", "dockerRepository": "{}/app"},
    "exactRepository of Docker Hub": {"type": "exactRepository", "dockerRepository": "busybox"},
    "remapIdentity": {"type": "remapIdentity", "prefix": "{}", "signedPrefix": "example.com"},
    "remapIdentity of others": {"type": "remapIdentity", "prefix": "example.com", "signedPrefix": "example.org"},
}


@pytest.fixture(scope="module")
def stage(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    stage = Stage(registry, f"{registry.host}/identities", tmp_path_factory.mktemp("identities"), PROGRAMS["skopeo"])
    stage.copy(stage.image(), stage.name("app", "1"))
    stage.copy(stage.image(), stage.out("directory"))
    return stage


@pytest.mark.parametrize("claimed", CLAIMED)
def test_both_decide_alike(claimed: str, stage: Stage, keys: Gnupg, tmp_path: Path) -> None:
    digest = stage.built().digest
    said = CLAIMED[claimed].format(stage.prefix, digest=digest)
    manifest, lookaside = stage.folder / "directory/manifest.json", tmp_path / "lookaside"
    namespace = stage.prefix.partition("/")[2]
    signature = lookaside / f"{namespace}/app@{digest.replace(':', '=')}/signature-1"
    signature.parent.mkdir(parents=True)
    succeed(PROGRAMS["skopeo"]("standalone-sign", manifest, said, "alice@example.com", "-o", signature))
    stage.configure({stage.prefix: {"lookaside": f"file://{lookaside}"}})
    directory = stage.folder / "directory/signature-1"
    directory.write_bytes(signature.read_bytes())
    found: list[tuple[str, str, dict[str, int]]] = []
    for kind, identity in IDENTITIES.items():
        filled = {name: text.format(stage.prefix, digest=digest) for name, text in (identity or {}).items()}
        policy = stage.policy([signed_by(keys.public_key("alice@example.com"), **({"signedIdentity": filled} if filled else {}))])
        by_digest, in_files = f"docker://{stage.prefix}/app@{digest}", f"dir:{directory.parent}"
        for name in (stage.name("app", "1"), in_files if kind.startswith("exact") else by_digest):
            flags = ("--policy", policy, "--registries.d", stage.registries_d)
            plain = ("--src-tls-verify=false",) if name.startswith("docker:") else ()
            decided = {
                called: program(*flags, "copy", "-q", *plain, name, f"dir:{tmp_path}/{called}").code
                for called, program in PROGRAMS.items()
            }
            decided["verify"] = verify(*flags, name).code
            found.append((kind, name, decided))
    assert [one for one in found if len(set(one[2].values())) != 1] == []
    accepted = {decided["verify"] == 0 for _, _, decided in found}
    assert False in accepted


def verify(*words: object) -> Done:
    *flags, name = words
    plain = ("--tls-verify=false",) if str(name).startswith("docker:") else ()
    return pyskopeo_here(*flags, "verify", "--signatures-only", *plain, name)
