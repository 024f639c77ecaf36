"""Signatures in ``dir:``: read, written, copied, and never lost in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

import pyskopeo
from pyskopeo.engine.plan import Form
from pyskopeo.engine.selection import Selection
from pyskopeo.errors import CannotPreserve, InvalidContent, TooLarge, Unsupported
from pyskopeo.model.platform import Platform
from tests.contract.places import AMD64, EVERYTHING, everything
from tests.support.images import build
from tests.support.outputs import write_dir

pytestmark = pytest.mark.anyio
SIGNATURE = bytes([0x90]) + b"an OpenPGP message, as far as a copy is concerned"
SIGSTORE = b'\x00sigstore-json\n{"mimeType":"a/b","payload":"e30=","annotations":{"a":"<b>","c":"d"}}'


@pytest.mark.parametrize(
    "destination", ["oci:{}/b:t", "oci-archive:{}/b.tar:t", "docker-archive:{}/b.tar:a:t"]
)
async def test_signatures_are_not_dropped_in_silence(destination: str, tmp_path: Path) -> None:
    source, to = write_dir(build("docker"), tmp_path / "a"), destination.format(tmp_path)
    (source / "signature-1").write_bytes(SIGNATURE)
    before = everything(tmp_path)
    with pytest.raises(Unsupported, match=rf"^Can not copy signatures to {to}: .*; --remove-signatures copies"):
        await pyskopeo.copy(f"dir:{source}", to)
    assert everything(tmp_path) == before
    await pyskopeo.copy(f"dir:{source}", to, form=Form(remove_signatures=True))
    assert not (tmp_path / "b" / "signature-1").exists()


async def test_signatures_are_copied(tmp_path: Path) -> None:
    image = build("oci-index")
    source = write_dir(image, tmp_path / "a")
    chosen = f"{image.child(0).digest[7:]}.signature-1"
    signatures = {"signature-1": SIGNATURE + b"1", "signature-2": SIGSTORE, chosen: SIGNATURE + b"child"}
    for name, content in signatures.items():
        (source / name).write_bytes(content)
    (source / "signature-4").write_bytes(b"after a gap, so it is none")
    for number in range(2):  # the second time, an image with signatures is replaced
        await pyskopeo.copy(f"dir:{source}", f"dir:{tmp_path / 'b'}", selection=EVERYTHING)
        found = {path.name: path.read_bytes() for path in (tmp_path / "b").glob("*signature-*")}
        assert found == signatures, number
        assert not {*everything(tmp_path / "b")} - {*everything(source)}
    await pyskopeo.copy(f"dir:{source}", f"dir:{tmp_path / 'b'}", selection=AMD64)
    assert {path.name: path.read_bytes() for path in (tmp_path / "b").glob("*signature-*")} == {"signature-1": SIGNATURE + b"child"}


async def test_signatures_of_a_list_can_be_left_behind(tmp_path: Path) -> None:
    image = build("oci-index")
    source = write_dir(image, tmp_path / "a")
    child = f"{image.child(1).digest[7:]}.signature-1"
    for name in ("signature-1", child):
        (source / name).write_bytes(SIGNATURE)
    form = Form(remove_list_signatures=True)
    await pyskopeo.copy(f"dir:{source}", f"dir:{tmp_path / 'b'}", selection=EVERYTHING, form=form)
    assert [path.name for path in (tmp_path / "b").glob("*signature-*")] == [child]


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (b"text", "signature-1: unrecognized signature format"),
        (b"", "signature-1: unrecognized signature format"),
        (bytes([0x90]) * (4 * 1024 * 1024 + 1), "signature-1"),
        (b"\0sigstore-json\n{}", "signature-1: want mimeType and payload"),
    ],
)  # fmt: skip
async def test_what_is_no_signature_is_refused(content: bytes, refusal: str, tmp_path: Path) -> None:
    source = write_dir(build("oci"), tmp_path / "a")
    (source / "signature-1").write_bytes(content)
    before = everything(tmp_path)
    with pytest.raises(InvalidContent, match=f"reading signatures: .*{refusal}"):
        await pyskopeo.copy(f"dir:{source}", f"dir:{tmp_path / 'b'}")
    assert everything(tmp_path) == before


async def test_more_signatures_than_can_be_meant(tmp_path: Path) -> None:
    source = write_dir(build("oci"), tmp_path / "a")
    for number in range(1, 129):
        (source / f"signature-{number}").write_bytes(SIGNATURE)
    await pyskopeo.copy(f"dir:{source}", f"dir:{tmp_path / 'b'}")
    assert len([*(tmp_path / "b").glob("signature-*")]) == 128
    (source / "signature-129").write_bytes(SIGNATURE)
    with pytest.raises(TooLarge, match="signature-129: more than 128 signatures of one image"):
        await pyskopeo.copy(f"dir:{source}", f"dir:{tmp_path / 'c'}")


@pytest.mark.parametrize(
    ("signed", "form", "flag"),
    [
        ("root", Form(format="v2s2"), "--remove-list-signatures"),
        ("child", Form(format="v2s2"), "--remove-signatures"),
        ("child", Form(decompress=True), "--remove-signatures"),
        ("child", Form(compression="zstd", compress=True), "--remove-signatures"),
        ("child", Form(compress=True), ""),
        ("root", Form(decompress=True), "--remove-list-signatures"),
    ],
)  # fmt: skip
async def test_what_is_signed_does_not_change(signed: str, form: Form, flag: str, tmp_path: Path) -> None:
    image = build("oci-index")
    source = write_dir(image, tmp_path / "a")
    prefix = "" if signed == "root" else f"{image.child(0).digest[7:]}."
    (source / f"{prefix}signature-1").write_bytes(SIGNATURE)
    before, to = everything(tmp_path), f"dir:{tmp_path / 'b'}"
    if flag:
        with pytest.raises(CannotPreserve, match=f'modify it: "Would invalidate signatures"; {flag} copies it without them'):
            await pyskopeo.copy(f"dir:{source}", to, selection=EVERYTHING, form=form)
        assert [path.name for path in tmp_path.iterdir()] == ["a"]
        assert everything(tmp_path) == before
    else:
        await pyskopeo.copy(f"dir:{source}", to, selection=EVERYTHING, form=form)
        assert (tmp_path / "b" / f"{prefix}signature-1").read_bytes() == SIGNATURE


async def test_plain_layers_of_a_signed_image_stay_as_they_are(tmp_path: Path) -> None:
    """Nobody has asked for another compression; of an image without signatures they are compressed."""
    image = build("oci-uncompressed")
    source = write_dir(image, tmp_path / "a")
    (source / "signature-1").write_bytes(SIGNATURE)
    await pyskopeo.copy(f"dir:{source}", f"dir:{tmp_path / 'b'}", form=Form(compress=True))
    assert (tmp_path / "b/manifest.json").read_bytes() == image.root.raw
    form = Form(compress=True, remove_signatures=True)
    await pyskopeo.copy(f"dir:{source}", f"dir:{tmp_path / 'c'}", form=form)
    assert (tmp_path / "c/manifest.json").read_bytes() != image.root.raw


async def test_entries_of_a_signed_list_are_not_stripped(tmp_path: Path) -> None:
    source = write_dir(build("oci-index"), tmp_path / "a")
    (source / "signature-1").write_bytes(SIGNATURE)
    platform = Platform("linux", "amd64")
    selection = Selection(platform, "platforms", (platform,), strip=True)
    with pytest.raises(CannotPreserve, match="Manifest list was edited, but we cannot modify it: .Would invalidate"):
        await pyskopeo.copy(f"dir:{source}", f"dir:{tmp_path / 'b'}", selection=selection)


async def test_signatures_of_what_is_not_copied_do_not_matter(tmp_path: Path) -> None:
    image = build("oci-index")
    source = write_dir(image, tmp_path / "a")
    chosen = image.child(0).digest[7:]
    (source / f"{image.child(1).digest[7:]}.signature-1").write_bytes(SIGNATURE)
    await pyskopeo.copy(f"dir:{source}", f"oci:{tmp_path / 'b'}:t", selection=AMD64)
    with pytest.raises(
        Unsupported, match="Can not copy signatures to .*: Pushing signatures for OCI images is not supported"
    ):
        await pyskopeo.copy(f"dir:{source}", f"oci:{tmp_path / 'c'}:t", selection=EVERYTHING)
    (source / f"{chosen}.signature-1").write_bytes(SIGNATURE)
    with pytest.raises(Unsupported, match="Can not copy signatures"):
        await pyskopeo.copy(f"dir:{source}", f"oci:{tmp_path / 'd'}:t", selection=AMD64)
