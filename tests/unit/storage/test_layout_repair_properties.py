"""Whatever happens to the files of a layout: verification finds it all, and repair puts it all right."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st

from pyskopeo.engine.verification import VerifyOptions
from pyskopeo.storage.layout_garbage import collect_garbage
from pyskopeo.storage.layout_repair import repair_layout
from pyskopeo.storage.layout_verification import verify_layout
from pyskopeo.storage.oci_layout import DirectoryFiles, LayoutSource
from tests.support.images import build
from tests.support.outputs import blob_path, write_layout
from tests.support.trees import tree

IMAGES = {"index": build("nested-index"), "image": build("oci"), "attested": build("oci-index-attested")}
DIGESTS = sorted({digest for image in IMAGES.values() for digest in (*image.blobs, *image.manifests)})
OPTIONS = VerifyOptions(deep=True, external=True)


def remove(path: Path) -> None:
    path.unlink()


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def extend(path: Path) -> None:
    path.write_bytes(path.read_bytes() + bytes(10))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0x10
    path.write_bytes(content)


def link_to_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def swap_for_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES: tuple[Callable[[Path], None], ...] = (remove, truncate, extend, flip, link_to_nothing, swap_for_fifo)


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from(DIGESTS), st.sampled_from(DAMAGES), min_size=1, max_size=12), st.booleans())
def test_damage_is_found_and_repaired(damage: dict[str, Callable[[Path], None]], without_marker: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        good = Path(folder) / "good"
        for name, image in IMAGES.items():
            write_layout(image, good, tag=name)
        layout = Path(shutil.copytree(good, Path(folder) / "a"))
        for digest, change in damage.items():
            change(blob_path(layout, digest))
        if without_marker:
            (layout / "oci-layout").unlink()

        async def run() -> None:
            found = await verify_layout(layout, options=OPTIONS)
            # What only a damaged manifest names is not known any more.
            faults = {str(fault.digest) for fault in found.faults if fault.digest}
            assert faults <= set(damage)
            assert bool(faults) or without_marker
            source = LayoutSource(DirectoryFiles(good), "", str(good))
            repaired = await repair_layout(layout, [("good", source)], options=OPTIONS)
            assert repaired.ok
            assert {str(repair.digest) for repair in repaired.repaired if repair.digest} == set(damage)
            assert (await collect_garbage(layout)).removed == ()
            assert (await verify_layout(layout, options=OPTIONS)).faults == ()

        anyio.run(run)
        assert tree(layout) == tree(good)
        assert not [path for path in layout.rglob("*") if path.is_symlink() or path.is_fifo()]
