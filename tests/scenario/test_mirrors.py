"""Images of a registry that has mirrors: who is asked, in which order, and who goes on where one fails."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

import pyskopeo
from pyskopeo import inspect_image, list_tags
from pyskopeo.access import Access
from pyskopeo.credentials.authfile import Credentials
from pyskopeo.errors import (
    ConnectionFailed,
    ContentMismatch,
    InvalidInput,
    NetworkError,
    NotFound,
    PyskopeoError,
    RegistryError,
)
from pyskopeo.http.retry import Retry
from pyskopeo.http.tls import Trust
from pyskopeo.model.digest import Digest
from pyskopeo.model.events import BlobProgress, CopyFinished, Event, Warned
from pyskopeo.registry.sessions import SharedConnections
from tests.support import faults as f
from tests.support.access import access_for, networked
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.processes import free_port
from tests.support.pulling import AMD64, Pull, blobs
from tests.support.registries_conf import parse_registries
from tests.support.simulator import BasicGate, Simulator

pytestmark = pytest.mark.anyio

IMAGE = build(
    ImageSpec(
        layers=(
            LayerSpec("large", size=600_000, compression="none"),
            LayerSpec("other", size=300_000, compression="none"),
            LayerSpec("small", size=700, compression="gzip"),
        )
    )
)
LARGE, OTHER, SMALL = IMAGE.layer_digests()
CONFIG = IMAGE.config_digest()
CHANGED = build(ImageSpec(layers=(LayerSpec("changed", size=500),)))
LENGTH = len(IMAGE.blobs[LARGE])
GIVEN = Credentials("given", "s3cr3t")


def mirror(location: str, **settings: object) -> str:
    """One ``[[registry.mirror]]``."""
    return f'[[registry.mirror]]\nlocation = "{location}"\n' + "".join(f"{k} = {_toml(v)}\n" for k, v in settings.items())


def configured(access: Access, location: str, *mirrors: str, **settings: object) -> Access:
    """``access`` under a ``registries.conf`` with one registry."""
    said = "".join(f"{key.replace('_', '-')} = {_toml(value)}\n" for key, value in settings.items())
    text = f'[[registry]]\nlocation = "{location}"\n{said}' + "".join(mirrors)
    return replace(access, registries=lambda: parse_registries(text, "/r.conf"))


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"'


def asked(registry: Simulator, digest: str) -> list[str | None]:
    """The Range header of each request for a blob."""
    return [r.header("Range") for r in registry.requests if r.path.endswith(f"/blobs/{digest}") and r.method == "GET"]


def manifests(registry: Simulator) -> int:
    return sum("/manifests/" in request.path for request in registry.requests)


def read(registry: Simulator) -> list[str]:
    """What was asked of it, but for the probing of its scheme."""
    return [line for line in registry.log if line != "GET /v2/"]


class Place:
    """A registry with two mirrors, all with the image, and a pull of it."""

    def __init__(self, stack: ExitStack, home: Path) -> None:
        self.registry, self.first, self.second = (stack.enter_context(Simulator(IMAGE)) for _ in range(3))
        self.base = access_for(home, retry=Retry(delay=0.01))
        access = configured(self.base, self.registry.host, mirror(self.first.host), mirror(self.second.host))
        self.pull = Pull(self.registry, IMAGE, home / "layout", access)

    @property
    def warnings(self) -> list[str]:
        return self.pull.warnings

    def only(self, *mirrors: str, **settings: object) -> None:
        """Other mirrors."""
        self.pull.access = configured(self.base, self.registry.host, *mirrors, **settings)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as stack:
        yield Place(stack, tmp_path)


async def test_a_mirror_serves_all(place: Place) -> None:
    await place.pull.run()
    assert (place.registry.log, place.second.log) == ([], [])
    assert len(read(place.first)) == 5
    assert place.warnings == []


async def test_a_mirror_that_is_down_is_passed_over_with_one_warning(place: Place) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    place.only(mirror(nobody), mirror(place.second.host))
    await place.pull.run()
    assert place.registry.log == []
    assert len(read(place.second)) == 5
    (warning,) = place.warnings
    assert warning.startswith(f"{nobody}/test/image: ")
    assert warning.endswith(f"; going on with {place.second.host}/test/image")
    # Somebody else is there, so nobody waits long for it.
    assert len(place.pull.retries) == 1


@pytest.mark.parametrize(
    "fault", [f.Refuse(404), f.Refuse(401), f.Refuse(500), f.Drop(), f.Flip(5), f.Body(b"<html>"), f.Gzipped(), f.Padded(5 << 20)]
)  # fmt: skip
async def test_a_mirror_without_the_manifest(fault: f.Fault, place: Place) -> None:
    place.first.on("*/manifests/*", fault)
    place.second.on("*/manifests/*", fault)
    await place.pull.run(f"docker://{place.registry.host}/test/image@{IMAGE.digest}")
    assert asked(place.first, LARGE) == asked(place.second, LARGE) == []
    assert asked(place.registry, LARGE) == [None]
    assert [warning.partition("/")[0] for warning in place.warnings] == [place.first.host, place.second.host]


@pytest.mark.parametrize("missing", [LARGE, SMALL, CONFIG])
async def test_only_the_blob_that_a_mirror_lacks_comes_from_elsewhere(missing: str, place: Place) -> None:
    place.first.on_blob(missing, f.Refuse(404))
    await place.pull.run(jobs=1)
    assert place.registry.log == []
    assert read(place.second) == [f"GET /v2/test/image/blobs/{missing}"]
    assert all(asked(place.first, digest) == [None] for digest in IMAGE.blobs)
    assert place.warnings == []


@pytest.mark.parametrize("missing", [LARGE])
async def test_a_cut_at_the_fallback_leaves_the_other_blobs_with_the_mirror(missing: str, place: Place) -> None:
    """The mirror lacks one blob only; that its second source breaks off says nothing about the others."""
    place.first.on_blob(missing, f.Refuse(404))
    place.second.on_blob(missing, f.Cut(100_000), times=1)
    await place.pull.run(jobs=1)
    assert asked(place.second, missing) == [None, "bytes=100000-"]
    assert read(place.second) == [f"GET /v2/test/image/blobs/{missing}"] * 2
    assert all(asked(place.first, digest) for digest in IMAGE.blobs)
    assert place.registry.log == []
    assert place.warnings == []


async def test_a_blob_that_is_cut_again_and_again_goes_on_elsewhere(place: Place) -> None:
    place.first.on_blob(LARGE, f.Cut(100_000), times=1)
    place.first.on_blob(LARGE, f.Drop(), skip=1)
    await place.pull.run(jobs=1)
    assert asked(place.first, LARGE)[:2] == [None, "bytes=100000-"]
    assert asked(place.second, LARGE) == ["bytes=100000-"]
    assert place.registry.log == []
    # What comes after it is asked for where it worked.
    assert {digest for digest in IMAGE.blobs if asked(place.second, digest)} > {LARGE}
    assert len(place.warnings) == 1


@pytest.mark.parametrize("ranges", [None, "ignored", "refused-416", "from-zero", "without-content-range", "one-byte"])
async def test_bodies_that_never_get_further_are_handed_over(ranges: f.RangeMode | None, place: Place) -> None:
    """One after the other gives up in the middle; each takes over where the last one stopped."""
    place.first.on_blob(LARGE, f.Cut(100_000), times=1)
    place.first.on_blob(LARGE, f.Cut(10), times=1, skip=1)
    place.second.on_blob(LARGE, f.Cut(150_000), times=1)
    place.second.on_blob(LARGE, f.Cut(0), skip=1)
    if ranges:
        place.registry.on_blob(LARGE, f.Ranges(ranges), times=3)
    await place.pull.run(jobs=1)
    assert asked(place.first, LARGE)[:2] == [None, "bytes=100000-"]
    assert asked(place.second, LARGE)[0] == "bytes=100010-"
    assert asked(place.registry, LARGE)[0] == "bytes=250010-"
    assert [warning.partition("/")[0] for warning in place.warnings] == [place.first.host, place.second.host]


async def test_a_mirror_that_dies_mid_image_hands_over_the_other_blobs(place: Place) -> None:
    # What it sends first is sent whole; then nothing answers there any more.
    place.first.on("/v2/*/blobs/*", f.Drop(reset=True), skip=1)
    await place.pull.run(jobs=1)
    served = [digest for digest in IMAGE.blobs if not asked(place.second, digest)]
    assert served == [LARGE]
    assert all(asked(place.second, digest) == [None] for digest in IMAGE.blobs if digest != LARGE)
    assert place.registry.log == []
    (warning,) = place.warnings
    assert warning.startswith(f"{place.first.host}/test/image: ")


async def test_several_blobs_at_once_are_handed_over(place: Place) -> None:
    for digest in (LARGE, OTHER):
        place.first.on_blob(digest, f.Cut(200), times=1)
        place.first.on_blob(digest, f.Drop(), skip=1)
    await place.pull.run(jobs=6)
    assert asked(place.second, LARGE) == asked(place.second, OTHER) == ["bytes=200-"]
    assert place.registry.log == []
    assert len(place.warnings) == 1


@pytest.mark.parametrize("digest", [LARGE, SMALL, CONFIG])
@pytest.mark.parametrize(
    "fault", [f.Flip(), f.Flip(-1), f.Long(), f.Short(), f.Long(agreeing=False), f.Gzipped(), f.Body(b"{}"), f.Chunked(7)]
)  # fmt: skip
async def test_wrong_bytes_come_from_elsewhere(digest: str, fault: f.Fault, place: Place) -> None:
    place.first.on_blob(digest, fault)
    if isinstance(fault, f.Chunked):
        place.first.on_blob(digest, f.Short())
    await place.pull.run(jobs=1)
    assert asked(place.registry, digest) == []
    if not (isinstance(fault, f.Long) and not fault.agreeing):  # what comes too late is not looked at
        assert asked(place.second, digest) == [None]
        assert len(place.warnings) == 1
        assert place.warnings[0].startswith(f"{place.first.host}/test/image: ")


async def test_wrong_bytes_from_two_are_asked_for_again_from_the_last(place: Place) -> None:
    place.only(mirror(place.first.host))
    place.first.on_blob(LARGE, f.Flip(), f.Cut(100_000), times=1)
    place.first.on_blob(LARGE, f.Drop(), skip=1)
    await place.pull.run(jobs=1)
    assert asked(place.registry, LARGE) == ["bytes=100000-", None]


async def test_wrong_bytes_everywhere(place: Place) -> None:
    for simulator in (place.first, place.second, place.registry):
        simulator.on_blob(LARGE, f.Flip())
    with pytest.raises(ContentMismatch, match="digest mismatch"):
        await place.pull.run(jobs=1)
    assert [asked(simulator, LARGE) for simulator in (place.first, place.second, place.registry)] == [[None]] * 3
    assert LARGE not in blobs(place.pull.root)


async def test_wrong_bytes_of_what_changes_on_the_way(place: Place, tmp_path: Path) -> None:
    """Compressed, decompressed and uploaded: a blob is begun anew in each destination."""
    place.first.on_blob(LARGE, f.Flip(300_000))
    place.first.on_blob(SMALL, f.Flip(100))
    with Simulator() as target:
        for name in (f"docker-archive:{tmp_path}/a.tar:a:b", target.name()):
            await pyskopeo.copy(
                place.registry.name(), name, selection=AMD64, form=pyskopeo.Form(compression="zstd"), jobs=1,
                source_access=place.pull.access, destination_access=place.base,
            )  # fmt: skip
        written = target.manifest()
        assert written is not None
        assert written.digest != IMAGE.digest  # its layers are compressed anew
        assert target.incomplete == []
        assert target.open_uploads == ()
    assert asked(place.second, LARGE) == asked(place.second, SMALL) == [None, None]


HUGE_IMAGE = build(
    ImageSpec(layers=(LayerSpec("huge", size=3_000_000, compression="none"), LayerSpec("tiny", size=700)))
)
HUGE, TINY = HUGE_IMAGE.layer_digests()


@pytest.mark.parametrize("at", [100, 1_500_000, -1])
async def test_wrong_bytes_that_are_being_uploaded(at: int, place: Place) -> None:
    """Neither what is streamed while it comes nor what is sent in one piece is ever completed with them."""
    events: list[Event] = []
    for simulator in (place.registry, place.first, place.second):
        simulator.add(HUGE_IMAGE, "test/huge", "latest")
    place.first.on_blob(HUGE, f.Flip(at))
    place.first.on_blob(TINY, f.Flip(-1))
    with Simulator() as target:
        await pyskopeo.copy(
            place.registry.name("test/huge"), target.name(), selection=AMD64, jobs=1, report=events.append,
            source_access=place.pull.access, destination_access=place.base,
        )  # fmt: skip
        assert {digest: target.blobs()[digest] for digest in HUGE_IMAGE.blobs} == HUGE_IMAGE.blobs
        assert target.incomplete == []
        assert target.open_uploads == ()
        # The upload that had begun was broken off and cancelled, and nothing was completed but once.
        assert len([line for line in target.log if line.startswith("DELETE")]) == 1
        puts = [request for request in target.requests if request.method == "PUT" and "/blobs/" in request.path]
        assert [request.cut for request in puts] == [True, False, False, False]
    # After the huge layer, which comes first, the second mirror is asked.
    assert (asked(place.first, HUGE), asked(place.second, HUGE)) == ([None], [None])
    assert (asked(place.first, TINY), asked(place.second, TINY)) == ([], [None])
    (end,) = (event for event in events if isinstance(event, CopyFinished))
    assert end.moved == sum(map(len, HUGE_IMAGE.blobs.values()))
    done = [event.done for event in events if isinstance(event, BlobProgress) and str(event.digest) == HUGE]
    assert done == sorted(done)
    assert [type(event) for event in events].count(Warned) == 1


async def test_wrong_bytes_of_a_small_blob_are_never_sent(place: Place) -> None:
    place.first.on_blob(SMALL, f.Flip(-1))
    with Simulator() as target:
        await pyskopeo.copy(
            place.registry.name(), target.name(), selection=AMD64,
            source_access=place.pull.access, destination_access=place.base,
        )  # fmt: skip
        assert target.blobs()[SMALL] == IMAGE.blobs[SMALL]
        assert target.open_uploads == ()
        assert [line for line in target.log if line.startswith("DELETE")] == []
    assert asked(place.second, SMALL) == [None]


async def test_all_fail(place: Place) -> None:
    name = place.registry.name(tag="absent")
    with pytest.raises(PyskopeoError) as caught:
        await place.pull.run(name)
    hosts = (place.first.host, place.second.host, place.registry.host)
    expected = "(Mirrors also failed: [{}/test/image:absent: X] [{}/test/image:absent: X]): {}/test/image:absent: X"
    said = str(caught.value).removeprefix(f"initializing source {name}: ")
    assert re.sub(r"reading manifest absent in [^ ]+: [^]]+", "X", said) == expected.format(*hosts)
    assert caught.value.exit_code == 2
    assert isinstance(caught.value, NotFound)


async def test_the_last_failure_gives_the_kind(place: Place) -> None:
    place.first.on("*/manifests/*", f.Refuse(404))
    place.second.on("*/manifests/*", f.Refuse(404))
    place.registry.on("*/manifests/*", f.Refuse(403))
    with pytest.raises(RegistryError, match="Mirrors also failed") as caught:
        await place.pull.run()
    assert (caught.value.status, caught.value.exit_code) == (403, 1)


async def test_a_blob_that_nobody_has(place: Place) -> None:
    for simulator in (place.first, place.second, place.registry):
        simulator.on_blob(LARGE, f.Refuse(404))
    with pytest.raises(PyskopeoError, match="Mirrors also failed"):
        await place.pull.run(jobs=1)
    place.second.heal()
    await place.pull.run(jobs=1)


# --- secrets ---


@pytest.mark.parametrize("how", ["credentials", "token"])
async def test_what_was_given_goes_to_the_registry_that_was_named(how: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    base = access_for(
        home, credentials=GIVEN if how == "credentials" else None, registry_token="t0k3n" if how == "token" else ""
    )
    # Whoever asks is told something, were it there.
    with Simulator(gate=BasicGate({"nobody": "knows"})) as elsewhere, Simulator(IMAGE) as registry:
        registry.add(IMAGE, "copy/test/image", "latest")
        if how == "credentials":
            registry.gate = BasicGate({"given": "s3cr3t"})
        access = configured(base, registry.host, mirror(elsewhere.host), mirror(f"{registry.host}/copy"))
        await Pull(registry, IMAGE, tmp_path / "layout", access).run()
        assert elsewhere.secrets_seen == []
        assert elsewhere.requests
        assert all(path.startswith("GET /v2/copy/test/image/") for path in read(registry))
        assert registry.secrets_seen


async def test_nothing_given_goes_to_another_location(tmp_path: Path) -> None:
    base = access_for(tmp_path, credentials=GIVEN)
    gate = BasicGate({"given": "s3cr3t"})
    with Simulator(IMAGE, gate=gate) as registry, Simulator(IMAGE, gate=gate) as moved:
        access = configured(base, moved.host, prefix=registry.host)
        with pytest.raises(PyskopeoError, match="401|403|nauthorized"):
            await Pull(registry, IMAGE, tmp_path / "layout", access).run()
        assert moved.secrets_seen == []
        assert registry.log == []


async def test_shared_connections_keep_what_was_given_apart(tmp_path: Path) -> None:
    """The same host is one image's mirror and another one's registry."""
    token = access_for(tmp_path, registry_token="t0k3n")
    with Simulator(IMAGE) as registry, Simulator(IMAGE) as both:
        async with SharedConnections() as connections:
            access = networked(configured(token, registry.host, mirror(both.host)), connections=connections)
            await Pull(registry, IMAGE, tmp_path / "a", access).run()
            assert both.secrets_seen == []
            await Pull(registry, IMAGE, tmp_path / "b", access).run(both.name())
        assert "Bearer t0k3n" in both.secrets_seen
        assert registry.log == []


# --- which are asked ---


async def test_tags_and_facts_come_through_mirrors(place: Place) -> None:
    place.first.on("*/tags/list", f.Refuse(404))
    place.first.on_blob(CONFIG, f.Flip())
    assert await list_tags(f"docker://{place.registry.host}/test/image", access=place.pull.access) == ["latest"]
    assert [path for path in read(place.second) if "tags" in path]
    async with pyskopeo.open_source(place.registry.name(), place.pull.access) as source:
        inspection = await inspect_image(source, AMD64.platform)
    assert str(inspection.digest) == IMAGE.digest
    assert asked(place.second, CONFIG) == [None]
    assert place.registry.log == []


@pytest.mark.parametrize("by_digest", [False, True])
@pytest.mark.parametrize("pull", ["all", "digest-only", "tag-only"])
async def test_mirrors_for_some_names(pull: str, by_digest: bool, place: Place) -> None:
    place.only(mirror(place.first.host, **{"pull-from-mirror": pull}))
    end = f"@{IMAGE.digest}" if by_digest else ":latest"
    await place.pull.run(f"docker://{place.registry.host}/test/image{end}")
    expected = pull == "all" or by_digest == (pull == "digest-only")
    assert bool(place.first.log) == expected
    assert bool(place.registry.log) != expected


@pytest.mark.parametrize("by_digest", [False, True])
async def test_mirrors_by_digest_only(by_digest: bool, place: Place) -> None:
    place.only(mirror(place.first.host), mirror_by_digest_only=True)
    end = f"@{IMAGE.digest}" if by_digest else ":latest"
    await place.pull.run(f"docker://{place.registry.host}/test/image{end}")
    assert bool(place.first.log) == by_digest
    assert bool(place.registry.log) != by_digest


async def test_a_tag_beside_a_digest_is_compared_where_the_image_is(place: Place) -> None:
    place.first.add(CHANGED, "test/image", "latest")
    await place.pull.run(f"docker://{place.registry.host}/test/image:latest@{IMAGE.digest}")
    (warning,) = place.warnings
    assert f":latest is {CHANGED.digest} now" in warning
    assert place.registry.log == []


# --- other locations ---


@pytest.mark.parametrize(
    ("name", "prefix", "location"),
    [
        ("reg.example.org/test/image:latest", "reg.example.org", "{}"),
        ("reg.example.org/image:latest", "reg.example.org", "{}/test"),
        ("reg.example.org/ns/image:latest", "reg.example.org/ns", "{}/test"),
        ("reg.example.org/other:latest", "reg.example.org/other", "{}/test/image"),
        ("reg.example.org/test/image:v1", "reg.example.org/test/image:v1", "{}/test/image:latest"),
        ("reg.example.org/test/image:v1", "reg.example.org/test/image:v1", "{}/test/image@" + IMAGE.digest),
        ("a.b.example.org/test/image:latest", "*.example.org", "{}"),
    ],
)
async def test_rewritten_names(name: str, prefix: str, location: str, place: Place) -> None:
    place.pull.access = configured(place.base, location.format(place.registry.host), prefix=prefix)
    await place.pull.run(f"docker://{name}")
    assert manifests(place.registry) == 1
    assert asked(place.registry, LARGE) == [None]


async def test_a_digest_of_the_location_is_checked(place: Place) -> None:
    location = f"{place.registry.host}/test/image@{IMAGE.digest}"
    place.pull.access = configured(place.base, location, prefix="reg.example.org/a/b:v1")
    place.registry.on_manifest(IMAGE.digest, f.Body(CHANGED.root.raw), f.SetHeaders({"Docker-Content-Digest": None}))
    with pytest.raises(ContentMismatch):
        await place.pull.run("docker://reg.example.org/a/b:v1")


# --- trust ---


@pytest.mark.parametrize("where", ["mirror", "registry"])
@pytest.mark.parametrize("explicit", [None, True, False])
async def test_insecure_in_the_file_and_on_the_command_line(where: str, explicit: bool | None, place: Place) -> None:
    place.base = networked(replace(place.base, trust=Trust(insecure=explicit)), retry=Retry(times=0))
    if where == "mirror":
        place.only(mirror(place.first.host, insecure=True))
    else:
        place.only(insecure=True)
    expected = place.first if where == "mirror" else place.registry
    if explicit is not False:
        await place.pull.run()
        assert asked(expected, LARGE) == [None]
    else:  # verification was asked for: the file does not take it back
        with pytest.raises(ConnectionFailed):
            await place.pull.run()
        assert expected.log == []


async def test_a_secure_registry_behind_an_insecure_mirror_stays_secure(place: Place) -> None:
    place.base = networked(replace(place.base, trust=Trust()), retry=Retry(times=0))
    place.only(mirror(place.first.host, insecure=True))
    place.first.on("*/manifests/*", f.Refuse(404))
    with pytest.raises(ConnectionFailed, match="Mirrors also failed"):
        await place.pull.run()
    assert place.registry.log == []


# --- what mirrors are not for ---


async def test_a_push_goes_to_the_very_name(place: Place, tmp_path: Path) -> None:
    with Simulator() as target, Simulator() as other:
        access = configured(place.base, other.host, mirror(place.first.host), prefix=target.host)
        before = place.first.log
        await pyskopeo.copy(
            place.registry.name(), target.name(), selection=AMD64, source_access=place.base, destination_access=access
        )
        assert target.manifest() is not None
        await pyskopeo.tag(target.name(), "more", access=access)
        await pyskopeo.delete(target.name(tag="more"), access=access)
        assert (other.log, place.first.log) == ([], before)


@pytest.mark.parametrize("verb", ["read", "write", "tags", "tag", "delete"])
async def test_blocked(verb: str, place: Place, tmp_path: Path) -> None:
    access = configured(place.base, place.registry.host, blocked=True)
    name = place.registry.name()
    said = f"registry {place.registry.host} is blocked in one of /r.conf"
    work: dict[str, Callable[[], Awaitable[object]]] = {
        "read": lambda: pyskopeo.copy(name, f"oci:{tmp_path}/o", source_access=access),
        "write": lambda: pyskopeo.copy(
            place.first.name(), name, selection=AMD64, source_access=place.base, destination_access=access
        ),
        "tags": lambda: list_tags(name.removesuffix(":latest"), access=access),
        "tag": lambda: pyskopeo.tag(name, "new", access=access),
        "delete": lambda: pyskopeo.delete(name, access=access),
    }
    with pytest.raises(InvalidInput, match=said):
        await work[verb]()
    assert place.registry.log == []
    assert not (tmp_path / "o").exists()


async def test_events_come_in_the_event_loop_and_failures_leave_nothing(place: Place, tmp_path: Path) -> None:
    threads: set[int] = set()

    def report(event: Event) -> None:
        threads.add(threading.get_ident())

    place.first.on_blob(LARGE, f.Cut(100_000), times=1)
    place.first.on_blob(LARGE, f.Drop(), skip=1)
    await pyskopeo.copy(
        place.registry.name(), f"oci:{tmp_path}/o", selection=AMD64, report=report,
        source_access=place.pull.access, destination_access=place.base,
    )  # fmt: skip
    assert threads == {threading.get_ident()}
    shutil.rmtree(tmp_path / "o")


async def test_nobody_waits_between_a_mirror_and_the_next(place: Place) -> None:
    place.base = networked(place.base, retry=Retry(times=4, delay=0.3, fixed=True))
    place.only(mirror(place.first.host))
    place.first.on_blob(LARGE, f.Cut(1000), times=1)
    place.first.on_blob(LARGE, f.Drop(), skip=1)
    await place.pull.run(jobs=1)
    # Once for the cut body, once for the request that is dropped; five times each without another source.
    assert len(place.pull.retries) <= 2
    assert Digest.parse(LARGE).short in place.pull.retries[0].what


@pytest.mark.parametrize(
    "fault", [f.SetHeaders({"Location": None}), f.SetHeaders({"Location": "http://xn--a/x"}), f.Redirect("/v2/")]
)
async def test_a_destination_that_fails_is_not_the_mirrors_fault(fault: f.Fault, place: Place) -> None:
    """What the destination's registry answers to an upload says nothing about the source."""
    with Simulator() as destination:
        destination.on_upload("POST", fault)
        with pytest.raises(NetworkError) as caught:
            await pyskopeo.copy(
                place.registry.name(),
                destination.name(),
                selection=AMD64,
                jobs=1,
                report=place.pull.events.append,
                source_access=place.pull.access,
                destination_access=place.base,
            )
    assert place.first.host not in str(caught.value)
    assert place.warnings == []
    assert (place.registry.log, place.second.log) == ([], [])
