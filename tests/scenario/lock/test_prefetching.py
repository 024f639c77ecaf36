"""``prefetch``: what is fetched, from where, what is not, and what is refused."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import pyskopeo
from pyskopeo.errors import ContentMismatch, InvalidInput, Offline
from tests.support.access import access_for
from tests.support.caches import build_cache
from tests.support.cli import fatal, pyskopeo_here, succeed
from tests.support.commands import environment, started
from tests.support.event_schema import events
from tests.support.faults import Body, Delay, Flip, Refuse, Stall
from tests.support.images import ImageSpec, IndexSpec, LayerSpec, build
from tests.support.processes import any_file, free_port, wait_until
from tests.support.pulling import check_layout
from tests.support.simulator import BasicGate, Simulator
from tests.support.trees import tree

from .locks import APP, BLOBS, EVERY, MOVED, MULTI, TOOL, change, files, lock, names, prefetch

WANTED = {
    *(digest for image in (APP, TOOL) for digest in (*image.manifests, *image.blobs)),
    MULTI.digest, MULTI.child(0).digest, MULTI.child(1).digest,
    *(digest for child in (0, 1) for digest in (*MULTI.layer_digests(MULTI.child(child).digest), MULTI.config_digest(MULTI.child(child).digest))),
}  # fmt: skip
BIG = build(ImageSpec(layers=(LayerSpec("small"), LayerSpec("big", size=3_000_000))))
FETCHED = {digest for digest in WANTED if digest in BLOBS}


def gets(registry: Simulator, since: int = 0) -> Counter[str]:
    """How often each blob was requested."""
    lines = [line for line in registry.log[since:] if "/blobs/" in line]
    assert all(line.startswith("GET ") for line in lines)
    return Counter(line.rpartition("/")[2] for line in lines)


def test_into_a_layout(registry: Simulator, locked: Path) -> None:
    asked = len(registry.requests)
    layout = locked / "layout"
    succeed(prefetch(locked, "--dest", f"oci:{layout}"))
    check_layout(layout)
    assert files(layout) == WANTED
    assert names(layout) == {f"{registry.host}/team/app:1.0": APP.digest, f"{registry.host}/team/tool:3.0": TOOL.digest, "multi": MULTI.digest}
    # Each blob once, though images share them, and no manifest.
    assert gets(registry, asked) == dict.fromkeys(FETCHED, 1)
    assert not any("/manifests/" in line for line in registry.log[asked:])
    for digest, content in BLOBS.items():
        if digest in WANTED:
            assert (layout / "blobs" / digest.replace(":", "/")).read_bytes() == content


def test_events_for_programs(registry: Simulator, locked: Path) -> None:
    found = events(succeed(prefetch(locked, "--dest", f"oci:{locked}/layout", "--progress=json")).lines)
    finished = {event["image"]: event["status"] for event in found if event["event"] == "ImageFinished"}
    assert set(finished.values()) == {"copied"}
    assert f"docker://{registry.host}/team/app:1.0@{APP.digest}" in finished
    assert {event["image"] for event in found if event["event"] == "BlobFinished"} == set(finished)
    assert (found[-1]["event"], found[-1]["copied"]) == ("SyncFinished", 3)


def test_the_same_lock_gives_the_same_bytes(registry: Simulator, locked: Path) -> None:
    """However many images are fetched at once, and whichever is the first to be complete."""
    first = MULTI.layer_digests(MULTI.child(0).digest)[1]
    for jobs, slow in ((1, APP.config_digest()), (8, first), (8, TOOL.config_digest())):
        registry.heal()
        registry.on_blob(slow, Delay(0.3))
        succeed(prefetch(locked, "--dest", f"oci:{locked}/{jobs}-{slow[-5:]}", "--jobs", jobs))
    one, *others = [tree(path) for path in locked.glob("[18]-*")]
    assert len(others) == 2
    assert all(other == one for other in others)


def test_what_is_complete_needs_no_request(registry: Simulator, locked: Path) -> None:
    for words in (("--dest", f"oci:{locked}/layout"), ("--store", locked / "store"), ("--store", locked / "store", "--dest", f"oci:{locked}/other")):
        succeed(prefetch(locked, *words))
        asked = len(registry.requests)
        succeed(prefetch(locked, *words))
        assert registry.log[asked:] == [], words
        # Nor with another registry behind the names, nor without any.
        assert succeed(prefetch(locked, *words, "--offline")).stdout == b""
    assert registry.log[asked:] == []


def test_nothing_for_requests_is_loaded_where_nothing_is_missing(locked: Path) -> None:
    succeed(prefetch(locked, "--dest", f"oci:{locked}/layout"))
    code = f"""
import sys
from pyskopeo.cli.main import main
assert main(["prefetch", "{locked}/images.lock", "--dest", "oci:{locked}/layout"]) == 0
print(sorted({{"httpx", "pyskopeo.registry.session", "rich", "yaml"}} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_into_the_store(registry: Simulator, locked: Path) -> None:
    store = locked / "store"
    succeed(prefetch(locked, "--store", store))
    assert files(store) == WANTED
    listed = json.loads(succeed(pyskopeo_here("store", "ls", "--json", "--store", store)).stdout)
    assert {image["digest"]: image["complete"] for image in listed} == {APP.digest: True, TOOL.digest: True, MULTI.digest: True}
    # A later copy by digest finds everything there.
    asked = len(registry.requests)
    succeed(pyskopeo_here("copy", "--store", store, f"docker://{registry.host}/team/app@{APP.digest}", f"oci:{locked}/out"))
    assert registry.log[asked:] == []


def test_from_the_store_into_a_layout(registry: Simulator, locked: Path) -> None:
    store = locked / "store"
    succeed(prefetch(locked, "--store", store))
    asked = len(registry.requests)
    succeed(prefetch(locked, "--store", store, "--dest", f"oci:{locked}/layout"))
    assert registry.log[asked:] == []
    check_layout(locked / "layout")
    assert files(locked / "layout") == WANTED


def test_a_store_that_cannot_be_written(registry: Simulator, locked: Path) -> None:
    """What a copy would fetch elsewhere is an error here."""
    store = locked / "store"
    (store / "blobs").mkdir(parents=True)
    (store / "blobs" / "sha256").write_text("in the way")
    assert str(store) in fatal(prefetch(locked, "--store", store))


def test_one_platform_and_several(registry: Simulator, locked: Path) -> None:
    amd64 = MULTI.child(0)
    succeed(prefetch(locked, "multi", "--dest", f"oci:{locked}/one", "--platform", "linux/amd64"))
    assert names(locked / "one") == {"multi": amd64.digest}
    assert files(locked / "one") == {amd64.digest, MULTI.config_digest(amd64.digest), *MULTI.layer_digests(amd64.digest)}
    succeed(prefetch(locked, "multi", "--dest", f"oci:{locked}/other", "--override-arch", "amd64"))
    assert names(locked / "other") == {"multi": amd64.digest}
    both = ("--platform", "linux/amd64", "--platform", "linux/arm64")
    succeed(prefetch(locked, "multi", "--dest", f"oci:{locked}/both:other", *both))
    assert names(locked / "both") == {"other": MULTI.digest}
    assert amd64.digest in files(locked / "both")


def test_everything_of_an_index(registry: Simulator, tmp_path: Path) -> None:
    """Attestations, nested indexes, and the blobs of a build cache."""
    cache, nested = build_cache(), build(IndexSpec((IndexSpec((ImageSpec(),)), ImageSpec(layers=(LayerSpec("x"),)))))
    registry.add(cache, "team/cache", "1")
    registry.add(nested, "team/nested", "1")
    images = "{team/multi: ['2.0'], team/cache: [{tag: '1', name: cache}], team/nested: [{tag: '1', name: nested}]}"
    (tmp_path / "images.yaml").write_text(f"{registry.host}: {{tls-verify: false, images: {images}}}")
    succeed(lock(tmp_path))
    asked = len(registry.requests)
    succeed(prefetch(tmp_path, "--dest", f"oci:{tmp_path}/layout"))
    check_layout(tmp_path / "layout")
    needed = {digest for image in (MULTI, cache, nested) for digest in (*image.manifests, *image.blobs)}
    assert files(tmp_path / "layout") == needed
    assert not any("/manifests/" in line for line in registry.log[asked:])
    assert succeed(prefetch(tmp_path, "--dest", f"oci:{tmp_path}/layout", "--offline")).stdout == b""
    succeed(pyskopeo_here("verify", f"oci:{tmp_path}/layout"))


def test_what_is_not_in_the_lock(registry: Simulator, folder: Path) -> None:
    path = folder / "images.yaml"
    path.write_text(path.read_text().replace(", linux/arm64/v8", ""))
    succeed(pyskopeo_here("lock", path))
    asked = len(registry.requests)
    message = fatal(prefetch(folder, "multi", "--dest", f"oci:{folder}/out", "--platform", "linux/arm64"))
    assert f"manifest {MULTI.child(1).digest} for linux/arm64/v8 of multi is not in the lock" in message
    assert "riscv64" in fatal(prefetch(folder, "multi", "--dest", f"oci:{folder}/out", "--platform", "linux/riscv64"))
    assert "no image 'nope' is locked" in fatal(prefetch(folder, "nope", "--dest", f"oci:{folder}/out"))
    assert registry.log[asked:] == []
    assert not (folder / "out").exists()


def test_offline(registry: Simulator, locked: Path) -> None:
    asked = len(registry.requests)
    done = prefetch(locked, "--dest", f"oci:{locked}/layout", "--offline")
    assert done.code == 3
    missing = json.loads(done.stdout)["missing"]
    assert [one["digest"] for one in missing] == sorted(FETCHED)
    total = sum(len(BLOBS[digest]) for digest in FETCHED)
    assert done.stderr.rstrip().endswith(f'images.lock: {len(FETCHED)} blobs missing, {total / 1024:.1f} KiB; without --offline they are fetched"')
    assert {one["digest"]: one["size"] for one in missing} == {digest: len(BLOBS[digest]) for digest in FETCHED}
    (base,) = [one for one in missing if one["digest"] == APP.layer_digests()[0]]
    assert base["sources"] == [f"{registry.host}/team/{name}" for name in ("app", "tool", "multi")]
    assert not (locked / "layout").exists()
    succeed(prefetch(locked, f"{registry.host}/team/app:1.0", "--dest", f"oci:{locked}/layout"))
    missing = json.loads(prefetch(locked, "--dest", f"oci:{locked}/layout", "--offline").stdout)["missing"]
    assert {one["digest"] for one in missing} == FETCHED - set(APP.blobs)
    assert len(registry.log[asked:]) > 0


def test_a_dry_run(registry: Simulator, locked: Path) -> None:
    asked = len(registry.requests)
    lines = succeed(prefetch(locked, "--dest", f"oci:{locked}/layout", "--dry-run")).stdout.decode().splitlines()
    total = sum(len(BLOBS[digest]) for digest in FETCHED)
    assert {line.split()[2] for line in lines[:-1]} == FETCHED
    assert lines[-1].startswith(f"3 images, {len(FETCHED)} blobs, ")
    assert lines[-1].endswith(f"; to fetch: {len(FETCHED)} blobs, {total / 1024:.1f} KiB ({total} bytes)")
    succeed(prefetch(locked, "--store", locked / "store", "--dry-run"))
    assert prefetch(locked, "--store", locked / "store", "--offline").code == 3
    assert registry.log[asked:] == []
    assert not (locked / "layout").exists()
    assert not (locked / "store").exists()
    succeed(prefetch(locked, "--dest", f"oci:{locked}/layout"))
    lines = succeed(prefetch(locked, "--dest", f"oci:{locked}/layout", "--dry-run")).stdout.decode().splitlines()
    assert len(lines) == 1
    assert lines[0].endswith("; to fetch: 0 blobs, 0 B (0 bytes)")


def test_a_registry_that_gives_something_else(registry: Simulator, locked: Path) -> None:
    """Its manifests are never asked for; a blob with other bytes is refused, and has no name afterwards."""
    registry.add(MOVED, "team/multi", "2.0")
    registry.on("/v2/*/manifests/*", Body(b"{}"))
    layer = MULTI.layer_digests(MULTI.child(0).digest)[1]
    registry.on_blob(layer, Flip(100))
    asked = len(registry.requests)
    message = fatal(prefetch(locked, "--dest", f"oci:{locked}/layout"))
    assert layer in message
    assert not any("/manifests/" in line for line in registry.log[asked:])
    assert layer not in files(locked / "layout")
    assert "multi" not in (names(locked / "layout") if (locked / "layout" / "index.json").exists() else {})
    registry.heal()
    succeed(prefetch(locked, "--dest", f"oci:{locked}/layout"))
    assert names(locked / "layout")["multi"] == MULTI.digest


def test_the_sources_in_order(registry: Simulator, locked: Path) -> None:
    """The first place is asked first; where it does not have a blob, or spoils it, the next one is."""
    layer, config = APP.layer_digests()[1], APP.config_digest()
    with Simulator(APP, "cache/app", "1.0") as cache:
        cache.on_blob(layer, Refuse(404))
        cache.on_blob(config, Flip(3))
        own, both = f'["{registry.host}/team/app"]', f'["{cache.host}/cache/app", "{registry.host}/team/app"]'
        change(locked, own, both)
        # The base layer has the sources of all images that need it, in order.
        change(locked, f'["{registry.host}/team/app", "{registry.host}/team/tool"', f'{both[:-1]}, "{registry.host}/team/tool"')
        asked = len(registry.requests)
        succeed(prefetch(locked, f"{registry.host}/team/app:1.0", "--dest", f"oci:{locked}/layout"))
        assert set(gets(cache)) == set(APP.blobs)
        assert set(gets(registry, asked)) == {layer, config}
    check_layout(locked / "layout")


def test_mirrors_of_this_machine(registry: Simulator, locked: Path, tmp_path: Path) -> None:
    with Simulator(APP, "mirror/app", "1.0") as mirror:
        conf = tmp_path / "registries.conf"
        conf.write_text(f'[[registry]]\nlocation = "{registry.host}/team"\n[[registry.mirror]]\nlocation = "{mirror.host}/mirror"\ninsecure = true\n')
        asked = len(registry.requests)
        succeed(prefetch(locked, f"{registry.host}/team/app:1.0", "--dest", f"oci:{locked}/layout", "--registries-conf", conf))
        assert set(gets(mirror)) == set(APP.blobs)
        assert registry.log[asked:] == []


def test_locations_and_mirrors_are_as_insecure_as_they_were_for_the_lock(folder: Path, registry: Simulator) -> None:
    """Though they have no entry of their own: without --tls-verify."""
    with Simulator(APP, "mirror/app", "1.0") as mirror:
        conf = folder / "registries.conf"
        conf.write_text(
            f'[[registry]]\nprefix = "example.com"\nlocation = "{registry.host}"\ninsecure = true\n'
            f'[[registry.mirror]]\nlocation = "{mirror.host}/mirror"\ninsecure = true\n'
        )
        (folder / "images.yaml").write_text("example.com: {images: {app: ['1.0'], team/tool: ['3.0']}}\n")
        registry.add(APP, "app", "1.0")
        succeed(lock(folder, "--registries-conf", conf))
        succeed(pyskopeo_here("prefetch", folder / "images.lock", "--registries-conf", conf, "--dest", f"oci:{folder}/layout"))
        assert set(APP.blobs) <= set(gets(mirror))
        assert set(gets(registry)) == set(TOOL.blobs) - set(APP.blobs)
    check_layout(folder / "layout")


def test_a_policy_is_kept(registry: Simulator, locked: Path) -> None:
    policy = locked / "policy.json"
    policy.write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}], "transports": {"docker": {f"{registry.host}/team/app": [{"type": "reject"}]}}}))
    asked = len(registry.requests)
    assert "rejected" in fatal(prefetch(locked, f"{registry.host}/team/app:1.0", "--dest", f"oci:{locked}/layout", "--policy", policy))
    assert registry.log[asked:] == []


def test_credentials_are_those_of_the_users_files(locked: Path, registry: Simulator) -> None:
    registry.gate = BasicGate({"someone": "s3cr3t"})
    assert "unauthorized" in fatal(prefetch(locked, "--no-creds", "--dest", f"oci:{locked}/layout")).lower()
    succeed(prefetch(locked, "--creds", "someone:s3cr3t", "--dest", f"oci:{locked}/layout"))
    assert "s3cr3t" not in (locked / "images.lock").read_text()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_it_goes_on_where_it_was_ended(registry: Simulator, locked: Path, number: signal.Signals) -> None:
    registry.add(BIG, "team/app", "1.0")
    succeed(lock(locked, "--update"))
    layer, needed = BIG.layer_digests()[1], {*(FETCHED - {*APP.blobs}), *BIG.blobs, *TOOL.blobs}
    registry.on_blob(layer, Stall(2_000_000), times=1)
    words = ("prefetch", "--tls-verify=false", locked / "images.lock", "--dest", f"oci:{locked}/layout")
    with started(*map(str, words)) as process:
        assert registry.stalling.wait(15)
        kept = locked / "layout" / "blobs" / "sha256"
        assert wait_until(lambda: any_file(kept.glob(".*"), lambda file: file.st_blocks * 512 >= 2_000_000), 10)
        assert wait_until(lambda: needed - files(locked / "layout") == {layer}, 10)
        process.send_signal(number)
        code = process.wait(10)
    if number is signal.SIGINT:  # images that are complete have their names
        assert code == 130
        assert set(names(locked / "layout")) == {"multi", f"{registry.host}/team/tool:3.0"}
    asked = len(registry.requests)
    succeed(prefetch(locked, "--dest", f"oci:{locked}/layout"))
    assert gets(registry, asked) == {layer: 1}
    (request,) = [one for one in registry.requests[asked:] if one.path.endswith(layer)]
    assert request.header("Range") == "bytes=2000000-"
    assert needed <= files(locked / "layout")
    check_layout(locked / "layout")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "give a layout (--dest oci:DIR), a content store (--store DIR), or both"),
        (("--dest", "dir:x"), "want oci:DIR"),
        (("--dest", "x"), '--dest: want oci:DIR, or --store DIR alone: Invalid image name "x"'),
        (("--dest", "oci:x:name"), "3 images cannot all be named name"),
        (("--dest", "oci:x", "--jobs", "0"), "--jobs: want 1 or more"),
        (("--dest", "oci:x", "--platform", "linux"), "invalid platform"),
        (("--dest", "oci:x", "--platform", "linux/amd64", "--override-os", "linux"), "exclude each other"),
    ],
)
def test_words_that_are_refused(locked: Path, words: tuple[str, ...], expected: str) -> None:
    assert expected in fatal(prefetch(locked, *words))


def test_a_lock_that_lies(registry: Simulator, locked: Path) -> None:
    """Each in one line, before any request, and with nothing written."""
    good = (locked / "images.lock").read_text()
    asked = len(registry.requests)
    for old, new, expected in (
        ('"lockVersion": 1', '"lockVersion": 2', "lockVersion is 2"),
        ('"multi": {', '"../multi": {', "Invalid image '../multi'"),
        ('"multi": {', '"/etc/multi": {', "Invalid image '/etc/multi'"),
        ('"blobs": {', '"blobs": {}, "blobs": {', "duplicate name"),
        (f'"size": {len(APP.root.raw)}', '"size": 1', "size is 1"),
        (f'"reference": "{registry.host}/team/multi:2.0@{MULTI.digest}"', f'"reference": "{registry.host}/team/multi:2.0@{APP.digest}"', "multi"),
        (f'"sources": ["{registry.host}/team/multi"]', '"sources": ["https://evil.example/x"]', "multi"),
    ):
        assert old in good, old
        (locked / "images.lock").write_text(good.replace(old, new, 1))
        assert expected in fatal(prefetch(locked, "--dest", f"oci:{locked}/layout"))
    for other in (b"\x00" * 100, (locked / "images.yaml").read_bytes()):
        (locked / "images.lock").write_bytes(other)
        assert fatal(prefetch(locked, "--dest", f"oci:{locked}/layout")).endswith("; want a lock file, which pyskopeo lock writes")
    (locked / "images.lock").unlink()
    assert fatal(prefetch(locked, "--dest", f"oci:{locked}/layout")).endswith("images.lock: no such file or directory; pyskopeo lock writes it")
    assert registry.log[asked:] == []
    assert not (locked / "layout").exists()


def test_a_receipt(registry: Simulator, locked: Path) -> None:
    receipt = locked / "receipt.json"
    succeed(prefetch(locked, "--dest", f"oci:{locked}/one", "--receipt", receipt))
    first = receipt.read_bytes()
    found = json.loads(first)
    assert (found["receiptVersion"], found["requested"]) == (1, str(locked / "images.lock"))
    assert {one["requested"].rpartition("@")[2]: one["digest"] for one in found["images"]} == {image.digest: image.digest for image in EVERY}
    assert [blob["digest"] for blob in found["blobs"]] == sorted(FETCHED)
    assert {blob["placement"] for blob in found["blobs"]} == {"written"}
    for blob in found["blobs"]:
        assert blob["source"].startswith(f"{registry.host}/team/")
        assert blob["size"] == len(BLOBS[blob["digest"]])
    succeed(prefetch(locked, "--dest", f"oci:{locked}/one", "--receipt", receipt))
    again = json.loads(receipt.read_bytes())
    assert {(blob["placement"], blob["source"]) for blob in again["blobs"]} == {("present", "")}
    assert again["images"] == found["images"]
    succeed(prefetch(locked, "--store", locked / "store"))
    succeed(prefetch(locked, "--store", locked / "store", "--dest", f"oci:{locked}/two", "--receipt", receipt))
    assert {(blob["placement"], blob["source"]) for blob in json.loads(receipt.read_bytes())["blobs"]} == {("linked", "store")}


def test_a_receipt_that_cannot_be_written_is_known_early(registry: Simulator, locked: Path) -> None:
    asked = len(registry.requests)
    assert "receipt" in fatal(prefetch(locked, "--dest", f"oci:{locked}/layout", "--receipt", locked / "no" / "x"))
    assert registry.log[asked:] == []


@pytest.mark.anyio
async def test_the_library(registry: Simulator, locked: Path) -> None:
    lock = pyskopeo.read_lock(locked / "images.lock")
    access = access_for(locked)
    request = pyskopeo.PrefetchRequest(lock, locked / "layout")
    plan = await pyskopeo.plan_prefetch(request, access=access)
    assert {str(one.descriptor.digest) for one in plan.missing} == FETCHED
    assert plan.missing_bytes == plan.total
    offline = pyskopeo.Access(access.keychain, access.trust, pyskopeo.Network(offline=True))
    with pytest.raises(Offline):
        await pyskopeo.prefetch(request, access=offline)
    done = await pyskopeo.prefetch(request, access=access)
    assert [one.image.name for one in done] == sorted(lock.images)
    assert (await pyskopeo.plan_prefetch(request, access=access)).missing == ()
    await pyskopeo.prefetch(request, access=offline)
    with pytest.raises(InvalidInput):
        await pyskopeo.prefetch(pyskopeo.PrefetchRequest(lock), access=access)


@pytest.mark.anyio
async def test_a_failure_cancels_the_rest(registry: Simulator, locked: Path) -> None:
    registry.on_blob(TOOL.layer_digests()[1], Flip(9))
    registry.on_blob(APP.layer_digests()[1], Stall(10))
    request = pyskopeo.PrefetchRequest(pyskopeo.read_lock(locked / "images.lock"), locked / "layout")
    with pytest.raises(ContentMismatch):
        await pyskopeo.prefetch(request, access=access_for(locked))


def test_a_source_that_is_away(registry: Simulator, locked: Path) -> None:
    """A connection that is refused is one more reason to go on with the next source."""
    away = f"localhost:{free_port()}/away/app"
    own = f'["{registry.host}/team/app"]'
    change(locked, own, f'["{away}", "{registry.host}/team/app"]')
    change(locked, f'["{registry.host}/team/app", "{registry.host}/team/tool"', f'["{away}", "{registry.host}/team/app", "{registry.host}/team/tool"')
    succeed(prefetch(locked, f"{registry.host}/team/app:1.0", "--dest", f"oci:{locked}/layout", "--retry-delay", "0.01"))
    assert files(locked / "layout") == {APP.digest, *APP.blobs}
