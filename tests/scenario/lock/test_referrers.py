"""``lock --referrers`` and ``prefetch --referrers``: what refers to images is locked with its bytes, and fetched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import fatal, pyskopeo_here, succeed
from tests.support.exchange import Response
from tests.support.images import BuiltImage
from tests.support.referrers_api import ReferrersRegistry
from tests.support.referring import INDEX, SBOM, SIGNATURE, described, index_of, referring

from .locks import APP, MULTI, TOOL, files, listing, lock, names, prefetch, read

pytestmark = pytest.mark.usefixtures("no_machine_policy")

CHILD = MULTI.child(1)
BOM = referring(APP)
SIGNED = referring(BOM, SIGNATURE)
OF_CHILD = referring({"mediaType": CHILD.media_type, "digest": CHILD.digest, "size": len(CHILD.raw)}, SBOM, b"1")
OF_INDEX = referring(MULTI, SIGNATURE, b"2")
REFERRERS = (BOM, SIGNED, OF_CHILD, OF_INDEX)


@pytest.fixture
def registry() -> Iterator[ReferrersRegistry]:
    with ReferrersRegistry(APP, "team/app", "1.0") as running:
        running.add(MULTI, "team/multi", "2.0")
        running.add(TOOL, "team/tool", "3.0")
        for one, repository in ((BOM, "team/app"), (SIGNED, "team/app"), (OF_CHILD, "team/multi"), (OF_INDEX, "team/multi")):
            running.add(one, repository, None)
        yield running


@pytest.fixture
def locked(registry: ReferrersRegistry, tmp_path: Path) -> Path:
    (tmp_path / "images.yaml").write_text(listing(registry))
    succeed(lock(tmp_path, "--referrers"))
    return tmp_path


def tag_of(image: BuiltImage) -> str:
    return image.digest.replace(":", "-")


def tree(name: str) -> dict[str, list[str]]:
    images = json.loads(succeed(pyskopeo_here("referrers", "--json", name)).stdout)["images"]
    return {
        one["digest"]: [two["digest"] for two in one["referrers"]] for image in images for one in image["referrers"]
        if one["foundBy"] != "index entry"
    }  # fmt: skip


def test_the_lock_has_them(registry: ReferrersRegistry, locked: Path) -> None:
    found = read(locked)
    assert {one.digest for one in REFERRERS} <= set(found["manifests"])
    blobs = {digest for one in REFERRERS for digest in one.blobs}
    assert blobs <= set(found["blobs"])
    app = found["images"][f"{registry.host}/team/app:1.0"]
    assert app["referrers"] == [described(BOM, artifactType=SBOM)]
    assert found["images"]["multi"]["referrers"] == [described(OF_INDEX, artifactType=SIGNATURE)]
    # Without the flag they are not kept when an image is looked up again; nor are they asked for.
    asked = len(registry.requests)
    succeed(lock(locked, "--update"))
    assert not {one.digest for one in REFERRERS} & set(read(locked)["manifests"])
    assert not any("/referrers/" in line for line in registry.log[asked:])


def test_they_are_fetched(registry: ReferrersRegistry, locked: Path) -> None:
    layout, asked = locked / "layout", len(registry.requests)
    succeed(prefetch(locked, "--dest", f"oci:{layout}", "--referrers"))
    assert not any("/manifests/" in line or "/referrers/" in line for line in registry.log[asked:])
    app = f"{registry.host}/team/app:1.0"
    assert set(names(layout)) == {app, f"{registry.host}/team/tool:3.0", "multi", *map(tag_of, (APP, BOM, MULTI)), CHILD.digest.replace(":", "-")}
    assert tree(f"oci:{layout}:{app}") == {BOM.digest: [SIGNED.digest]}
    assert tree(f"oci:{layout}:multi") == {OF_CHILD.digest: [], OF_INDEX.digest: []}
    succeed(pyskopeo_here("layout", "verify", "--sparse", f"oci:{layout}"))

    # Nothing is missing now, and nothing is asked again.
    asked = len(registry.requests)
    succeed(prefetch(locked, "--dest", f"oci:{layout}", "--referrers", "--offline"))
    assert len(registry.requests) == asked


def test_without_the_flag_they_are_not(locked: Path) -> None:
    succeed(prefetch(locked, "--dest", f"oci:{locked / 'layout'}"))
    assert not {one.digest for one in REFERRERS} & files(locked / "layout")


def test_one_platform_and_some_types(locked: Path) -> None:
    layout = locked / "layout"
    succeed(prefetch(locked, "multi", "--platform=linux/arm64/v8", "--dest", f"oci:{layout}", f"--referrers={SBOM}"))
    assert tree(f"oci:{layout}:multi") == {OF_CHILD.digest: []}
    assert OF_INDEX.digest not in files(layout)


def test_what_is_missing_is_said(registry: ReferrersRegistry, locked: Path) -> None:
    succeed(prefetch(locked, "--dest", f"oci:{locked / 'layout'}"))
    layer = BOM.layer_digests()[0]
    lines = succeed(prefetch(locked, "--dest", f"oci:{locked / 'layout'}", "--referrers", "--dry-run")).stdout.decode()
    assert f"to fetch  {layer}" in lines
    done = prefetch(locked, "--dest", f"oci:{locked / 'layout'}", "--referrers", "--offline")
    assert done.code == 3
    assert layer in done.stdout.decode()


def test_into_the_store_and_out_of_it(registry: ReferrersRegistry, locked: Path) -> None:
    store, asked = locked / "store", len(registry.requests)
    succeed(prefetch(locked, "--store", store, "--referrers"))
    asked = len(registry.requests)
    succeed(prefetch(locked, "--store", store, "--dest", f"oci:{locked / 'layout'}", "--referrers", "--offline"))
    assert tree(f"oci:{locked / 'layout'}:{registry.host}/team/app:1.0") == {BOM.digest: [SIGNED.digest]}
    # A copy without the lock finds them, too.
    name = f"docker://{registry.host}/team/app@{APP.digest}"
    words = ("--store", store, "--offline", "--referrers")
    succeed(pyskopeo_here("copy", "--src-tls-verify=false", *words, name, f"oci:{locked / 'copy'}:app"))
    assert tree(f"oci:{locked / 'copy'}:app") == {BOM.digest: [SIGNED.digest]}
    assert len(registry.requests) == asked


def test_a_lock_that_says_nothing_of_them(registry: ReferrersRegistry, locked: Path) -> None:
    succeed(lock(locked, "--update"))
    message = fatal(prefetch(locked, "--dest", f"oci:{locked / 'layout'}", "--referrers"))
    assert "the lock does not say what refers to " in message
    assert "lock --referrers --update" in message


def test_what_was_gone_when_it_was_locked(registry: ReferrersRegistry, locked: Path) -> None:
    registry.store.remove_manifest("team/app", BOM.digest)
    path = f"/v2/team/app/referrers/{APP.digest}"
    registry.routes[path] = Response(200, (("Content-Type", INDEX),), index_of(described(BOM)))
    done = succeed(lock(locked, "--referrers", "--update"))
    assert f"{BOM.digest} is listed as a referrer of {APP.digest}" in done.stderr
    done = succeed(prefetch(locked, "--dest", f"oci:{locked / 'layout'}", "--referrers"))
    assert "is not in the lock" in done.stderr
    assert BOM.digest not in files(locked / "layout")


def test_what_is_required(locked: Path, registry: ReferrersRegistry) -> None:
    app = f"{registry.host}/team/app:1.0"
    succeed(prefetch(locked, app, "--dest", f"oci:{locked / 'layout'}", "--require-referrer", SBOM))
    message = fatal(prefetch(locked, "--dest", f"oci:{locked / 'other'}", "--require-referrer", SBOM))
    assert f"no {SBOM}, which is required, refers to " in message
