"""Archives of an image that are made by hand, member by member."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from typing import Any, TypeAlias

from .images import BuiltImage

Extra: TypeAlias = "tarfile.TarInfo | tuple[str, bytes]"
"""A member as it is, or the name and the content of a file."""


def symlink(name: str, target: str) -> tarfile.TarInfo:
    return _link(name, target, tarfile.SYMTYPE)


def hardlink(name: str, target: str) -> tarfile.TarInfo:
    return _link(name, target, tarfile.LNKTYPE)


def _link(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def tar(*members: Extra) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for given in members:
            if isinstance(given, tarfile.TarInfo):
                archive.addfile(given, io.BytesIO(b"x" * given.size))
                continue
            name, content = given
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def item(image: BuiltImage, **changes: Any) -> dict[str, Any]:
    """The entry of ``image`` in the ``manifest.json`` of a Docker archive, tagged ``a:1``."""
    layers = [f"{hashlib.sha256(image.tars[digest]).hexdigest()}.tar" for digest in image.layer_digests()]
    return {"Config": f"{image.config_digest()[7:]}.json", "RepoTags": ["a:1"], "Layers": layers} | changes


def docker_members(image: BuiltImage, manifest: bytes | None = None) -> list[tuple[str, bytes]]:
    """The files of a Docker archive: layers, configuration and ``manifest.json``."""
    layers = {name: image.tars[digest] for name, digest in zip(item(image)["Layers"], image.layer_digests(), strict=True)}
    listed = json.dumps([item(image)]).encode() if manifest is None else manifest
    return [*layers.items(), (item(image)["Config"], image.config()), ("manifest.json", listed)]


def layout_members(image: BuiltImage) -> list[tuple[str, bytes]]:
    """The files of an OCI archive, ``oci-layout`` and ``index.json`` last."""
    contents = {**image.blobs, **{digest: manifest.raw for digest, manifest in image.manifests.items()}}
    entry = {"mediaType": image.root.media_type, "digest": image.digest, "size": len(image.root.raw)}
    return [
        *((f"blobs/{digest.replace(':', '/')}", content) for digest, content in contents.items()),
        ("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'),
        ("index.json", json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()),
    ]


def archive_of(image: BuiltImage, transport: str, before: Sequence[Extra] = (), after: Sequence[Extra] = ()) -> bytes:
    """A sound archive for ``docker-archive`` or ``oci-archive``, with more members before and after it."""
    members = docker_members(image) if transport == "docker-archive" else layout_members(image)
    return tar(*before, *members, *after)
