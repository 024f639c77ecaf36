"""Layers on their way into an archive: whatever is guessed of them, the archive is the same."""

from __future__ import annotations

import gzip
import hashlib
import os
import random
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyskopeo.errors import ConnectionFailed, ContentMismatch, StorageFailed
from pyskopeo.model import mediatype
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.storage import tar_encoding
from pyskopeo.storage.docker_archive import offset_prediction
from pyskopeo.storage.docker_archive.layer_slots import LayerSlot
from pyskopeo.storage.docker_archive.layers import READ_ONLY, LayerWriter
from pyskopeo.storage.docker_archive.offset_prediction import content_span
from pyskopeo.storage.tar import TarWriter
from pyskopeo.streams.progress import uncounted
from pyskopeo.streams.pump import Blob, MemoryReader
from tests.support.blocked import Blocked

pytestmark = pytest.mark.anyio

RIGHT, LONGER, SHORTER, NONE, FAILS = "right", "longer", "shorter", "none", "fails"
GUESSES = (RIGHT, LONGER, SHORTER, NONE, FAILS)


@dataclass(frozen=True)
class Layer:
    """``size`` blocks of tar, compressed; what is guessed of it, and after how many steps of the event loop it comes."""

    seed: int
    size: int
    guess: str = RIGHT
    steps: int = 0
    asked: int = 0
    level: int = 6
    plain: bool = False

    @property
    def tar(self) -> bytes:
        return random.Random(self.seed).randbytes(64) * (8 * self.size)

    @property
    def stored(self) -> bytes:
        return self.tar if self.plain else gzip.compress(self.tar, self.level, mtime=0)

    def descriptor(self) -> Descriptor:
        kind = mediatype.OCI_LAYER if self.plain else mediatype.OCI_LAYER_GZIP
        return Descriptor(kind, Digest.of(self.stored), len(self.stored))

    def blob(self, broken: int = 0) -> Blob:
        failures = iter([True] * broken)

        @asynccontextmanager
        async def opened(offset: int) -> AsyncIterator[MemoryReader]:
            for _ in range(self.steps):
                await anyio.sleep(0)
            yield MemoryReader(self.stored + (b"?" if next(failures, False) else b""), offset)

        return Blob(self.descriptor(), opened, ending=self._ending())

    def _ending(self) -> Callable[[int], Awaitable[bytes]]:
        async def ending(count: int) -> bytes:
            for _ in range(self.asked):
                await anyio.sleep(0)
            if self.guess == FAILS:
                raise ConnectionFailed("no answer")
            wrong = {LONGER: 512, SHORTER: -512}.get(self.guess, 0)
            told = (len(self.tar) + wrong).to_bytes(4, "little")
            return b"" if self.guess == NONE else told[-count:]

        return ending


@contextmanager
def archive_in(folder: Path, *, out_of_order: bool, kind: type[TarWriter] = TarWriter) -> Iterator[TarWriter]:
    fd = os.open(folder / "a.tar", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    try:
        yield kind.to(fd, folder / "a.tar", out_of_order=out_of_order)
    finally:
        os.close(fd)


def expected(*images: Sequence[Layer]) -> bytes:
    """The archive, written one after another."""
    with tempfile.TemporaryDirectory() as folder:
        written: set[str] = set()
        with archive_in(Path(folder), out_of_order=False) as archive:
            for layer in (layer for image in images for layer in image):
                name = f"{hashlib.sha256(layer.tar).hexdigest()}.tar"
                if name not in written:
                    archive.add_bytes(name, layer.tar, READ_ONLY)
                    written.add(name)
            archive.finish()
        return Path(folder, "a.tar").read_bytes()


async def write_image(layers: LayerWriter, image: Sequence[Layer], archive: TarWriter, at_once: int) -> None:
    layers.announce([layer.descriptor() for layer in image], archive.position)
    await layers.append_ready()
    waiting = iter({layer.descriptor().digest: layer for layer in image}.values())

    async def take() -> None:
        for layer in waiting:
            if layer.descriptor().digest not in layers:
                await layers.add(layer.blob(), uncounted)

    async with anyio.create_task_group() as tasks:
        for _ in range(at_once):
            tasks.start_soon(take)
    await layers.append_ready()


async def write_all(folder: Path, images: Sequence[Sequence[Layer]], at_once: int) -> tuple[bytes, int]:
    """The archive of all images, and how many layers were written elsewhere first."""
    elsewhere = 0

    class Counting(TarWriter):
        def add_file(self, name: str, source: Path, size: int, mode: int) -> None:
            nonlocal elsewhere
            elsewhere += 1
            super().add_file(name, source, size, mode)

    with archive_in(folder, out_of_order=True, kind=Counting) as archive:
        layers = LayerWriter(folder / "scratch", lambda: archive, out_of_order=True)
        for image in images:
            await write_image(layers, image, archive, at_once)
        archive.finish()
    assert not (folder / "scratch").exists() or os.listdir(folder / "scratch") == []
    assert not layers.archive_damaged
    return (folder / "a.tar").read_bytes(), elsewhere


LAYERS = st.builds(
    Layer,
    seed=st.integers(0, 3), size=st.integers(1, 5), guess=st.sampled_from(GUESSES), steps=st.integers(0, 12),
    asked=st.integers(0, 6), level=st.sampled_from((1, 9)), plain=st.booleans(),
)  # fmt: skip


@given(
    images=st.lists(st.lists(LAYERS, max_size=7), min_size=1, max_size=2), at_once=st.integers(1, 4),
    patience=st.sampled_from((0, 0.25)),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_the_archive_is_the_same_whatever_is_guessed(
    images: list[list[Layer]], at_once: int, patience: float
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(offset_prediction, "_LARGE", 1)
        patch.setattr(offset_prediction, "_ESTIMATE_TIMEOUT", patience)
        found, _ = anyio.run(write_all, Path(folder), images, at_once)
    assert found == expected(*images)


@pytest.fixture(autouse=True)
def _every_layer_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offset_prediction, "_LARGE", 1)


def some(guess: str = RIGHT, number: int = 6, steps: int = 20, *, plain: bool = False) -> list[Layer]:
    """The later, the sooner they come."""
    return [Layer(seed, 3 + seed, guess, steps * (number - seed), 1, plain=plain) for seed in range(number)]


@pytest.mark.parametrize("plain", [False, True])
async def test_none_is_written_twice_where_the_guesses_are_right(plain: bool, tmp_path: Path) -> None:
    image = some(plain=plain)
    assert await write_all(tmp_path, [image], 3) == (expected(image), 0)


@pytest.mark.parametrize("guess", [LONGER, SHORTER])
async def test_guesses_that_are_wrong(guess: str, tmp_path: Path) -> None:
    image = some(guess)
    found, elsewhere = await write_all(tmp_path, [image], 3)
    assert found == expected(image)
    assert elsewhere > 0


@pytest.mark.parametrize("guess", [NONE, FAILS])
async def test_without_guesses_the_one_whose_turn_it_is_goes_straight_in(
    guess: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offset_prediction, "_ESTIMATE_TIMEOUT", 0)
    image = some(guess)
    assert await write_all(tmp_path, [image], 1) == (expected(image), 0)
    found, elsewhere = await write_all(tmp_path, [image], 3)
    assert found == expected(image)
    assert 0 < elsewhere < len(image)


async def test_nobody_is_asked_again_who_does_not_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def silent(layer: Layer) -> Callable[[int], Awaitable[bytes]]:
        async def ending(_: int) -> bytes:
            asked.append(layer.seed)
            return b""

        return ending

    monkeypatch.setattr(Layer, "_ending", silent)
    image = some()
    assert (await write_all(tmp_path, [image], 1))[0] == expected(image)
    assert asked == [0]


async def test_nobody_is_asked_about_small_layers_or_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = some(number=4)
    monkeypatch.setattr(offset_prediction, "_LARGE", len(image[2].stored))
    image[3] = Layer(9, 1)
    assert len(image[1].stored) < len(image[2].stored) > len(image[3].stored)
    asked: list[int] = []

    def told(layer: Layer) -> Callable[[int], Awaitable[bytes]]:
        async def ending(_: int) -> bytes:
            asked.append(layer.seed)
            return len(layer.tar).to_bytes(4, "little")

        return ending

    monkeypatch.setattr(Layer, "_ending", told)
    assert (await write_all(tmp_path, [image], 2))[0] == expected(image)
    assert sorted(asked) == [0, 1]


async def test_a_layer_too_large_for_a_plain_header_is_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its header is longer than was thought when its first byte came."""
    monkeypatch.setattr(tar_encoding, "_OCTAL_LIMIT", 2000)
    image = [Layer(1, 3, NONE), Layer(2, 4, NONE), Layer(3, 1, NONE)]
    assert await write_all(tmp_path, [image], 1) == (expected(image), 1)


async def test_a_layer_that_fails_may_come_again(tmp_path: Path) -> None:
    """From another mirror, say; those after it are in their places by then."""
    image = some()
    with archive_in(tmp_path, out_of_order=True) as archive:
        layers = LayerWriter(tmp_path / "scratch", lambda: archive, out_of_order=True)
        layers.announce([layer.descriptor() for layer in image], 0)
        first, *rest = image
        blob = first.blob(broken=1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self_fail, layers, blob)
            for layer in rest[:2]:
                tasks.start_soon(layers.add, layer.blob(), uncounted)
        await layers.add(blob, uncounted)
        for layer in rest[2:]:
            await layers.add(layer.blob(), uncounted)
        archive.finish()
    assert archive.path.read_bytes() == expected(image)


async def self_fail(layers: LayerWriter, blob: Blob) -> None:
    with pytest.raises(ContentMismatch):
        await layers.add(blob, uncounted)


def read_from(reader: Blocked, layer: Layer) -> Blob:
    return Blob(layer.descriptor(), lambda _: nullcontext(reader))


async def test_given_up_in_the_middle(tmp_path: Path) -> None:
    """Nothing of it is in the way of what comes after."""
    image = some(number=2, plain=True)
    readers = [Blocked(layer.stored[:300]) for layer in image]
    with archive_in(tmp_path, out_of_order=True) as archive:
        layers = LayerWriter(tmp_path / "scratch", lambda: archive, out_of_order=True)
        layers.announce([layer.descriptor() for layer in image], 0)
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                for layer, reader in zip(image, readers, strict=True):
                    tasks.start_soon(layers.add, read_from(reader, layer), uncounted)
                while not all(reader.waiting.is_set() for reader in readers):
                    await anyio.sleep(0.001)
                scope.cancel()
        assert archive.path.read_bytes()[512:].startswith(image[0].stored[:300])
        assert not layers.archive_damaged
        await write_image(layers, some(number=2), archive, 2)
        archive.finish()
    assert archive.path.read_bytes() == expected(some(number=2))


async def test_a_full_disk_spoils_only_what_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite

    def full(fd: int, buffer: memoryview, offset: int) -> int:
        if offset > content_span(0, len(image[0].tar)).end:
            raise OSError(28, "No space left on device")
        return real(fd, buffer, offset)

    image = some(number=2, steps=0)
    with archive_in(tmp_path, out_of_order=True) as archive:
        layers = LayerWriter(tmp_path / "scratch", lambda: archive, out_of_order=True)
        layers.announce([layer.descriptor() for layer in image], 0)
        await layers.add(image[0].blob(), uncounted)
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", full)
            with pytest.raises(StorageFailed, match=r"writing .*a\.tar: no space left on device"):
                await layers.add(image[1].blob(), uncounted)
        assert not layers.archive_damaged
        await layers.add(image[1].blob(), uncounted)
        archive.finish()
    assert archive.path.read_bytes() == expected(image)


@pytest.mark.parametrize("number", [50, 500])
async def test_the_work_for_a_layer_does_not_grow_with_their_number(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one comes after all others: none is compared with all that wait, nor moved for each of them."""
    looked_at = compared = 0
    in_archive, equal = LayerSlot.in_archive.fget, Digest.__eq__  # type: ignore[attr-defined]

    def counted_look(slot: LayerSlot) -> bool:
        nonlocal looked_at
        looked_at += 1
        return bool(in_archive(slot))

    def counted_comparison(one: Digest, other: object) -> bool:
        nonlocal compared
        compared += 1
        return equal(one, other)

    image = [Layer(seed, 1, plain=True) for seed in range(number)]
    blobs = [layer.blob() for layer in image]
    with archive_in(tmp_path, out_of_order=True) as archive:
        layers = LayerWriter(tmp_path / "scratch", lambda: archive, out_of_order=True)
        layers.announce([blob.descriptor for blob in blobs], 0)
        with monkeypatch.context() as patch:
            patch.setattr(LayerSlot, "in_archive", property(counted_look))
            patch.setattr(Digest, "__eq__", counted_comparison)
            for blob in (*blobs[1:], blobs[0]):
                await layers.add(blob, uncounted)
        archive.finish()
    assert archive.path.read_bytes() == expected(image)
    assert looked_at < 20 * number
    assert compared < 20 * number


@pytest.mark.parametrize(("lookahead", "elsewhere"), [(20, 0), (4, 7)])
async def test_offsets_are_predicted_for_many_layers_ahead(
    lookahead: int, elsewhere: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For as many as an image of Docker has; those beyond wait in temporary files."""
    monkeypatch.setattr(offset_prediction, "_LOOKAHEAD", lookahead)
    image, waiting = [Layer(seed, 1, plain=True) for seed in range(12)], anyio.Event()

    @asynccontextmanager
    async def late(offset: int) -> AsyncIterator[MemoryReader]:
        await waiting.wait()
        yield MemoryReader(image[0].stored, offset)

    with archive_in(tmp_path, out_of_order=True) as archive:
        layers = LayerWriter(tmp_path / "scratch", lambda: archive, out_of_order=True)
        layers.announce([layer.descriptor() for layer in image], 0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(layers.add, Blob(image[0].descriptor(), late), uncounted)
            await anyio.wait_all_tasks_blocked()
            for layer in image[1:]:
                await layers.add(layer.blob(), uncounted)
            assert len(list((tmp_path / "scratch").glob("*"))) == elsewhere
            waiting.set()
        archive.finish()
    assert archive.path.read_bytes() == expected(image)
