"""``copy --referrers``: what refers to an image goes with it, from and to registries of all kinds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.cli import Done, pyskopeo_here, succeed
from tests.support.images import build
from tests.support.referrers_api import ReferrersRegistry
from tests.support.referring import SIGNATURE, referring

pytestmark = pytest.mark.usefixtures("no_machine_policy")

IMAGE = build("oci")
BOM = referring(IMAGE, title="packages")
OTHER = referring(IMAGE, SIGNATURE, b"1")
SIGNED = referring(BOM, SIGNATURE)
INDEX = "application/vnd.oci.image.index.v1+json"


def tag_of(digest: str) -> str:
    return digest.replace(":", "-")


@pytest.fixture
def source() -> Iterator[ReferrersRegistry]:
    with ReferrersRegistry(IMAGE) as running:
        for one in (BOM, OTHER, SIGNED):
            running.add(one, "test/image", None)
        yield running


@pytest.fixture
def destination() -> Iterator[ReferrersRegistry]:
    with ReferrersRegistry() as running:
        yield running


def copy(source: str, destination: str, *words: str) -> Done:
    return pyskopeo_here(
        "copy", "--src-tls-verify=false", "--dest-tls-verify=false", "--retry-times=0", *words, source, destination
    )


def test_to_the_referrers_api(source: ReferrersRegistry, destination: ReferrersRegistry) -> None:
    succeed(copy(source.name(), destination.name(), "--referrers"))
    assert destination.listed(IMAGE.digest) == {BOM.digest, OTHER.digest}
    assert destination.listed(BOM.digest) == {SIGNED.digest}
    assert destination.incomplete == []
    assert destination.tagged(IMAGE.digest) == []
    # The image gets its name last.
    puts = [one.path.rpartition("/")[2] for one in destination.requests if one.method == "PUT" and "/manifests/" in one.path]
    assert puts[-1] == "latest"
    assert puts[0] == IMAGE.digest
    assert set(puts[1:-1]) == {BOM.digest, OTHER.digest, SIGNED.digest}
    assert puts.index(SIGNED.digest) < puts.index(BOM.digest)


def test_without_the_flag_nothing_is_asked(source: ReferrersRegistry, destination: ReferrersRegistry) -> None:
    succeed(copy(source.name(), destination.name()))
    assert destination.listed(IMAGE.digest) == set()
    assert not [one for one in source.requests if "/referrers/" in one.path]
