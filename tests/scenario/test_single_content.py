"""``blob get|put`` and ``manifest get|put``: single pieces of content, as a build tool's downloader wants them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import Done, fatal, pyskopeo_here, succeed
from tests.support.commands import PYSKOPEO, environment, pyskopeo, started
from tests.support.faults import Cut, Drip, Flip, SetHeaders, Stall
from tests.support.images import ImageSpec, LayerSpec, build, digest_of
from tests.support.policies import REJECT, policy
from tests.support.processes import any_file, wait_until
from tests.support.pulling import ranges
from tests.support.simulator import BasicGate, Pushing, Simulator

IMAGE = build(ImageSpec(layers=(LayerSpec("large", size=400_000, compression="none"), LayerSpec("small"))))
LARGE, SMALL = IMAGE.layer_digests()
CONTENT = IMAGE.blobs[LARGE]


@pytest.fixture(autouse=True)
def _accepting(no_machine_policy: Path) -> None:
    """Nothing is asked of this machine."""


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with Simulator(IMAGE) as running:
        yield running


@pytest.fixture
def mirror() -> Iterator[Simulator]:
    with Simulator(IMAGE, "mirrored/image") as running:
        yield running


def blob(registry: Simulator, digest: str = LARGE, repository: str = "test/image") -> str:
    return f"{registry.host}/{repository}@{digest}"


def get(*words: object, kind: str = "blob") -> Done:
    return pyskopeo_here(kind, "get", "--tls-verify=false", "--retry-delay=1ms", *words)


def downloads(registry: Simulator) -> list[str]:
    return [request.path.rpartition("/")[2] for request in registry.requests if request.method == "GET" and "/blobs/" in request.path]


class TestGet:
    def test_a_file(self, registry: Simulator, tmp_path: Path) -> None:
        done = succeed(get(blob(registry), "--output", tmp_path / "layer"))
        assert (done.stdout, done.stderr) == (b"", "")
        assert (tmp_path / "layer").read_bytes() == CONTENT
        assert os.listdir(tmp_path) == ["layer"]

    def test_it_is_not_requested_again(self, registry: Simulator, tmp_path: Path) -> None:
        words = (blob(registry), "--output", tmp_path / "layer")
        succeed(get(*words))
        before = len(registry.requests)
        succeed(get(*words))
        assert len(registry.requests) == before
        succeed(pyskopeo_here("--offline", "blob", "get", *words))

    def test_other_content_under_the_name_is_replaced(self, registry: Simulator, tmp_path: Path) -> None:
        (tmp_path / "real").write_bytes(bytes(len(CONTENT)))
        (tmp_path / "layer").symlink_to("real")
        succeed(get(blob(registry), "--output", tmp_path / "layer"))
        assert (tmp_path / "layer").is_symlink()
        assert (tmp_path / "real").read_bytes() == CONTENT

    def test_several_into_a_directory(self, registry: Simulator, tmp_path: Path) -> None:
        """One connection's credentials and pings serve them all."""
        names = [blob(registry, digest) for digest in IMAGE.blobs]
        succeed(get(*names, "--output", f"{tmp_path}/out/"))
        assert {f"sha256:{name}": (tmp_path / "out" / name).read_bytes() for name in os.listdir(tmp_path / "out")} == IMAGE.blobs
        assert registry.log.count("GET /v2/") <= 1
        succeed(get(*names, "--output", f"{tmp_path}/blobs/{{algorithm}}/{{hex}}"))
        assert (tmp_path / "blobs" / "sha256" / LARGE[7:]).read_bytes() == CONTENT
        assert "several blobs for one file" in fatal(get(*names, "--output", tmp_path / "file"))

    def test_standard_output(self, registry: Simulator, tmp_path: Path) -> None:
        done = pyskopeo("blob", "get", "--tls-verify=false", blob(registry), "--output", "-")
        assert (done.code, done.stdout, done.stderr) == (0, CONTENT, "")
        os.mkfifo(tmp_path / "pipe")
        read: list[bytes] = []
        reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()))
        reader.start()
        succeed(get(blob(registry), "--output", tmp_path / "pipe"))
        reader.join(30)
        assert read == [CONTENT]

    def test_wrong_bytes_to_standard_output_fail_at_the_end(self, registry: Simulator) -> None:
        registry.on_blob(LARGE, Flip(100))
        done = pyskopeo("blob", "get", "--tls-verify=false", blob(registry), "--output", "-")
        assert done.code == 1
        assert f"digest mismatch: want {LARGE}" in done.stderr
        assert done.stdout != CONTENT

    def test_wrong_bytes_to_standard_output_are_not_followed_by_right_ones(self, registry: Simulator, mirror: Simulator) -> None:
        mirror.on_blob(LARGE, Flip(100))
        done = pyskopeo(
            "blob", "get", "--tls-verify=false", blob(registry), "--source", f"mirrored/image@{mirror.host}", "--output", "-"
        )
        assert done.code == 1
        assert len(done.stdout) <= len(CONTENT)
        assert "do not use them" in done.stderr

    def test_wrong_bytes_leave_no_file(self, registry: Simulator, tmp_path: Path) -> None:
        registry.on_blob(LARGE, Flip(100))
        assert "digest mismatch" in fatal(get(blob(registry), "--output", tmp_path / "layer"))
        assert os.listdir(tmp_path) == []

    def test_an_interrupted_download_is_continued(self, registry: Simulator, tmp_path: Path) -> None:
        registry.on_blob(LARGE, Cut(200_000), times=1)
        get("--retry-times=0", blob(registry), "--output", tmp_path / "layer")
        assert not (tmp_path / "layer").exists()
        registry.heal()
        before = len(registry.requests)
        succeed(get(blob(registry), "--output", tmp_path / "layer"))
        ranges = [request.header("Range") for request in registry.requests[before:] if request.method == "GET" and "/blobs/" in request.path]
        assert len(ranges) == 1
        assert ranges[0] is not None
        assert ranges[0].startswith("bytes=")
        assert ranges[0] != "bytes=0-"
        assert os.listdir(tmp_path) == ["layer"]
        assert (tmp_path / "layer").read_bytes() == CONTENT

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["TERM", "KILL"])
    def test_after_a_time_out_of_a_build_the_next_run_goes_on(
        self, registry: Simulator, tmp_path: Path, number: signal.Signals
    ) -> None:
        registry.on_blob(LARGE, Stall(200_000), times=1)
        words = ("blob", "get", "--tls-verify=false", blob(registry), "--output", tmp_path / "layer")
        with started(*words) as process:
            assert wait_until(lambda: any_file(tmp_path.iterdir(), lambda file: file.st_size == 200_000), 30)
            process.send_signal(number)
            process.wait(30)
        assert not (tmp_path / "layer").exists()
        succeed(pyskopeo_here(*words))
        assert ranges(registry, LARGE) == [None, "bytes=200000-"]
        assert (tmp_path / "layer").read_bytes() == CONTENT
        assert os.listdir(tmp_path) == ["layer"]

    def test_processes_that_want_the_same_file_fetch_it_once(self, registry: Simulator, tmp_path: Path) -> None:
        registry.on_blob(LARGE, Drip(50_000, 0.1))
        words = ("blob", "get", "--tls-verify=false", blob(registry), "--output", tmp_path / "layer")
        with started(*words) as one, started(*words) as other:
            assert (one.wait(60), other.wait(60)) == (0, 0)
        assert downloads(registry) == [LARGE]
        assert (tmp_path / "layer").read_bytes() == CONTENT

    def test_sources_in_their_order_and_the_named_one_last(self, registry: Simulator, mirror: Simulator, tmp_path: Path) -> None:
        with Simulator() as empty:
            words = ("--source", f"team/none@{empty.host}", "--source", f"mirrored/image@{mirror.host}")
            succeed(get(blob(registry), *words, "--output", tmp_path / "layer"))
            assert empty.requests
        assert downloads(mirror) == [LARGE]
        assert registry.requests == ()
        mirror.on_blob(SMALL, Flip(3))
        succeed(get(blob(registry, SMALL), "--source", f"mirrored/image@{mirror.host}", "--output", tmp_path / "small"))
        assert downloads(registry) == [SMALL]
        assert (tmp_path / "small").read_bytes() == IMAGE.blobs[SMALL]

    def test_a_source_that_states_a_wrong_size(self, registry: Simulator, mirror: Simulator, tmp_path: Path) -> None:
        mirror.on("/v2/*/blobs/*", SetHeaders({"Content-Length": "5"}), methods=("HEAD",))
        succeed(get(blob(registry), "--source", f"mirrored/image@{mirror.host}", "--output", tmp_path / "layer"))
        assert (tmp_path / "layer").read_bytes() == CONTENT

    def test_credentials_are_for_the_named_registry_alone(self, mirror: Simulator, tmp_path: Path) -> None:
        with Simulator(IMAGE, gate=BasicGate({"user": "s3cr3t"})) as registry:
            words = ("--creds", "user:s3cr3t", "--source", f"team/none@{mirror.host}", "--output", tmp_path / "layer")
            succeed(get(blob(registry), *words))
        assert mirror.requests
        assert mirror.secrets_seen == []

    def test_a_store_is_filled_and_used(self, registry: Simulator, tmp_path: Path) -> None:
        store = ("--store", tmp_path / "store")
        succeed(pyskopeo_here(*store, "blob", "get", "--tls-verify=false", blob(registry), "--output", tmp_path / "one"))
        assert (tmp_path / "store" / "blobs" / "sha256" / LARGE[7:]).read_bytes() == CONTENT
        succeed(pyskopeo_here(*store, "--offline", "blob", "get", blob(registry), "--output", tmp_path / "two"))
        done = pyskopeo_here(*store, "--offline", "blob", "get", blob(registry, SMALL), "--output", tmp_path / "three")
        assert f"blob {SMALL} is not in the store" in fatal(done, 3)
        assert not (tmp_path / "three").exists()

    def test_what_is_not_there(self, registry: Simulator, tmp_path: Path) -> None:
        done = get(blob(registry, digest_of(b"nothing")), "--output", tmp_path / "layer")
        assert done.code != 0
        assert digest_of(b"nothing") in done.stderr
        assert os.listdir(tmp_path) == []

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["example.com/a@sha256:" + "0" * 64], "--output is required"),
            (["example.com/a", "--output", "x"], "want REPOSITORY@DIGEST"),
            (["example.com/a:tag", "--output", "x"], "want REPOSITORY@DIGEST"),
            (["example.com/a@sha256:" + "0" * 64, "--output", "x", "--source", "team/app"], "want REPOSITORY@HOST"),
            (["example.com/a@sha256:" + "0" * 64, "--output", "x", "--source", "app@host"], "want REPOSITORY@HOST"),
            ([], "At least one argument expected"),
        ],
    )
    def test_what_is_said_of_mistakes(self, words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert said in get(*words).stderr
        assert os.listdir(tmp_path) == []

    def test_a_policy_is_asked(self, registry: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CONTAINERS_POLICY_JSON", str(policy(tmp_path / "policy.json", REJECT)))
        for kind in ("blob", "manifest"):
            done = get(blob(registry), "--output", tmp_path / "layer", kind=kind)
            assert "Source image rejected" in fatal(done)
        assert registry.requests == ()


class TestPut:
    def put(self, *words: object) -> Done:
        return pyskopeo_here("blob", "put", "--tls-verify=false", "--retry-delay=1ms", *words)

    def test_a_file_is_uploaded_once(self, tmp_path: Path) -> None:
        (tmp_path / "layer").write_bytes(CONTENT)
        with Simulator() as registry:
            for _ in range(2):
                done = succeed(self.put(f"{registry.host}/team/app", tmp_path / "layer"))
                assert done.stdout.decode() == f"{LARGE}\n"
            assert registry.blobs("team/app") == {LARGE: CONTENT}
            assert sum(request.method == "PUT" for request in registry.requests) == 1
            assert registry.open_uploads == ()

    def test_standard_input(self, tmp_path: Path) -> None:
        with Simulator() as registry:
            command = [*PYSKOPEO, "blob", "put", "--tls-verify=false", f"{registry.host}/team/app", "-"]
            done = subprocess.run(command, input=CONTENT, env=environment(), capture_output=True, check=False, timeout=60)
            assert (done.returncode, done.stdout.decode()) == (0, f"{LARGE}\n"), done.stderr
            assert registry.blobs("team/app") == {LARGE: CONTENT}

    @pytest.mark.parametrize("where", ["file", "-"])
    def test_content_with_another_digest_is_not_there_afterwards(self, where: str, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"other")
        with Simulator() as registry:
            command = [*PYSKOPEO, "blob", "put", "--tls-verify=false", f"{registry.host}/team/app@{LARGE}", where]
            done = subprocess.run(
                command, input=b"other", env=environment(), capture_output=True, check=False, timeout=60, cwd=tmp_path
            )
            assert done.returncode == 1
            assert f"digest mismatch: want {LARGE}" in done.stderr.decode()
            assert registry.blobs("team/app") == {}
            assert registry.open_uploads == ()

    def test_a_sha512_digest(self, tmp_path: Path) -> None:
        (tmp_path / "layer").write_bytes(CONTENT)
        digest = digest_of(CONTENT, "sha512")
        with Simulator() as registry:
            done = succeed(self.put(f"{registry.host}/team/app@{digest}", tmp_path / "layer"))
            assert done.stdout.decode() == f"{digest}\n"
            assert registry.blobs("team/app") == {digest: CONTENT}

    def test_what_is_no_file(self, tmp_path: Path) -> None:
        for name in ("none", "dir"):
            (tmp_path / "dir").mkdir(exist_ok=True)
            assert self.put("example.com/team/app", tmp_path / name).code != 0
        assert "a blob has no tag" in fatal(self.put("example.com/team/app:v1", tmp_path / "none"))


class TestManifest:
    def test_byte_for_byte_by_digest_and_by_tag(self, registry: Simulator, tmp_path: Path) -> None:
        for name in (f"{registry.host}/test/image:latest", f"docker://{registry.host}/test/image@{IMAGE.digest}"):
            done = succeed(get(name, "--output", tmp_path / "m.json", "--print-digest", kind="manifest"))
            assert done.stdout.decode() == f"{IMAGE.digest}\n"
            assert (tmp_path / "m.json").read_bytes() == IMAGE.root.raw
        assert succeed(get(name, "--output", "-", kind="manifest")).stdout == IMAGE.root.raw
        assert downloads(registry) == []
        assert os.listdir(tmp_path) == ["m.json"]

    def test_wrong_bytes(self, registry: Simulator, tmp_path: Path) -> None:
        registry.on_manifest(IMAGE.digest, Flip(5))
        done = get(f"{registry.host}/test/image@{IMAGE.digest}", "--output", tmp_path / "m.json", kind="manifest")
        assert "mismatch" in fatal(done)
        assert os.listdir(tmp_path) == []

    def test_a_source(self, registry: Simulator, mirror: Simulator, tmp_path: Path) -> None:
        for name in (f"{registry.host}/test/image:latest", f"{registry.host}/test/image@{IMAGE.digest}"):
            succeed(get(name, "--source", f"mirrored/image@{mirror.host}", "--output", tmp_path / "m.json", kind="manifest"))
        assert registry.requests == ()
        assert (tmp_path / "m.json").read_bytes() == IMAGE.root.raw

    def test_mistakes(self, tmp_path: Path) -> None:
        assert "want REPOSITORY:TAG" in fatal(get("example.com/a", "--output", tmp_path / "x", kind="manifest"))
        assert "both write to standard output" in fatal(get("example.com/a:b", "-o", "-", "--print-digest", kind="manifest"))
        assert "x/: want the name of a file" in fatal(get("example.com/a:b", "-o", "x/", kind="manifest"))

    def put(self, *words: object) -> Done:
        return pyskopeo_here("manifest", "put", "--tls-verify=false", "--retry-delay=1ms", *words)

    def test_it_is_written_byte_for_byte(self, tmp_path: Path) -> None:
        (tmp_path / "m.json").write_bytes(IMAGE.root.raw)
        with Simulator(pushing=Pushing()) as registry:
            for digest, content in IMAGE.blobs.items():
                registry.store.add_blob("team/app", digest, content)
            done = succeed(self.put(f"{registry.host}/team/app", tmp_path / "m.json"))
            assert done.stdout.decode() == f"{IMAGE.digest}\n"
            found = registry.manifest(IMAGE.digest, "team/app")
            assert found is not None
            assert found.raw == IMAGE.root.raw
            assert registry.manifest("latest", "team/app") is None
            succeed(self.put(f"{registry.host}/team/app:v1@{IMAGE.digest}", tmp_path / "m.json"))
            assert registry.manifest("v1", "team/app") == found

    @pytest.mark.parametrize("raw", [b"", b"{}", b'{"schemaVersion":2,"mediaType":"text/plain"}', b"\xff"])
    def test_what_is_no_manifest(self, raw: bytes, tmp_path: Path) -> None:
        (tmp_path / "m.json").write_bytes(raw)
        with Simulator() as registry:
            fatal(self.put(f"{registry.host}/team/app:v1", tmp_path / "m.json"))
            assert registry.requests == ()

    def test_another_digest_than_its_name(self, tmp_path: Path) -> None:
        (tmp_path / "m.json").write_bytes(IMAGE.root.raw)
        with Simulator() as registry:
            assert "mismatch" in fatal(self.put(f"{registry.host}/team/app@{LARGE}", tmp_path / "m.json"))
            assert registry.requests == ()


def test_a_downloader_as_build_rules_have_it(registry: Simulator, mirror: Simulator, tmp_path: Path) -> None:
    """A manifest by its digest, then its blobs into a layout, each from mirrors; then the layout is one."""
    sources = ("--source", f"mirrored/image@{mirror.host}")
    (tmp_path / "blobs" / "sha256").mkdir(parents=True)
    manifest = tmp_path / "blobs" / "sha256" / IMAGE.digest[7:]
    succeed(get(f"{registry.host}/test/image@{IMAGE.digest}", *sources, "--output", manifest, kind="manifest"))
    document = json.loads(manifest.read_bytes())
    params = tmp_path / "params"
    params.write_text("\n".join(blob(registry, one["digest"]) for one in (document["config"], *document["layers"])))
    succeed(get(f"@{params}", *sources, "--output", f"{tmp_path}/blobs/{{algorithm}}/{{hex}}"))
    assert registry.requests == ()
    succeed(pyskopeo_here("layout", "assemble", "--root", IMAGE.digest, "--from", tmp_path / "blobs", "--out", f"oci:{tmp_path}/out:v1"))
    succeed(pyskopeo_here("layout", "verify", "--deep", f"oci:{tmp_path}/out"))
    shutil.rmtree(tmp_path / "blobs")
