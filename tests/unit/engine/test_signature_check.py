"""Which manifests of an image are checked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pytest

from pyskopeo.engine.signature_check import check_manifests
from pyskopeo.errors import InvalidContent, NoMatchingPlatform
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.manifest import Manifest
from pyskopeo.model.platform import Platform
from pyskopeo.signatures.report import CheckedRequirement
from tests.support.images import build, edited
from tests.support.memory import Source

pytestmark = pytest.mark.anyio


class Noting:
    """Accepts what is named, or all, and notes what it was asked about."""

    def __init__(self, *, covers_images: bool = False, accepted: Collection[str] | None = None) -> None:
        self.covers_images, self._accepted = covers_images, accepted
        self.asked: list[tuple[str, str]] = []

    async def __call__(self, manifest: Manifest, descriptor: Descriptor | None) -> tuple[CheckedRequirement, ...]:
        digest = str(manifest.digest)
        self.asked.append((digest, "root" if descriptor is None else str(descriptor.digest)))
        accepted = self._accepted is None or digest in self._accepted
        return (CheckedRequirement("key", reason="" if accepted else "refused"),)


async def checked(kind: str, platform: Platform | None) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """What was asked about, and digests with platforms in the result."""
    source, check = Source(build(kind)), Noting()
    found = await check_manifests(source, await source.manifest(), check, platform)
    assert all(one.accepted for one in found)
    return sorted(check.asked), [(str(one.digest), str(one.platform or "")) for one in found]


@pytest.mark.parametrize("platform", [None, Platform("linux", "s390x")])
@pytest.mark.parametrize("kind", ["docker", "oci", "artifact"])
async def test_a_single_image_is_the_root(kind: str, platform: Platform | None) -> None:
    digest = build(kind).digest
    asked, found = await checked(kind, platform)
    assert asked == [(digest, "root")]
    assert [one for one, _ in found] == [digest]


@pytest.mark.parametrize("kind", ["oci-index", "docker-list"])
async def test_a_platform_is_that_image_alone(kind: str) -> None:
    image = build(kind)
    asked, found = await checked(kind, Platform("linux", "arm64"))
    ((digest, described),) = asked
    assert digest == described != image.digest
    ((one, platform),) = found
    assert one == digest
    assert platform.startswith("linux/arm64")
    with pytest.raises(NoMatchingPlatform):
        await checked(kind, Platform("plan9", "amd64"))


@pytest.mark.parametrize("kind", ["oci-index", "docker-list", "oci-index-attested", "nested-index"])
async def test_without_one_all_images_below_the_list(kind: str) -> None:
    """The list itself is not asked about: each image has signatures of its own."""
    image = build(kind)
    asked, found = await checked(kind, None)
    images = {digest for digest, manifest in image.manifests.items() if "index" not in manifest.media_type and "list" not in manifest.media_type}
    assert asked == sorted((digest, digest) for digest in images)
    entries = [entry["digest"] for entry in image.root.json["manifests"] if entry["digest"] in images]  # type: ignore[attr-defined]
    assert [digest for digest, _ in found][: len(entries)] == entries


async def test_an_index_of_blobs_is_the_root() -> None:
    image = build("oci")
    entries = image.root.json["layers"]
    index = edited(build("oci-index"), lambda document: document.update(manifests=entries))
    source = Source(replace(index, blobs=image.blobs))
    check = Noting()
    await check_manifests(source, await source.manifest(), check, None)
    assert check.asked == [(index.digest, "root")]


class TestSignaturesThatCoverAllImages:
    IMAGE = build("oci-index")
    ARM = Platform("linux", "arm64")

    async def _checked(self, accepted: Collection[str], platform: Platform | None) -> tuple[list[str], list[str]]:
        source, check = Source(self.IMAGE), Noting(covers_images=True, accepted=accepted)
        found = await check_manifests(source, await source.manifest(), check, platform)
        return [digest for digest, _ in check.asked], [str(one.digest) for one in found]

    @pytest.mark.parametrize("platform", [None, ARM])
    async def test_the_list_is_enough(self, platform: Platform | None) -> None:
        assert await self._checked({self.IMAGE.digest}, platform) == ([self.IMAGE.digest],) * 2

    async def test_so_is_the_image(self) -> None:
        _, (arm,) = await self._checked(set(self.IMAGE.manifests) - {self.IMAGE.digest}, self.ARM)
        assert await self._checked({arm}, self.ARM) == ([self.IMAGE.digest, arm], [arm])
        # For all of them each is needed.
        asked, found = await self._checked({arm}, None)
        assert len(asked) == len(found) == len(self.IMAGE.manifests)
        assert found[0] == self.IMAGE.digest

    async def test_what_is_refused_shows_both(self) -> None:
        _, found = await self._checked(set(), self.ARM)
        assert len(found) == 2


async def test_what_a_check_raises_ends_it() -> None:
    class Raising(Noting):
        async def __call__(self, manifest: Manifest, descriptor: Descriptor | None) -> tuple[CheckedRequirement, ...]:
            raise InvalidContent("unrecognized signature format")

    source = Source(build("oci-index"))
    with pytest.raises(InvalidContent, match="unrecognized"):
        await check_manifests(source, await source.manifest(), Raising(), None)
