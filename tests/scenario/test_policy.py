"""Policies decide which images may be copied: ``--policy``, ``--insecure-policy``, ``--require-signed``."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

import pyskopeo
from pyskopeo.config.policy import Policy
from pyskopeo.errors import PolicyRejected
from tests.support.access import access_for
from tests.support.cli import Done, fatal, pyskopeo_here
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.outputs import write_dir, write_layout, write_layout_archive
from tests.support.policies import ACCEPT, BY_PATH, REJECT, policy
from tests.support.pulling import AMD64, asked_for_blobs
from tests.support.simulator import Simulator
from tests.support.trees import tree

pytestmark = pytest.mark.usefixtures("no_machine_policy")

IMAGE = build("docker")
INDEX = build("oci-index")
REJECTED = re.compile(r"Source image rejected: Running image (\S+) is rejected by policy\. \(The rule: (.+)\)")


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
        assert asked_for_blobs(registry) == []
        assert tree(out) == {}

    @pytest.mark.parametrize("flags", [(), ("--all",), ("--override-arch=s390x",), ("--dry-run",)])
    def test_of_a_list_nothing_but_manifests_is_read(self, flags: tuple[str, ...], tmp_path: Path) -> None:
        with Simulator(INDEX) as registry:
            document = policy(tmp_path / "p.json", REJECT)
            done = pyskopeo_here(
                f"--policy={document}", "copy", "--src-tls-verify=false", *flags, registry.name(), f"oci:{tmp_path}/o"
            )
            assert REJECTED.fullmatch(fatal(done))
            assert asked_for_blobs(registry) == []
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

    def test_a_signature_that_is_missing(self, registry: Simulator, tmp_path: Path) -> None:
        document = policy(tmp_path / "p.json", docker={"": [BY_PATH]})
        flags = ("copy", "--src-tls-verify=false", registry.name(), f"dir:{tmp_path}/o")
        assert fatal(pyskopeo_here(f"--policy={document}", *flags)) == (
            "Source image rejected: A signature was required, but no signature exists "
            f'(signedBy for image {IMAGE.digest}, the rule: transports.docker[""] in {document})'
        )
        assert asked_for_blobs(registry) == []
        assert not (tmp_path / "o").exists()

    def test_content_without_its_manifest(self, registry: Simulator, tmp_path: Path) -> None:
        document = policy(tmp_path / "p.json", docker={"": [BY_PATH]})
        blob = registry.name().removesuffix(":latest").removeprefix("docker://") + f"@{IMAGE.layer_digests()[0]}"
        done = pyskopeo_here(f"--policy={document}", "blob", "get", "--tls-verify=false", blob, f"--output={tmp_path}/o")
        said = fatal(done)
        assert said.startswith("Source image rejected: A signature was required for image docker://")
        assert said.endswith("this command verifies none: copy the image first, or name another policy with --policy")
        assert registry.log == []

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
        assert asked_for_blobs(registry) == []
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
        assert asked_for_blobs(registry) == []


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
        assert asked_for_blobs(registry) == []
