"""``ls`` of a repository: its tags, and what they refer to."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyskopeo
from tests.support.access import access_for
from tests.support.cli import Done, fatal, pyskopeo_here, succeed
from tests.support.faults import Refuse, SetHeaders
from tests.support.images import ArtifactSpec, ImageSpec, IndexSpec, LayerSpec, PlatformSpec, build
from tests.support.simulator import Simulator

ARM = PlatformSpec("arm64", variant="v8")
IMAGE, BOM = build("oci"), build(ArtifactSpec())
MULTI = build(IndexSpec((ImageSpec(), ImageSpec(layers=(LayerSpec("arm"),), platform=ARM)), attestations=True))
FOREIGN = build(IndexSpec((ImageSpec(platform=PlatformSpec("s390x")),)))


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with Simulator(page_size=3) as running:
        for tag in ("1.9", "1.10", "1.10-alpine"):
            running.add(IMAGE, "team/app", tag)
        running.add(MULTI, "team/app", "latest")
        running.add(FOREIGN, "team/app", "mainframe")
        running.add(BOM, "team/app", "packages")
        yield running


def ls(registry: Simulator, *words: str, name: str = "team/app") -> Done:
    return pyskopeo_here("ls", "--tls-verify=false", *words, f"docker://{registry.host}/{name}")


def details(registry: Simulator, *words: str) -> dict[str, Any]:
    found = json.loads(succeed(ls(registry, "--long", "--json", *words)).stdout)
    return {one["tag"]: one for one in found["tags"]}


def content(image: Any, digest: str) -> int:
    return len(image.config(digest)) + sum(len(image.blobs[one]) for one in image.layer_digests(digest))


def test_tags_are_plain_lines_in_natural_order(registry: Simulator) -> None:
    assert succeed(ls(registry)).stdout.decode() == "1.9\n1.10\n1.10-alpine\nlatest\nmainframe\npackages\n"
    assert {request.path.rpartition("/")[2] for request in registry.requests} <= {"v2", "", "list"}


@pytest.mark.parametrize(
    ("words", "tags"),
    [
        (["--filter", "^1"], ["1.9", "1.10", "1.10-alpine"]),
        (["--semver", ">=1.10"], ["1.10"]),
        (["--sort", "registry"], ["1.10", "1.10-alpine", "1.9", "latest", "mainframe", "packages"]),
    ],
)
def test_tags_are_chosen_and_ordered_as_by_list_tags(words: list[str], tags: list[str], registry: Simulator) -> None:
    assert json.loads(succeed(ls(registry, "--json", *words)).stdout)["tags"] == tags


def test_details(registry: Simulator) -> None:
    found = details(registry, "--override-arch", "amd64")
    assert list(found) == ["1.9", "1.10", "1.10-alpine", "latest", "mainframe", "packages"]
    amd = MULTI.child(0).digest
    assert found["latest"] == {
        "tag": "latest", "digest": MULTI.digest, "mediaType": MULTI.root.media_type, "size": content(MULTI, amd),
        "created": "2024-02-03T04:05:01.123456789Z", "platforms": ["linux/amd64", "linux/arm64/v8"],
    }  # fmt: skip
    assert (found["1.9"]["digest"], found["1.9"]["platforms"]) == (IMAGE.digest, ["linux/amd64"])
    # Without an image for this platform: those of the first image.
    assert (found["mainframe"]["size"], found["mainframe"]["platforms"]) == (content(FOREIGN, FOREIGN.child(0).digest), ["linux/s390x"])
    packages = found["packages"]
    assert (packages["artifactType"], packages["created"], packages["platforms"]) == (ArtifactSpec().artifact_type, None, [])


def test_another_platform(registry: Simulator) -> None:
    arm = MULTI.child(1).digest
    assert details(registry, "--platform", "linux/arm64", "--filter", "latest")["latest"]["size"] == content(MULTI, arm)


def test_what_tags_share_is_read_once_and_no_layer(registry: Simulator) -> None:
    details(registry, "--filter", "^1", "--override-arch", "amd64")
    counted = Counter(request.path.rpartition("/")[2] for request in registry.requests)
    assert [counted[tag] for tag in ("1.9", "1.10", "1.10-alpine")] == [1, 1, 1]
    assert counted[IMAGE.config_digest()] == 1
    assert not [layer for layer in IMAGE.layer_digests() if layer in counted]


def test_a_tag_that_cannot_be_read_is_an_error_and_the_others_are_shown(registry: Simulator) -> None:
    registry.on("/v2/*/manifests/1.10", Refuse(404))
    done = ls(registry, "--long", "--override-arch", "amd64")
    assert done.code == 1
    rows = done.stdout.decode().splitlines()
    assert len(rows) == 7
    assert rows[0].split() == ["TAG", "DIGEST", "SIZE", "CREATED", "PLATFORMS"]
    (wrong,) = (row for row in rows if row.startswith("1.10 "))
    assert "(" in wrong
    assert "level=error" in done.stderr
    assert "1.10: " in done.stderr
    assert rows[1].split() == ["1.9", IMAGE.digest, *rows[1].split()[2:]]


def test_a_registry_that_accepts_no_more_requests_ends_the_command(registry: Simulator) -> None:
    registry.on("/v2/*/manifests/*", Refuse(429))
    done = ls(registry, "--long", "--retry-times", "0")
    assert (done.code, done.stdout) == (1, b"")
    assert "429" in done.stderr


@pytest.mark.parametrize("words", [[], ["--long"], ["--json"]])
def test_a_list_that_may_go_on_is_printed_and_an_error(words: list[str], registry: Simulator) -> None:
    registry.on("/v2/*/tags/list", SetHeaders({"Link": "garbage"}))
    done = ls(registry, "--override-arch", "amd64", *words)
    assert done.code == 1
    assert "1.10-alpine" in done.stdout.decode()
    assert "only 3 tags could be read" in done.stderr


def test_a_repository_that_is_not_there(registry: Simulator) -> None:
    assert "Error listing repository tags" in fatal(ls(registry, name="no/thing"))


@pytest.mark.parametrize("words", [["--files"], ["--layer", "1"], ["/bin"]])
def test_files_of_the_image_latest(words: list[str], registry: Simulator) -> None:
    """A path, --layer and --files are about files; so is a name with a tag."""
    words = [*words, "--override-arch", "amd64"]
    path = [word for word in words if word.startswith("/")]
    flags = [word for word in words if not word.startswith("/")]
    name = f"docker://{registry.host}/team/app"
    for one in (name, f"{name}:latest"):
        assert b"bin" in succeed(pyskopeo_here("ls", "--tls-verify=false", *flags, one, *path)).stdout


@pytest.mark.parametrize("flag", ["--filter", "--semver"])
def test_tags_are_not_chosen_where_files_are_listed(flag: str, registry: Simulator) -> None:
    assert "for the tags of a repository" in fatal(ls(registry, flag, "1", name="team/app:latest"))


@pytest.mark.anyio
async def test_a_program_gets_values(registry: Simulator, tmp_path: Path) -> None:
    access = access_for(tmp_path)
    found = await pyskopeo.list_tag_details(f"docker://{registry.host}/team/app", pattern="^1", access=access)
    assert [(one.tag, str(one.digest), one.problem) for one in found] == [
        ("1.9", IMAGE.digest, ""), ("1.10", IMAGE.digest, ""), ("1.10-alpine", IMAGE.digest, ""),
    ]  # fmt: skip
    with pytest.raises(pyskopeo.InvalidName, match="No tag or digest allowed"):
        await pyskopeo.list_tag_details(f"docker://{registry.host}/team/app:latest", access=access)
