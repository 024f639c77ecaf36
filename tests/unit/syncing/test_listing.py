"""From what is asked for to a list of images, with registries that are only pretended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pyskopeo.access import Access
from pyskopeo.engine.selection import Selection
from pyskopeo.errors import InvalidInput, NetworkError, PathNotFound, PyskopeoError, StorageFailed
from pyskopeo.model.platform import Platform
from pyskopeo.model.reference import Reference
from pyskopeo.registry.tag_pages import TagList
from pyskopeo.syncing.listing import list_images
from pyskopeo.syncing.sync_request import Listing, LogMessage, SyncEvent, SyncRequest
from pyskopeo.syncing.tag_selection import TagSelection
from tests.support.images import build
from tests.support.outputs import write_dir, write_layout

pytestmark = pytest.mark.anyio
SELECTION = Selection(Platform("linux", "amd64"))
TAGS = {
    "h.example/app": ["1.0", "1.1", "latest"],
    "h.example/team/app": ["9"],
    "h.example/none": [],
    "docker.io/library/alpine": ["3.19", "3.20", "edge"],
}


class Registries:
    """Answers with `TAGS`, and remembers what was asked and with which access."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.accesses: dict[str, Access] = {}
        self.shared = 0
        self.problem = ""
        self.events: list[SyncEvent] = []

    async def tags(self, repository: Reference, access: Access) -> TagList:
        self.asked.append(repository.name)
        self.accesses[repository.name] = access
        if repository.name not in TAGS:
            raise NetworkError(f"{repository.name}: no such repository")
        return TagList(TAGS[repository.name], self.problem)

    async def share(self, access: Access) -> Access:
        self.shared += 1
        return access

    async def found(self, transport: str, source: str, destination: str = "dir", **more: object) -> Listing:
        request = SyncRequest(transport, source, destination, "out", SELECTION, **more)  # type: ignore[arg-type]
        return await list_images(request, Access.from_environ({}), self.tags, self.share, self.events.append)

    @property
    def notes(self) -> list[str]:
        return [f"{e.level} {e.text}" for e in self.events if isinstance(e, LogMessage)]


@pytest.fixture
def registries() -> Registries:
    return Registries()


def pairs(listing: Listing) -> list[list[tuple[str, str]]]:
    return [[(image.source, image.destination) for image in group.images] for group in listing.groups]


def yaml(tmp_path: Path, text: str) -> str:
    path = tmp_path / "sync.yml"
    path.write_text(text)
    return str(path)


async def test_one_image_asks_nobody(registries: Registries) -> None:
    listing = await registries.found("docker", "h.example/app:1.0")
    assert pairs(listing) == [[("docker://h.example/app:1.0", "dir:out/app:1.0")]]
    assert registries.asked == []
    (note,) = registries.events
    assert note == LogMessage("info", "Tag presence check", (("imagename", "h.example/app:1.0"), ("tagged", "true")))


async def test_a_repository_is_all_its_tags(registries: Registries) -> None:
    listing = await registries.found("docker", "alpine", scoped=True)
    assert pairs(listing) == [
        [(f"docker://alpine:{t}", f"dir:out/docker.io/library/alpine:{t}") for t in ("3.19", "3.20", "edge")]
    ]
    assert registries.notes == ["info Tag presence check", "info Getting tags"]


async def test_a_list_that_may_go_on_is_copied_and_a_failure(registries: Registries, tmp_path: Path) -> None:
    registries.problem = "the Link header cannot be read"
    listing = await registries.found("docker", "h.example/app")
    assert [image.source for image in listing.images] == [f"docker://h.example/app:{t}" for t in ("1.0", "1.1", "latest")]
    assert listing.failures == 1
    assert registries.notes[-2:] == ["error Tags may be missing", "error the Link header cannot be read"]
    listing = await registries.found("yaml", yaml(tmp_path, "h.example: {images: {app: [], team/app: []}}"))
    assert (len(listing.images), listing.failures) == (4, 2)


@pytest.mark.parametrize(
    ("source", "reason"),
    [("h.example/none", ""), ("h.example/app", ": --include with --semver selects none of the 3 there")],
)
async def test_nothing_to_sync_is_an_error(registries: Registries, source: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=f'No images to sync found in "{source}"{reason}$'):
        await registries.found("docker", source, tag_selection=TagSelection.parse(["^nothing$"], versions=">= 9"))


async def test_what_cannot_be_listed_ends_it(registries: Registries) -> None:
    with pytest.raises(NetworkError):
        await registries.found("docker", "h.example/unknown")
    with pytest.raises(InvalidInput, match='Cannot obtain a valid image reference for transport "docker" and reference "a B"'):
        await registries.found("docker", "a B")


FILE = """\
h.example:
  images:
    app: []
    none: []
    unknown: []
    NOT: [x]
    team/app: ["9", "a tag that is none", 8]
  images-by-tag-regex:
    app: '^1\\.'
    team/app: "("
  images-by-semver:
    app: '>= 1.1'
docker.io:
  images-by-semver:
    library/alpine: '3.20'
  tls-verify: false
  cert-dir: /certs
  credentials: {username: u, password: p}
empty:
"""


async def test_a_file(registries: Registries, tmp_path: Path) -> None:
    listing = await registries.found("yaml", yaml(tmp_path, FILE))
    assert pairs(listing) == [
        [(f"docker://h.example/app:{t}", f"dir:out/app:{t}") for t in ("1.0", "1.1", "latest")],
        [(f"docker://h.example/team/app:{t}", f"dir:out/app:{t}") for t in ("9", "8")],
        [("docker://alpine:3.20", "dir:out/alpine:3.20")],
    ], "in the order of the file, each image once"
    assert listing.failures == 4  # unknown, NOT, the tag, the expression
    assert sorted(registries.asked) == ["docker.io/library/alpine", "h.example/app", "h.example/none", "h.example/unknown"]
    errors = [note for note in registries.notes if note.startswith("error ")]
    assert {"error Error processing repo, skipping", "error Error parsing repository name, skipping",
            "error Error parsing ref, skipping", "error Error parsing regex, skipping"} <= set(errors)  # fmt: skip
    assert "warning No refs to sync found" in registries.notes
    assert "warning No images specified for registry" in registries.notes


async def test_a_file_says_how_its_registries_are_reached(registries: Registries, tmp_path: Path) -> None:
    await registries.found("yaml", yaml(tmp_path, FILE))
    told, untold = registries.accesses["docker.io/library/alpine"], registries.accesses["h.example/app"]
    assert told.trust.insecure is True
    assert told.trust.cert_dir == Path("/certs")
    assert told.keychain.credentials is not None
    assert told.keychain.credentials.password == "p"
    assert untold.trust == Access.from_environ({}).trust
    assert untold.keychain.credentials is None
    assert registries.shared == 3, "connections are for one registry of the file"


@pytest.mark.parametrize("text", ["", "h:\n", "h.example:\n  images: {none: []}\n"])
async def test_a_file_may_name_nothing(registries: Registries, tmp_path: Path, text: str) -> None:
    assert (await registries.found("yaml", yaml(tmp_path, text))).groups == ()


async def test_a_file_that_is_not_there(registries: Registries) -> None:
    with pytest.raises(StorageFailed, match="^open nowhere.yml: no such file or directory$"):
        await registries.found("yaml", "nowhere.yml")


async def test_two_repositories_for_one_place(registries: Registries, tmp_path: Path) -> None:
    text = "h.example:\n  images:\n    app: ['9']\n    team/app: []\n"
    with pytest.raises(InvalidInput, match="would both be written to dir:out/app:9"):
        await registries.found("yaml", yaml(tmp_path, text))
    listing = await registries.found("yaml", yaml(tmp_path, text), scoped=True)
    assert len(listing.images) == 2


async def test_the_newest_of_a_repository_however_often_it_is_named(registries: Registries, tmp_path: Path) -> None:
    text = "h.example:\n  images: {app: []}\n  images-by-tag-regex: {app: '^1'}\n"
    listing = await registries.found("yaml", yaml(tmp_path, text), tag_selection=TagSelection.parse(latest=1))
    assert [image.source for image in listing.images] == ["docker://h.example/app:1.1"]


async def test_an_expression_is_used_under_guard(registries: Registries, tmp_path: Path) -> None:
    entered: list[float] = []

    @contextmanager
    def guard() -> Iterator[None]:
        entered.append(time.monotonic())
        yield

    text = "h.example:\n  images-by-tag-regex: {app: '^1'}\n"
    await registries.found("yaml", yaml(tmp_path, text), guard=guard)
    assert len(entered) == 2, "for the file's expressions and for the flags'"


async def test_directories(registries: Registries, tmp_path: Path) -> None:
    root, image = tmp_path / "root", build("oci")
    for name in ("b/app:2", "app:1", "h:5000/team/app:3"):
        write_dir(image, root / name)
    write_dir(image, root / ".app-1.0.0123456789ab.partial")
    write_dir(image, root / "b" / ".x.0123456789ab.partial.old")
    listing = await registries.found("dir", str(root), "docker", scoped=False)
    assert [image.destination for image in listing.images] == [
        "docker://out/app:1", "docker://out/app:2", "docker://out/app:3",
    ]  # fmt: skip
    one = await registries.found("dir", str(root / "app:1"), "docker")
    assert pairs(one) == [[(f"dir:{root}/app:1", "docker://out/app:1")]]


async def test_directories_that_are_not(registries: Registries, tmp_path: Path) -> None:
    with pytest.raises(PathNotFound, match="Invalid source directory specified: stat .*: no such file or directory"):
        await registries.found("dir", str(tmp_path / "no"), "docker")
    with pytest.raises(InvalidInput, match="No images to sync found in"):
        await registries.found("dir", str(tmp_path), "docker")


async def test_layouts(registries: Registries, tmp_path: Path) -> None:
    image, other = build("oci"), build("oci-history")
    layout = tmp_path / "lay"
    write_layout(image, layout, tag="h.example/team/app:1")
    write_layout(other, layout, tag="v2")
    listing = await registries.found("oci", str(layout), "docker")
    assert pairs(listing) == [[
        (f"oci:{layout}:h.example/team/app:1", "docker://out/app:1"), (f"oci:{layout}:v2", "docker://out/lay:v2"),
    ]]  # fmt: skip
    kept = await registries.found("oci", str(layout), "oci", scoped=True)
    assert [i.destination for i in kept.images] == ["oci:out:h.example/team/app:1", "oci:out:v2"]


async def test_layouts_without_names(registries: Registries, tmp_path: Path) -> None:
    image, other = build("oci"), build("oci-history")
    layout = write_layout(image, tmp_path / "lay", tag=None)
    single = await registries.found("oci", str(layout))
    assert pairs(single) == [[(f"oci:{layout}", f"dir:out/lay@{image.digest}")]]
    write_layout(other, layout, tag=None)
    both = await registries.found("oci", str(layout))
    assert [i.source for i in both.images] == [f"oci:{layout}:@0", f"oci:{layout}:@1"]


async def test_a_name_in_a_layout_leads_nowhere_else(registries: Registries, tmp_path: Path) -> None:
    layout = write_layout(build("oci"), tmp_path / "lay", tag="../../etc/x")
    with pytest.raises(PyskopeoError, match="characters a reference name may not have"):
        await registries.found("oci", str(layout), scoped=True)
    with pytest.raises(PathNotFound):
        await registries.found("oci", str(tmp_path / "nothing"))
