"""``sync`` into registries, with credentials and configuration."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from tests.scenario.sync.running import DEST, MANY, Asked, expected, images, numbered, to_dir, to_docker
from tests.support.cli import pyskopeo_here, succeed
from tests.support.faults import Refuse
from tests.support.gates import BasicGate, BearerGate
from tests.support.images import build
from tests.support.pushing import Pushing
from tests.support.simulator import Simulator
from tests.support.token_server import TokenServer


class TestToRegistries:
    def test_blobs_are_sent_once_and_mounted_elsewhere(self, registry: Simulator) -> None:
        for n in (0, 1):
            registry.add(MANY[n], "team/other", f"o{n}")
        file = f"{registry.host}:\n  tls-verify: false\n  images: {{team/app: [], team/other: []}}\n"
        with Simulator() as mirror:
            path = Path(os.environ["HOME"]) / "sync.yml"
            path.write_text(file)
            succeed(pyskopeo_here("sync", "--src", "yaml", "--dest", "docker", DEST, path, f"{mirror.host}/m"))
            assert mirror.incomplete == []
            assert {mirror.manifest(f"v{n}", "m/app").digest for n in range(6)} == {i.digest for i in MANY}  # type: ignore[union-attr]
            assert mirror.manifest("o1", "m/other").digest == MANY[1].digest  # type: ignore[union-attr]
            sent = Counter(line for line in registry.log if "/blobs/" in line)
            assert set(sent.values()) == {1}
            repositories = {"m/app", "m/other"}
            mounts = [line for line in mirror.log if "mount=" in line]
            shared = {blob for n in (0, 1) for blob in MANY[n].blobs}
            assert len(mounts) == len(shared)
            assert {line.split("from=")[1] for line in mounts} <= repositories

    def test_nothing_new_is_a_head_on_either_side(self, registry: Simulator) -> None:
        with Simulator() as mirror:
            succeed(to_docker(registry, mirror))
            here, there = Asked(registry), Asked(mirror)
            done = succeed(to_docker(registry, mirror))
            assert here.kinds == {"HEAD manifests": 6, "GET tags": 1}
            assert there.kinds == {"HEAD manifests": 6}
            assert "0 copied, 6 present" in done.stderr

    def test_an_image_chosen_from_an_index_is_known_again(self) -> None:
        with Simulator(build("oci-index"), "team/app", "v1") as registry, Simulator() as mirror:
            succeed(to_docker(registry, mirror))
            here, there = Asked(registry), Asked(mirror)
            succeed(to_docker(registry, mirror))
            assert here.kinds == {"HEAD manifests": 1, "GET tags": 1}
            assert there.kinds == {"HEAD manifests": 1}

    def test_all_of_an_index_is_looked_for(self) -> None:
        index = build("oci-index")
        with Simulator(index, "team/app", "v1") as registry, Simulator() as mirror:
            succeed(to_docker(registry, mirror, "--all"))
            here = Asked(registry)
            succeed(to_docker(registry, mirror, "--all"))
            assert here.kinds == {"HEAD manifests": 1, "GET tags": 1}, "only the mirror is asked for the images"
            mirror.on_manifest(index.child(1).digest, Refuse(404), methods=("HEAD",))
            there = Asked(mirror)
            succeed(to_docker(registry, mirror, "--all"))
            assert there.kinds["PUT manifests"] >= 1, "an image that is missing there is brought"

    def test_a_changed_tag_is_moved(self, registry: Simulator) -> None:
        with Simulator() as mirror:
            succeed(to_docker(registry, mirror))
            new = numbered(77)
            registry.add(new, "team/app", "v3")
            done = succeed(to_docker(registry, mirror, "--append-suffix", ""))
            assert mirror.manifest("v3", "m/app").digest == new.digest  # type: ignore[union-attr]
            assert "1 copied, 5 present" in done.stderr

    def test_a_registry_that_mounts_nothing_gets_them_sent(self, registry: Simulator) -> None:
        registry.add(MANY[0], "team/other", "o0")
        with Simulator(pushing=Pushing(mounts=False)) as mirror:
            succeed(to_docker(registry, mirror))
            succeed(to_docker(registry, mirror, source="team/other"))
            assert mirror.incomplete == []
            assert mirror.open_uploads == ()


class TestCredentials:
    def test_tokens_are_had_once_for_a_repository(self, tmp_path: Path) -> None:
        with TokenServer(tmp_path / "tokens") as tokens:
            gate = BearerGate(tokens.realm, tokens.accepts, "test-registry")
            with Simulator(gate=gate) as registry:
                for n, image in enumerate(MANY):
                    registry.add(image, "team/app", f"v{n}")
                succeed(to_dir(registry, tmp_path / "out", "--src-creds=user:pass"))
                assert len(list((tmp_path / "out").glob("app:*"))) == 6
            assert len(tokens.requests) == 1

    def test_a_file_has_credentials_of_its_own(self, tmp_path: Path) -> None:
        with (
            Simulator(MANY[0], "a/one", "v1", gate=BasicGate({"u": "first"})) as first,
            Simulator(MANY[1], "a/two", "v1", gate=BasicGate({"u": "second"})) as second,
        ):
            file = tmp_path / "sync.yml"
            file.write_text("".join(
                f"{registry.host}:\n  images: {{{name}: []}}\n  tls-verify: false\n"
                f"  credentials: {{username: u, password: {password}}}\n"
                for registry, name, password in ((first, "a/one", "first"), (second, "a/two", "second"))
            ))  # fmt: skip
            done = succeed(pyskopeo_here("sync", "--src", "yaml", "--dest", "dir", file, tmp_path / "out"))
            assert sorted(p.name for p in (tmp_path / "out").glob("*:*")) == ["one:v1", "two:v1"]
            assert "first" not in done.stderr
            assert len(set(first.secrets_seen)) == len(set(second.secrets_seen)) == 1
            assert set(first.secrets_seen) != set(second.secrets_seen)


class TestConfiguration:
    @pytest.mark.parametrize("before", [False, True])
    def test_what_the_policy_rejects_is_not_synced(self, registry: Simulator, tmp_path: Path, before: bool) -> None:
        if before:
            succeed(to_dir(registry, tmp_path / "out"))
        policy = tmp_path / "policy.json"
        policy.write_text(json.dumps({
            "default": [{"type": "insecureAcceptAnything"}],
            "transports": {"docker": {f"{registry.host}/team/app:v1": [{"type": "reject"}]}},
        }))  # fmt: skip
        asked = Asked(registry)
        done = to_dir(registry, tmp_path / "out", "--keep-going", "--policy", policy)
        assert done.code == 1
        assert "Source image rejected" in done.stderr
        assert f"{5 - 5 * before} copied, {5 * before} present, 1 failed" in done.stderr
        assert (tmp_path / "out" / "app:v1").exists() == before
        assert asked.kinds["GET blobs"] <= 2 * 5 + 1

    def test_mirrors_are_read_in_place_of_the_registry(
        self, registry: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        conf = tmp_path / "registries.conf"
        conf.write_text(
            '[[registry]]\nlocation = "registry.invalid"\n'
            f'[[registry.mirror]]\nlocation = "{registry.host}"\ninsecure = true\n'
        )
        monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(conf))
        words = ("sync", "--src", "docker", "--dest", "dir", "registry.invalid/team/app", tmp_path / "out")
        succeed(pyskopeo_here(*words))
        assert images(tmp_path / "out") == expected(tmp_path / "want", {f"app:v{n}": i for n, i in enumerate(MANY)})
        asked = Asked(registry)
        done = succeed(pyskopeo_here(*words))
        assert asked.kinds == {"HEAD manifests": 6, "GET tags": 1}
        assert "0 copied, 6 present" in done.stderr
