"""``sync`` and what refers to the images: copied with them, or as the images that their tags are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import Done, fatal, pyskopeo_here, succeed
from tests.support.images import ArtifactSpec, BuiltImage, ImageSpec, IndexSpec, LayerSpec, PlatformSpec, build, edited
from tests.support.policies import policy
from tests.support.referrers_api import ReferrersRegistry
from tests.support.referring import SBOM, SIGNATURE, described, referring

from .running import DEST, SOURCE

pytestmark = pytest.mark.usefixtures("no_machine_policy")

ONE, TWO = build(ImageSpec(layers=(LayerSpec("one"),))), build(ImageSpec(layers=(LayerSpec("two"),)))
OF_ONE, OF_TWO = referring(ONE), referring(TWO, SIGNATURE)
SIGNED = referring(OF_ONE, SIGNATURE)
ARM = ImageSpec(layers=(LayerSpec("arm"),), platform=PlatformSpec("arm64", variant="v8"))
REPOSITORY = "team/app"


def tag_of(image: BuiltImage) -> str:
    return image.digest.replace(":", "-")


def index(*entries: BuiltImage) -> BuiltImage:
    """The index of the tag schema, with all that it lists."""
    made = edited(build(IndexSpec(())), lambda found: found.update(manifests=[described(one) for one in entries]))
    manifests = {digest: manifest for one in (*entries, made) for digest, manifest in one.manifests.items()}
    blobs = {digest: blob for one in entries for digest, blob in one.blobs.items()}
    return BuiltImage(made.root, manifests, blobs, {})


@pytest.fixture
def registry() -> Iterator[ReferrersRegistry]:
    with ReferrersRegistry() as running:
        running.add(ONE, REPOSITORY, "1")
        running.add(TWO, REPOSITORY, "2")
        for one in (OF_ONE, OF_TWO, SIGNED):
            running.add(one, REPOSITORY, None)
        yield running


@pytest.fixture
def mirror() -> Iterator[ReferrersRegistry]:
    with ReferrersRegistry() as running:
        yield running


def sync(registry: ReferrersRegistry, transport: str, destination: object, *words: object) -> Done:
    return pyskopeo_here(
        "sync", "--src", "docker", "--dest", transport, SOURCE, DEST, f"{registry.host}/{REPOSITORY}", destination, *words
    )


def statuses(report: Path) -> list[str]:
    return [one["status"] for one in json.loads(report.read_text())["images"]]


def test_to_a_registry(registry: ReferrersRegistry, mirror: ReferrersRegistry, tmp_path: Path) -> None:
    words = ("--referrers", "--report", tmp_path / "report")
    succeed(sync(registry, "docker", f"{mirror.host}/m", *words))
    assert mirror.listed(ONE.digest, "m/app") == {OF_ONE.digest}
    assert mirror.listed(OF_ONE.digest, "m/app") == {SIGNED.digest}
    assert mirror.listed(TWO.digest, "m/app") == {OF_TWO.digest}
    assert mirror.incomplete == []
    assert statuses(tmp_path / "report") == ["copied", "copied"]

    # Again: nothing is new. Then something refers to an image that is there already.
    before = len(mirror.requests)
    succeed(sync(registry, "docker", f"{mirror.host}/m", *words))
    assert statuses(tmp_path / "report") == ["present", "present"]
    assert {one.method for one in mirror.requests[before:]} == {"HEAD", "GET"}
    new = referring(TWO, SBOM, b"new")
    registry.add(new, REPOSITORY, None)
    succeed(sync(registry, "docker", f"{mirror.host}/m", *words))
    assert statuses(tmp_path / "report") == ["present", "copied"]
    assert mirror.listed(TWO.digest, "m/app") == {OF_TWO.digest, new.digest}
    succeed(sync(registry, "docker", f"{mirror.host}/m", "--report", tmp_path / "report"))
    assert statuses(tmp_path / "report") == ["present", "present"]


def test_to_a_registry_without_the_api(registry: ReferrersRegistry, mirror: ReferrersRegistry) -> None:
    """Both images are one: their referrers get into one index, whichever is copied first."""
    mirror.api = False
    registry.add(ONE, REPOSITORY, "1.0")
    succeed(sync(registry, "docker", f"{mirror.host}/m", "--referrers"))
    assert [one["digest"] for one in mirror.tagged(ONE.digest, "m/app")] == [OF_ONE.digest]
    assert [one["digest"] for one in mirror.tagged(TWO.digest, "m/app")] == [OF_TWO.digest]


def test_into_a_layout_and_out_of_it(registry: ReferrersRegistry, mirror: ReferrersRegistry, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    words = ("--referrers", "--report", tmp_path / "report")
    succeed(sync(registry, "oci", layout, *words))
    succeed(sync(registry, "oci", layout, *words))
    assert statuses(tmp_path / "report") == ["present", "present"]
    succeed(pyskopeo_here("layout", "verify", f"oci:{layout}"))
    done = succeed(pyskopeo_here("sync", "--src", "oci", "--dest", "docker", DEST, layout, f"{mirror.host}/m", "--referrers"))
    assert "lists of referrers are not copied as images" in done.stderr
    (name,) = (name for name in mirror.store.repositories() if name.endswith("/app"))
    assert mirror.listed(ONE.digest, name) == {OF_ONE.digest}
    assert mirror.listed(OF_ONE.digest, name) == {SIGNED.digest}
    assert set(mirror.store.manifests(name)) >= {"1", "2"}
    assert tag_of(ONE) not in mirror.store.manifests(name)


@pytest.mark.parametrize("transport", ["docker", "oci", "dir"])
def test_a_list_of_referrers_is_copied_as_a_whole(
    registry: ReferrersRegistry, mirror: ReferrersRegistry, tmp_path: Path, transport: str
) -> None:
    """Without ``--all``, too: it is no choice of images. Nor are cosign's tags."""
    listing = index(OF_ONE, SIGNED)
    registry.add(listing, REPOSITORY, tag_of(ONE))
    several = build(IndexSpec((ImageSpec(), ARM)))
    registry.add(several, REPOSITORY, f"{tag_of(ONE)}.att")
    registry.add(several, REPOSITORY, "multi")
    report = tmp_path / "report"
    destination = f"{mirror.host}/m" if transport == "docker" else tmp_path / "out"
    for status in ("copied", "present"):
        succeed(sync(registry, transport, destination, "--report", report))
        assert statuses(report) == [status] * 5
    digests = {one["source"].rpartition(":")[2]: one["digest"] for one in json.loads(report.read_text())["images"]}
    assert digests[tag_of(ONE)] == listing.digest
    assert digests[f"{tag_of(ONE)}.att"] == several.digest
    assert digests["multi"] == several.child(0).digest
    if transport == "docker":
        assert mirror.incomplete == []


def test_lists_of_referrers_are_not_overwritten(registry: ReferrersRegistry, mirror: ReferrersRegistry) -> None:
    """What others have written into the list at the destination stays."""
    registry.api = mirror.api = False
    registry.add(index(OF_ONE), REPOSITORY, tag_of(ONE))
    theirs = referring(ONE, SBOM, b"theirs")
    for one in (ONE, theirs):
        mirror.add(one, "m/app", None)
    mirror.add(index(theirs), "m/app", tag_of(ONE))
    done = succeed(sync(registry, "docker", f"{mirror.host}/m", "--referrers"))
    assert "1 lists of referrers are not copied as images: --referrers copies what they list" in done.stderr
    assert {one["digest"] for one in mirror.tagged(ONE.digest, "m/app")} == {OF_ONE.digest, theirs.digest}


def test_cosigns_tags_come_with_their_images(registry: ReferrersRegistry, mirror: ReferrersRegistry) -> None:
    """Not as images besides, which a policy that requires signatures would refuse."""
    name = f"{tag_of(ONE)}.sig"
    registry.add(SIGNED, REPOSITORY, name)
    done = succeed(sync(registry, "docker", f"{mirror.host}/m", "--cosign-tags"))
    assert "1 of cosign's tags are not copied as images: --cosign-tags copies them" in done.stderr
    assert "2 images: 2 copied" in done.stderr
    assert set(mirror.store.manifests("m/app")) >= {"1", "2", name}
    # Without the flag it is an image as any other.
    done = succeed(sync(registry, "docker", f"{mirror.host}/n"))
    assert "3 images: 3 copied" in done.stderr


@pytest.mark.parametrize(("name", "flag"), [(f"{tag_of(ONE)}.sig", "--cosign-tags"), (tag_of(ONE), "--referrers")])
def test_a_policy_refuses_what_belongs_to_an_image(
    name: str, flag: str, registry: ReferrersRegistry, mirror: ReferrersRegistry, tmp_path: Path
) -> None:
    registry.add(SIGNED, REPOSITORY, name)
    accepted = {f"{registry.host}/{REPOSITORY}:{tag}": [{"type": "insecureAcceptAnything"}] for tag in ("1", "2")}
    rules = policy(tmp_path / "policy.json", [{"type": "reject"}], docker=accepted)
    done = sync(registry, "docker", f"{mirror.host}/n", "--keep-going", f"--policy={rules}")
    assert f"; {flag} copies what belongs to an image with it, and not as an image of its own" in done.stderr
    assert set(mirror.store.manifests("n/app")) >= {"1", "2"}


def test_what_is_required(registry: ReferrersRegistry, mirror: ReferrersRegistry, tmp_path: Path) -> None:
    report = tmp_path / "report"
    done = sync(registry, "docker", f"{mirror.host}/m", "--require-referrer", SBOM, "--keep-going", "--report", report)
    assert done.code == 1
    assert f"no {SBOM}, which is required, refers to {TWO.digest}" in done.stderr
    assert statuses(report) == ["copied", "failed"]


def test_directories_hold_no_referrers(registry: ReferrersRegistry, tmp_path: Path) -> None:
    message = fatal(sync(registry, "dir", tmp_path / "out", "--referrers"))
    assert message == "what refers to an image is not in dir: choose a registry or an OCI layout"
    assert registry.requests == ()
    succeed(sync(registry, "dir", tmp_path / "out", "--require-referrer", SBOM, "--include", "^1$"))


def test_artifacts_of_a_repository(registry: ReferrersRegistry, mirror: ReferrersRegistry) -> None:
    """A tag that only looks like one of the schema is an image like others."""
    registry.add(build(ArtifactSpec("a/b")), REPOSITORY, "sha256-1")
    succeed(sync(registry, "docker", f"{mirror.host}/m", "--referrers", "--include", "^sha256"))
    assert "sha256-1" in mirror.store.manifests("m/app")


def test_the_only_image_of_a_layout_without_a_name(registry: ReferrersRegistry, mirror: ReferrersRegistry, tmp_path: Path) -> None:
    """What refers to it, which has a name in the layout, does not make it one of several."""
    layout = tmp_path / "only"
    name = f"docker://{registry.host}/{REPOSITORY}:1"
    succeed(pyskopeo_here("copy", "--src-tls-verify=false", "--referrers", name, f"oci:{layout}"))
    words = ("--referrers", "--report", tmp_path / "report")
    succeed(pyskopeo_here("sync", "--src", "oci", "--dest", "docker", DEST, layout, f"{mirror.host}/m", *words))
    (image,) = json.loads((tmp_path / "report").read_text())["images"]
    assert image["source"] == f"oci:{layout}"
    assert mirror.manifest(ONE.digest, "m/only") is not None
    assert mirror.listed(ONE.digest, "m/only") == {OF_ONE.digest}
