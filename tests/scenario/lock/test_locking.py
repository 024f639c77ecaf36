"""``lock``: what is recorded, what is kept, what has moved."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

import pyskopeo
from pyskopeo.errors import InvalidInput, InvalidName, NotFound
from tests.support.access import access_for
from tests.support.cli import fatal, pyskopeo_here, succeed
from tests.support.exchange import Response
from tests.support.faults import Refuse
from tests.support.images import ArtifactSpec, BuiltImage, build
from tests.support.simulator import Simulator

from .locks import APP, BLOBS, EVERY, MOVED, MULTI, TOOL, listing, lock, read

INDEX = "application/vnd.oci.image.index.v1+json"


def test_a_lock(registry: Simulator, folder: Path) -> None:
    done = succeed(lock(folder))
    assert done.stdout == b""
    assert "images.lock: 3 images, 3 new, 0 changed, 0 removed" in done.stderr
    found = read(folder)
    host = registry.host
    assert list(found["images"]) == sorted([f"{host}/team/app:1.0", f"{host}/team/tool:3.0", "multi"])
    app, multi, tool = (found["images"][name] for name in (f"{host}/team/app:1.0", "multi", f"{host}/team/tool:3.0"))
    assert app["reference"] == f"{host}/team/app:1.0@{APP.digest}"
    assert tool["reference"] == f"{host}/team/tool:3.0@{TOOL.digest}"
    assert (multi["reference"], multi["platforms"]) == (f"{host}/team/multi:2.0@{MULTI.digest}", ["linux/amd64", "linux/arm64/v8"])
    assert [one["digest"] for one in multi["manifests"]] == [MULTI.child(0).digest, MULTI.child(1).digest]
    assert app["sources"] == [f"{host}/team/app"]
    needed = {APP.digest, TOOL.digest, MULTI.digest, MULTI.child(0).digest, MULTI.child(1).digest}
    assert set(found["manifests"]) == needed
    raws = {digest: one.raw for image in EVERY for digest, one in image.manifests.items()}
    assert {digest: base64.b64decode(one["data"]) for digest, one in found["manifests"].items()} == {digest: raws[digest] for digest in needed}
    assert {digest: blob["size"] for digest, blob in found["blobs"].items()} == {
        digest: len(content) for digest, content in BLOBS.items() if digest in found["blobs"]
    }
    # No blob was fetched for it, and nothing about credentials is in it.
    assert not any("/blobs/" in line for line in registry.log)
    assert "tls-verify" not in (folder / "images.lock").read_text()


def test_it_is_the_same_again_and_elsewhere(registry: Simulator, folder: Path, tmp_path: Path) -> None:
    succeed(lock(folder))
    first = (folder / "images.lock").read_bytes()
    os.utime(folder / "images.lock", (1, 1))
    asked = len(registry.requests)
    assert "3 images, unchanged" in succeed(lock(folder)).stderr
    assert registry.log[asked:] == []
    assert (folder / "images.lock").stat().st_mtime == 1
    # The order of the list makes no difference, nor does the path of the lock.
    lines = listing(registry).splitlines(keepends=True)
    (folder / "other.yaml").write_text("".join([*lines[:4], lines[-1], *lines[4:-1]]))
    succeed(pyskopeo_here("lock", folder / "other.yaml", "-o", folder / "elsewhere"))
    assert (folder / "elsewhere").read_bytes() == first
    assert succeed(lock(folder, "-o", "-")).stdout == first


def test_every_platform_without_a_list_of_them(registry: Simulator, tmp_path: Path) -> None:
    (tmp_path / "images.yaml").write_text(f"{registry.host}: {{tls-verify: false, images: {{team/multi: ['2.0']}}}}")
    succeed(lock(tmp_path))
    found = read(tmp_path)
    assert set(found["manifests"]) == set(MULTI.manifests)
    assert set(found["blobs"]) == set(MULTI.blobs)


def test_platforms_of_a_registry(registry: Simulator, tmp_path: Path) -> None:
    (tmp_path / "images.yaml").write_text(
        f"{registry.host}: {{tls-verify: false, platforms: [linux/arm64/v8], images: {{team/multi: ['2.0'], team/app: []}}}}"
    )
    succeed(lock(tmp_path))
    assert set(read(tmp_path)["manifests"]) == {MULTI.digest, MULTI.child(1).digest, APP.digest}


def test_a_platform_that_is_not_there(registry: Simulator, folder: Path) -> None:
    path = folder / "images.yaml"
    path.write_text(path.read_text().replace("linux/arm64/v8", "linux/riscv64"))
    message = fatal(lock(folder))
    assert message.startswith("locking multi: ")
    assert "riscv64" in message
    assert not (folder / "images.lock").exists()


def test_upstream_has_moved(registry: Simulator, locked: Path) -> None:
    before = (locked / "images.lock").read_bytes()
    done = succeed(lock(locked, "--check"))
    assert done.stdout.decode().endswith("images.lock: 3 images, as locked\n")
    assert sum("/manifests/" in line for line in registry.log) > 0
    asked = len(registry.requests)
    succeed(lock(locked, "--check"))
    # One HEAD for each tag that could move; none for what is named by its digest.
    assert sorted(line for line in registry.log[asked:] if "/manifests/" in line) == [
        "HEAD /v2/team/app/manifests/1.0", "HEAD /v2/team/multi/manifests/2.0",
    ]  # fmt: skip
    registry.add(MOVED, "team/multi", "2.0")
    done = lock(locked, "--check")
    assert done.code == 1
    amd64 = MOVED.child(0).digest  # attestations, which differ too, are not asked for
    fresh = [digest for digest in (MOVED.config_digest(amd64), *MOVED.layer_digests(amd64)) if digest not in MULTI.blobs]
    assert done.stdout.decode().splitlines() == [
        "multi: it has moved",
        f"  {registry.host}/team/multi:2.0: {MULTI.digest} is now {MOVED.digest}",
        f"  linux/amd64: {MULTI.child(0).digest} is now {MOVED.child(0).digest}",
        f"  {len(fresh)} of 5 blobs are new, {sum(len(MOVED.blobs[digest]) for digest in fresh)} bytes",
    ]
    assert (locked / "images.lock").read_bytes() == before


def lines(folder: Path) -> set[str]:
    """The lines of a lock, without the commas between them."""
    return {line.rstrip(",") for line in (folder / "images.lock").read_text().splitlines()}


def test_only_what_is_named_is_updated(registry: Simulator, locked: Path) -> None:
    before = lines(locked)
    other = build("oci")
    registry.add(MOVED, "team/multi", "2.0")
    registry.add(other, "team/app", "1.0")
    assert "unchanged" in succeed(lock(locked)).stderr
    asked = len(registry.requests)
    assert "0 new, 1 changed" in succeed(lock(locked, "--update", "multi")).stderr
    assert not any("/team/app/" in line for line in registry.log[asked:])
    # What has changed in the file is of that image, too.
    gone = {digest for digest in (*MULTI.manifests, *MULTI.blobs) if digest not in (*MOVED.manifests, *MOVED.blobs)}
    changed = [line.split('"')[1] for line in before - lines(locked)]
    assert "multi" in changed
    assert set(changed) <= {"multi", *gone}
    assert read(locked)["images"]["multi"]["digest"] == MOVED.digest
    assert "0 new, 1 changed" in succeed(lock(locked, "--update")).stderr
    assert read(locked)["images"][f"{registry.host}/team/app:1.0"]["digest"] == other.digest


def test_what_the_list_says_now(registry: Simulator, locked: Path) -> None:
    """New images, others platforms, a pinned digest, and what is no longer named: without --update."""
    path = locked / "images.yaml"
    text = path.read_text()
    path.write_text(text.replace("linux/amd64, ", "").replace("team/app", "team/tool2") + "    team/app: []\n")
    registry.add(TOOL, "team/tool2", "1.0")
    done = lock(locked, "--check")
    assert done.code == 1
    host = registry.host
    assert [line for line in done.stdout.decode().splitlines() if not line.startswith("  ")] == [
        f"{host}/team/tool2:1.0: it is not locked",
        f"multi: {host}/team/multi:2.0 for linux/arm64/v8 is asked for, {host}/team/multi:2.0@{MULTI.digest} for linux/amd64, linux/arm64/v8 is locked",
    ]
    assert "1 new, 0 changed, 0 removed" in succeed(lock(locked)).stderr
    assert set(read(locked)["manifests"]) == {APP.digest, TOOL.digest, MULTI.digest, MULTI.child(1).digest}
    path.write_text(text.replace(f"@{TOOL.digest}", f"@{APP.digest}").replace("team/app", "team/tool2"))
    registry.add(APP, "team/tool", None)
    assert "0 new, 1 changed, 1 removed" in succeed(lock(locked)).stderr
    assert read(locked)["images"][f"{host}/team/tool:3.0"]["digest"] == APP.digest


def test_an_image_that_is_gone(registry: Simulator, locked: Path) -> None:
    unknown = b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}'
    registry.on_manifest("1.0", Refuse(404, body=unknown), methods=("GET", "HEAD"))
    done = lock(locked, "--check")
    assert done.code == 1
    assert done.stdout.decode().splitlines()[0].startswith(f"{registry.host}/team/app:1.0: it is gone: ")
    message = fatal(lock(locked, "--update"), 2)
    assert message.startswith(f"locking {registry.host}/team/app:1.0: ")


def test_other_formats(registry: Simulator, locked: Path) -> None:
    nix = succeed(lock(locked, "--format", "nix")).stdout.decode()
    assert f'"imageDigest" = "{MULTI.digest}";' in nix
    assert f'"linux/arm64/v8" = "{MULTI.child(1).digest}";' in nix
    lines = succeed(lock(locked, "--format=buildozer")).stdout.decode().splitlines()
    assert lines[-1] == (
        f"buildozer 'set digest \"{MULTI.digest}\"' 'remove tag' 'remove platforms' "
        "'add platforms \"linux/amd64\" \"linux/arm64/v8\"' MODULE.bazel:multi"
    )
    assert lines[0].endswith("'remove tag' MODULE.bazel:" + f"{registry.host}/team/app:1.0".replace(":", "_").replace("/", "_"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--check", "--update"), "--check compares"),
        (("multi",), "names of images are for --update"),
        (("--update", "nope"), "names no image 'nope'"),
        (("-o", "-", "--format", "nix"), "the lock cannot go there"),
        (("--override-arch", "arm64"), "name platforms in "),
        (("--format", "toml"), "want one of json, nix, buildozer"),
    ],
)
def test_flags_that_do_not_go_together(locked: Path, words: tuple[str, ...], expected: str) -> None:
    assert expected in fatal(lock(locked, *words))


def test_a_list_that_is_the_lock(folder: Path) -> None:
    (folder / "images.lock").write_text("{}")
    assert "want -o PATH" in fatal(pyskopeo_here("lock", folder / "images.lock"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "names no images"),
        ("HOST: {images: {team/app: [{name: x}]}}", "an image needs a tag or a digest"),
        ("HOST: {images: {team/app: [{tag: x, nmae: x}]}}", "unknown key 'nmae'"),
        ("HOST: {images: {team/app: [{tag: '1.0', name: ../x}]}}", "Invalid image '../x'"),
        ("HOST: {images: {team/app: [{tag: '1.0', name: x}], team/tool: [{tag: '3.0', name: x}]}}", "both have the name x"),
        ("HOST: {platforms: linux, images: {team/app: ['1.0']}}", "want a list of platforms"),
        ("HOST: {platforms: [linux], images: {team/app: ['1.0']}}", "invalid platform"),
        ("HOST: {images: {team/app: ['1.0@sha256:xyz']}}", "neither a tag nor a digest"),
        ("HOST: {images: {team/app: ['@sha256:xyz']}}", "neither a tag nor a digest"),
        ("HOST: {images: {Team: ['1.0']}}", "must be lowercase"),
        ("HOST: {images-by-tag-regex: {team/app: '('}}", "error parsing regexp"),
    ],
)
def test_lists_that_are_refused(registry: Simulator, tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "images.yaml").write_text(text.replace("HOST", registry.host))
    message = fatal(lock(tmp_path))
    assert expected in message
    assert not (tmp_path / "images.lock").exists()


def test_tags_that_match(registry: Simulator, tmp_path: Path) -> None:
    registry.add(TOOL, "team/app", "1.1")
    (tmp_path / "images.yaml").write_text(f"{registry.host}: {{tls-verify: false, images-by-tag-regex: {{team/app: '^1'}}}}")
    succeed(lock(tmp_path))
    assert list(read(tmp_path)["images"]) == [f"{registry.host}/team/app:1.0", f"{registry.host}/team/app:1.1"]


def test_mirrors_are_sources(registry: Simulator, folder: Path, tmp_path: Path) -> None:
    conf = tmp_path / "registries.conf"
    conf.write_text(f'[[registry]]\nlocation = "{registry.host}/team"\n[[registry.mirror]]\nlocation = "localhost:1/cache"\npull-from-mirror = "digest-only"\n')
    succeed(lock(folder, "--registries-conf", conf))
    found = read(folder)
    assert found["images"]["multi"]["sources"] == ["localhost:1/cache/multi", f"{registry.host}/team/multi"]


def test_sync_passes_over_what_is_for_locks(registry: Simulator, folder: Path) -> None:
    done = succeed(pyskopeo_here("sync", "--src", "yaml", "--dest", "dir", "--all", "--scoped", folder / "images.yaml", folder / "out"))
    assert "Names and platforms are for lock files" in done.stderr
    # A tag with a digest is the tag at the destination.
    found = {path.parent.relative_to(folder / "out" / registry.host).as_posix() for path in (folder / "out").rglob("version")}
    assert found == {"team/app:1.0", "team/multi:2.0", "team/tool:3.0"}


@pytest.mark.anyio
async def test_the_library(registry: Simulator, folder: Path) -> None:
    source, access = str(folder / "images.yaml"), access_for(folder)
    lock = await pyskopeo.lock_images(source, access=access)
    assert lock.images["multi"].digest == pyskopeo.Digest.parse(MULTI.digest)
    assert await pyskopeo.check_lock(source, lock, access=access) == ()
    registry.add(MOVED, "team/multi", "2.0")
    (change,) = await pyskopeo.check_lock(source, lock, access=access)
    assert (change.name, str(change.before), str(change.after)) == ("multi", MULTI.digest, MOVED.digest)
    updated = await pyskopeo.lock_images(source, lock, update={"multi"}, access=access)
    assert str(updated.images["multi"].digest) == MOVED.digest
    assert pyskopeo.write_lock(folder / "x.lock", updated)
    assert pyskopeo.read_lock(folder / "x.lock") == updated
    with pytest.raises(InvalidName):
        await pyskopeo.lock_images(source, lock, update={"nope"}, access=access)
    (folder / "images.yaml").write_text(listing(registry).replace("1.0", "9.9"))
    with pytest.raises(NotFound, match="locking"):
        await pyskopeo.lock_images(source, access=access)
    (folder / "images.yaml").write_text("[]")
    with pytest.raises(InvalidInput):
        await pyskopeo.lock_images(source, access=access)


def test_a_lock_that_is_spoiled_is_not_replaced(locked: Path) -> None:
    path = locked / "images.lock"
    path.write_text(path.read_text().replace('"lockVersion": 1', '"lockVersion": 7'))
    before = path.read_bytes()
    assert "lockVersion is 7" in fatal(lock(locked, "--update"))
    assert path.read_bytes() == before
    assert json.loads(before)["lockVersion"] == 7


def test_referrers(registry: Simulator, locked: Path) -> None:
    """By the registry's list, in pages, or without it by the tag of the digest."""
    assert "referrers" not in read(locked)["images"]["multi"]
    signature = build(ArtifactSpec("application/vnd.example.signature", annotations={"key": "\u00e9"}))
    sbom = build(ArtifactSpec("application/vnd.example.sbom", content=b"{}"))

    def described(image: BuiltImage, **more: object) -> dict[str, object]:
        return {"mediaType": image.root.media_type, "digest": image.digest, "size": len(image.root.raw), **more}

    def index(*entries: object) -> bytes:
        return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()

    one, other = described(signature, artifactType="a/b", annotations={"key": "\u00e9"}), described(sbom)
    path = f"/v2/team/multi/referrers/{MULTI.digest}"
    registry.routes[path] = Response(200, (("Content-Type", INDEX), ("Link", f'<{path}2>; rel="next"')), index(one))
    registry.routes[f"{path}2"] = Response(200, (("Content-Type", INDEX),), index(other))
    tag = TOOL.digest.replace(":", "-")
    registry.routes[f"/v2/team/tool/manifests/{tag}"] = Response(200, (("Content-Type", INDEX),), index(other))
    succeed(lock(locked, "--referrers"))
    images = read(locked)["images"]
    assert images["multi"]["referrers"] == sorted([one, other], key=lambda each: str(each["digest"]))
    assert images[f"{registry.host}/team/tool:3.0"]["referrers"] == [other]
    assert images[f"{registry.host}/team/app:1.0"]["referrers"] == []
    asked = len(registry.requests)
    assert "unchanged" in succeed(lock(locked, "--referrers")).stderr
    assert "unchanged" in succeed(lock(locked)).stderr
    assert registry.log[asked:] == []


def test_referrers_elsewhere_and_without_end(registry: Simulator, locked: Path) -> None:
    path = f"/v2/team/multi/referrers/{MULTI.digest}"
    page = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).encode()
    for link, expected in (("http://evil.example/x", "is on http://evil.example: refused"), (path, "more than 100 pages")):
        registry.routes[path] = Response(200, (("Content-Type", INDEX), ("Link", f'<{link}>; rel="next"')), page)
        assert expected in fatal(lock(locked, "--referrers"))
    registry.routes[path] = Response(200, (("Content-Type", INDEX),), APP.root.raw)
    assert "manifest" in fatal(lock(locked, "--referrers"))
    registry.routes[path] = Response(403, (), b"")
    fatal(lock(locked, "--referrers"))
