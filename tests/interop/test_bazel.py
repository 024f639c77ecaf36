"""The rules in integrations/bazel, in real Bazel: modules in 7.7 of Debian sid, a WORKSPACE in Debian 12's 4.2."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bazel import RULES, Bazel, run_here, without_registry
from tests.support.cli import pyskopeo_here, succeed
from tests.support.commands import pyskopeo
from tests.support.faults import Drip
from tests.support.images import BuiltImage, ImageSpec, IndexSpec, LayerSpec, PlatformSpec, build
from tests.support.require import require_peer
from tests.support.serving_thread import ServedRegistry
from tests.support.sid_root import SidRoot
from tests.support.simulator import BearerGate, Simulator
from tests.support.specs import layers, platforms
from tests.support.token_server import TokenServer

PAGE = RULES.parents[1] / "docs" / "tasks" / "bazel.md"
# Their images share a layer.
LIST = build(platforms("oci", offered=(PlatformSpec("amd64"), PlatformSpec("arm64", variant="v8"))))
AMD64, ARM64 = LIST.child(0), LIST.child(1)
# Types of Docker, of one platform.
SINGLE = build("docker")
SLOW = build(ImageSpec(layers=(LayerSpec("slow", size=4_000_000),)))
MANY = build(ImageSpec(layers=layers(20)))
ONE, TWO = (build(ImageSpec(layers=(LayerSpec(name),))) for name in ("one", "two"))
# What its index says is part of a BUILD file. There is an attestation besides, which is no image.
HOSTILE = build(IndexSpec((ImageSpec(platform=PlatformSpec('amd64")\nfail("x")\n')),), attestations=True))
NESTED = build("nested-index")
LOCKED = build(ImageSpec(layers=(LayerSpec("locked"), LayerSpec("with it"))))

# Before what the documentation says is in MODULE.bazel.
MODULE = """
module(name = "app")
local_path_override(module_name = "pyskopeo", path = "{rules}")
"""


@pytest.fixture(scope="module")
def origin() -> Iterator[Simulator]:
    """A registry that is open to everybody."""
    with Simulator() as running:
        images = {"base": LIST, "single": SINGLE, "slow": SLOW, "locked": LOCKED, "hostile": HOSTILE, "nested": NESTED}
        for name, image in images.items():
            running.add(image, f"team/{name}", "1")
        yield running


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedRegistry]:
    """The registry of `pyskopeo serve`, with the same images."""
    with ServedRegistry(tmp_path / "registry") as running:
        for name, image in {"base": LIST, "single": SINGLE, "locked": LOCKED}.items():
            running.push(image, f"team/{name}", "1")
        yield running


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenServer]:
    with TokenServer(tmp_path_factory.mktemp("tokens")) as running:
        yield running


@pytest.fixture(scope="module")
def private(tokens: TokenServer) -> Iterator[Simulator]:
    """A registry that wants a token."""
    with Simulator(MANY, "private/many", "1", gate=BearerGate(tokens.realm, tokens.accepts)) as running:
        running.add(ONE, "private/one", "1")
        running.add(TWO, "private/two", "1")
        yield running


@pytest.fixture(scope="module")
def bazel(
    origin: Simulator, private: Simulator, tokens: TokenServer, single_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bazel]:
    """Bazel 7.7 on a workspace with everything that these tests build; what they do not need is not fetched."""
    require_peer("sid-bazel")
    folder = tmp_path_factory.mktemp("bazel")
    binds = {path: path for path in (folder, RULES, single_file.parent)}
    options = without_registry(folder / "modules")
    with SidRoot(binds) as sid, Bazel(sid.run, folder, options=options) as running:
        headers = {"Authorization": [f"Bearer {tokens.token_for('repository:private/two:pull')}"]}
        helper = running.write("helper", f"#!/bin/sh\necho '{json.dumps({'headers': headers})}'\n", mode=0o755)
        running.write("MODULE.bazel", module(origin, private, single_file, helper))
        fill(running, origin, single_file)
        lock(running, origin)
        running.write("logins.json", logins(private))
        # Where Docker has them.
        (running.home / ".docker").mkdir()
        (running.home / ".docker" / "config.json").write_text(logins(private))
        yield running


def documented(words: str, origin: Simulator | ServedRegistry, program: Path) -> str:
    """Return a block of the documentation that has ``words``, as a user would write it for these images."""
    (text,) = (block for block in re.findall(r"```starlark\n(.*?)```", PAGE.read_text(), re.DOTALL) if words in block)
    for old, new in {
        "https://example.com/pyskopeo-0.1.0.pyz": f"file://{program}",
        "sha256-…": integrity(program),
        "docker.io/library/debian:12@sha256:…": f"{origin.host}/team/base:1@{LIST.digest}",
        "third_party/pyskopeo/integrations/bazel": str(RULES),
    }.items():
        text = text.replace(old, new)
    # The registry of these tests has no certificate.
    return re.sub(r'(platforms = \[.*?\]|lock = ".*?")', r"\1, tls_verify = False", text)


def module(origin: Simulator, private: Simulator, program: Path, helper: Path) -> str:
    """MODULE.bazel; ``helper`` speaks Bazel's protocol."""
    return (
        MODULE.format(rules=RULES)
        + documented("bazel_dep", origin, program)
        + documented("pyskopeo.images", origin, program)
        + pull("shallow", f"{origin.host}/team/base@{LIST.digest}", platforms=["linux/amd64"], layers="none")
        + pull("single", f"docker://{origin.host}/team/single:1", digest=SINGLE.digest)
        + pull("slow", f"{origin.host}/team/slow@{SLOW.digest}", timeout=25)
        + pull("hostile", f"{origin.host}/team/hostile@{HOSTILE.digest}")
        + pull("nested", f"{origin.host}/team/nested@{NESTED.digest}")
        + pull("floating", f"{origin.host}/team/single:1")
        + pull("private", f"{private.host}/private/many@{MANY.digest}")
        + pull("by_file", f"{private.host}/private/one@{ONE.digest}", auth_file="//:logins.json")
        + pull("by_helper", f"{private.host}/private/two@{TWO.digest}", credential_helpers=[f"127.0.0.1={helper}"])
        + f"""
downloads = use_repo_rule("//:downloads.bzl", "downloads")
downloads(
    name = "downloads",
    url = "{private.url}/v2/private/many/blobs/",
    blobs = {json.dumps([digest.removeprefix("sha256:") for digest in MANY.layer_digests()])},
)
"""
    )


def pull(name: str, image: str, *, rule: str = "pyskopeo.pull", **attributes: object) -> str:
    """A call of the rule that pulls an image, and for modules its repository."""
    given = {"name": name, "image": image, "tls_verify": False, **attributes}
    words = ", ".join(f"{key} = {value if isinstance(value, bool) else json.dumps(value)}" for key, value in given.items())
    return f"{rule}({words})\n" + (f'use_repo(pyskopeo, "{name}")\n' if rule == "pyskopeo.pull" else "")


def fill(bazel: Bazel, origin: Simulator | ServedRegistry, program: Path) -> None:
    """Write the workspace, except for the repositories."""
    for path in (Path(__file__).parent / "bazel_workspace").iterdir():
        text = path.read_text().replace("PORT", str(origin.port)).replace("PROGRAM", str(program))
        bazel.write(path.name, text, mode=0o755)
    bazel.write("layer", LIST.blobs[LIST.layer_digests(AMD64.digest)[0]])


def lock(bazel: Bazel, origin: Simulator | ServedRegistry) -> None:
    """Write the lock file for two of the images."""
    images = {
        "team/base": [{"tag": "1", "name": "base"}],
        "team/locked": [{"tag": "1", "name": "locked"}],
    }
    path = bazel.write("images.yaml", json.dumps({origin.host: {"images": images, "tls-verify": False}}))
    succeed(pyskopeo("lock", path, "--output", bazel.workspace / "images.lock"))


def logins(registry: Simulator) -> str:
    return json.dumps({"auths": {registry.host: {"auth": base64.b64encode(b"user:pass").decode()}}})


def integrity(path: Path) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(path.read_bytes()).digest()).decode()


def has(layout: Path, image: BuiltImage, manifest: str) -> bool:
    """Whether a directory is a layout with exactly one image, all of whose content is right."""
    succeed(pyskopeo_here("layout", "verify", f"oci:{layout}"))
    (entry,) = json.loads((layout / "index.json").read_text())["manifests"]
    blobs = {manifest, image.config_digest(manifest), *image.layer_digests(manifest)}
    files = {path.name for path in (layout / "blobs").glob("*/*")}
    return entry["digest"] == manifest and files == {digest.partition(":")[2] for digest in blobs}


def test_images_are_directories_for_other_rules_and_are_completed_and_scanned_offline(
    bazel: Bazel, origin: Simulator
) -> None:
    """With layers that come from the store, from a file of any name and from another image's layout."""
    bazel.succeed("test", "//...", "--test_output=all")
    assert has(bazel.built("app"), LIST, AMD64.digest)
    assert has(bazel.built("app_arm64"), LIST, ARM64.digest)
    assert has(bazel.built("app_single"), SINGLE, SINGLE.digest)
    succeed(pyskopeo_here("verify", "--all", f"oci:{bazel.built('list')}"))
    names = {path.name for path in bazel.built("list").glob("blobs/*/*")}
    assert names == {digest.partition(":")[2] for digest in (*LIST.manifests, *LIST.blobs)}
    assert has(bazel.built("full"), LIST, AMD64.digest)
    # The program in the test wrote it, and a scanner ran in a place where there was no network.
    log = bazel.workspace / "bazel-testlogs" / "scan" / "test.log"
    assert "scanned 4 files, option --all\n" in log.read_text()
    # Bazel makes its outputs executable; they are not the files of the store, which others use too.
    stored = [*(bazel.home / ".cache" / "pyskopeo" / "store").glob("blobs/*/*")]
    assert stored
    assert {path.stat().st_mode & 0o777 for path in stored} == {0o644}
    blobs = [request.path for request in origin.requests if "/blobs/" in request.path]
    assert len(blobs) == len(set(blobs)) == len(LIST.blobs) + len(SINGLE.blobs)


def test_what_an_action_has_not_as_input_is_named(bazel: Bazel) -> None:
    said = bazel.fail("build", ":incomplete")
    assert all(digest in said for digest in LIST.layer_digests(AMD64.digest))


def test_the_images_of_a_lock_are_pulled_when_they_are_needed(bazel: Bazel, origin: Simulator) -> None:
    """And no manifest is requested, since the lock has them."""
    before = len(origin.requests)
    assert bazel.succeed("query", "@images//...").split() == [
        f"@images//{name}" for name in ("base:image", "base:index", "base:linux_amd64", "base:linux_arm64_v8", "locked:image")
    ]
    bazel.succeed("build", ":locked")
    assert has(bazel.built("locked"), LOCKED, LOCKED.digest)
    asked = [request.path.rpartition("/")[2] for request in origin.requests[before:]]
    assert sorted(asked) == sorted(LOCKED.blobs)


def test_a_fetch_that_bazel_ends_continues_with_the_next_build(bazel: Bazel, origin: Simulator) -> None:
    (layer,) = SLOW.layer_digests()
    origin.on_blob(layer, Drip(piece=20_000, pause=0.5), times=1)
    said = bazel.fail("build", "@slow//:image")
    assert "not done in 25 seconds: run the build again to continue, or set a larger `timeout`" in said
    bazel.succeed("build", "@slow//:image")
    first, second = (request for request in origin.requests if request.path.endswith(layer))
    assert first.header("Range") is None
    assert int((second.header("Range") or "bytes=0-").removeprefix("bytes=").partition("-")[0]) >= 20_000


def test_what_an_image_says_is_no_code(bazel: Bazel) -> None:
    assert bazel.succeed("query", "kind(layout_directory, @hostile//...)").split() == [
        "@hostile//:index", "@hostile//:linux_amd64___fail__x___"
    ]  # fmt: skip


def test_lists_in_lists(bazel: Bazel) -> None:
    names = bazel.succeed("query", "kind(layout_directory, @nested//...)").split()
    assert names == [f"@nested//:{name}" for name in ("index", "linux_amd64", "linux_arm64_v8", "linux_arm_v6", "linux_arm_v7")]
    bazel.succeed("build", "@nested//:index")
    (directory,) = (bazel.workspace / "bazel-bin" / "external").glob("*nested/index")
    succeed(pyskopeo_here("verify", "--all", f"oci:{directory}"))


def test_an_image_without_a_digest_is_refused(bazel: Bazel) -> None:
    said = bazel.fail("build", "@floating//:image")
    assert "has no digest: set `digest`, or `reproducible = False`" in said


def test_the_users_credentials_are_used(bazel: Bazel, tokens: TokenServer) -> None:
    for name, requests in {"private": 1, "by_file": 1, "by_helper": 0}.items():
        before = len(tokens.requests)
        bazel.succeed("build", f"@{name}//:image")
        assert len(tokens.requests) - before == requests


def test_one_token_for_all_that_bazel_downloads_itself(bazel: Bazel, private: Simulator, tokens: TokenServer) -> None:
    before, asked = len(private.requests), len(tokens.requests)
    helper = "--credential_helper=127.0.0.1=%workspace%/credentials"
    bazel.succeed("build", "@downloads//:all", helper, "--credential_helper_timeout=60s")
    blobs = [request for request in private.requests[before:] if "/blobs/" in request.path]
    assert sorted(request.path.rpartition("/")[2] for request in blobs) == sorted(MANY.layer_digests())
    assert len(tokens.requests) - asked == 1


@pytest.mark.peer("bazel")
def test_a_workspace_in_bazel_4(served: ServedRegistry, single_file: Path, tmp_path: Path) -> None:
    """A tag is pulled too, if that is what the user wants; the digest is printed."""
    # Every test has it as an input, and only for coverage it is needed.
    unused = tmp_path / "remote_coverage_tools"
    unused.mkdir()
    (unused / "WORKSPACE").touch()
    (unused / "BUILD").write_text('filegroup(name = "coverage_report_generator", visibility = ["//visibility:public"])')
    shallow = f"{served.host}/team/base@{LIST.digest}"
    with Bazel(run_here, tmp_path, options=[f"--override_repository={unused.name}={unused}"]) as bazel:
        bazel.write(
            "WORKSPACE",
            documented("local_repository", served, single_file)
            + pull("single", f"{served.host}/team/single:1", rule="pyskopeo_pull", reproducible=False, python="//:python")
            + 'pyskopeo_tool(name = "old", urls = ["https://example.com/pyskopeo-{version}.pyz"], version = "0.0.9")\n'
            + pull("shallow", shallow, rule="pyskopeo_pull", layers="none", tool="//:program", timeout=60),
        )
        started = f"#!/bin/sh\necho $(basename $0) >>{bazel.workspace}/started\nexec "
        bazel.write("python", f'{started}python3 "$@"', mode=0o755)
        # In the place of the executable for Linux.
        bazel.write("program", f'{started}python3 -I -S {single_file} "$@"', mode=0o755)
        fill(bazel, served, single_file)
        lock(bazel, served)
        done = bazel("test", "//...", ":locked", "--test_output=all")
        assert done.returncode == 0, done.stderr
        assert f'for the same image in each build: digest = "{SINGLE.digest}"' in done.stderr
        assert has(bazel.built("app"), LIST, AMD64.digest)
        assert has(bazel.built("full"), LIST, AMD64.digest)
        assert has(bazel.built("locked"), LOCKED, LOCKED.digest)
        assert set((bazel.workspace / "started").read_text().split()) == {"python", "program"}
        assert "versions.bzl has no hash of pyskopeo-0.0.9.pyz" in bazel.fail("build", "@old//:launcher")
