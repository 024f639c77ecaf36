"""Images whose layers hold these very files, made with Python's tarfile, and what is in a directory afterwards."""

from __future__ import annotations

import io
import json
import os
import stat
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .images import BuiltImage, BuiltManifest, digest_of
from .rootfs import Compression, compress

TIME = 1_700_000_000
_OCI = "application/vnd.oci.image"
_SUFFIX = {"none": "", "gzip": "+gzip", "zstd": "+zstd"}


def member(name: str, kind: bytes = tarfile.REGTYPE, **fields: Any) -> tarfile.TarInfo:
    """A member of mode 0644, or 0755 for a directory."""
    info = tarfile.TarInfo(name)
    info.type, info.mtime = kind, TIME
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def file(name: str, content: bytes = b"x", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, size=len(content), **fields), content


def directory(name: str, **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, tarfile.DIRTYPE, **fields), b""


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, kind, linkname=target), b""


def hard(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return link(name, target, tarfile.LNKTYPE)


def gone(name: str) -> tuple[tarfile.TarInfo, bytes]:
    """A whiteout."""
    head, slash, last = name.rpartition("/")
    return file(f"{head}{slash}.wh.{last}", b"")


def opaque(name: str) -> tuple[tarfile.TarInfo, bytes]:
    return file(f"{name}/.wh..wh..opq" if name else ".wh..wh..opq", b"")


Member = tuple[tarfile.TarInfo, bytes]


def layer(*members: Member, format: int = tarfile.PAX_FORMAT) -> bytes:
    """The archive of a layer."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format, errors="surrogateescape") as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def image(
    *tars: bytes, compression: Compression | Sequence[Compression] = "gzip", architecture: str = "amd64",
    media_types: Sequence[str] = (), diff_ids: Sequence[str] = (), annotations: dict[str, str] | None = None,
    config: dict[str, Any] | None = None,
) -> BuiltImage:  # fmt: skip
    """An image of these layers, the base layer first."""
    how = [compression] * len(tars) if isinstance(compression, str) else list(compression)
    datas = [compress(tar, one) for tar, one in zip(tars, how, strict=True)]
    types = media_types or [f"{_OCI}.layer.v1.tar{_SUFFIX[one]}" for one in how]
    stated = {
        "architecture": architecture, "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": list(diff_ids) or [digest_of(tar) for tar in tars]},
        "history": [{"created": "2024-01-01T00:00:00Z", "created_by": f"layer {number}"} for number in range(len(tars))],
    } | (config or {})  # fmt: skip
    raw_config = json.dumps(stated).encode()
    described, *entries = (
        {"mediaType": kind, "digest": digest_of(data), "size": len(data)}
        for kind, data in ((f"{_OCI}.config.v1+json", raw_config), *zip(types, datas, strict=True))
    )
    manifest: dict[str, Any] = {"schemaVersion": 2, "mediaType": f"{_OCI}.manifest.v1+json", "config": described, "layers": entries}
    if annotations:
        manifest["annotations"] = annotations
    raw = json.dumps(manifest).encode()
    root = BuiltManifest(digest_of(raw), f"{_OCI}.manifest.v1+json", raw)
    blobs = {digest_of(data): data for data in (raw_config, *datas)}
    return BuiltImage(root, {root.digest: root}, blobs, {digest_of(d): t for d, t in zip(datas, tars, strict=True)})


def contents(root: Path) -> dict[str, bytes | str]:
    """Every path below ``root``: the content of a file, ``-> TARGET`` of a link, the kind of anything else."""
    found: dict[str, bytes | str] = {}
    for folder, folders, names in os.walk(root):
        for name in sorted((*folders, *names)):
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            shown = os.path.relpath(path, root)
            if stat.S_ISLNK(mode):
                found[shown] = f"-> {os.readlink(path)}"
            elif stat.S_ISREG(mode):
                found[shown] = Path(path).read_bytes()
            else:
                found[shown] = "directory" if stat.S_ISDIR(mode) else "special"
    return found
