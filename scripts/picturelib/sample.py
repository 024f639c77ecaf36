"""An image that looks like one of a real project: two platforms, six layers with files, history, and an SBOM."""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.support.images import BuiltImage, BuiltManifest, digest_of

_OCI = "application/vnd.oci.image"
KIB = 1024


@dataclass(frozen=True)
class Step:
    """A line of a build: its ``history`` entry, and the sizes of the ``files`` in its layer, in KiB; None: no layer."""

    history: str
    files: dict[str, int] | None = None


def shop(version: str) -> tuple[Step, ...]:
    """Return the build of a web shop; the ``version`` changes the last layers."""
    return (
        Step("ADD rootfs.tar.xz / # buildkit", {
            "usr/lib/x86_64-linux-gnu/libc.so.6": 1900, "usr/lib/x86_64-linux-gnu/libcrypto.so.3": 4600,
            "usr/lib/locale/C.utf8/LC_CTYPE": 350, "usr/bin/bash": 1240, "usr/bin/perl": 3800, "usr/bin/openssl": 980,
            "usr/share/doc/copyright": 420, "var/lib/dpkg/status": 130, "etc/passwd": 1, "etc/os-release": 1,
        }),
        Step('CMD ["bash"]'),
        Step("RUN apt-get update && apt-get install -y nodejs python3 # buildkit", {
            "usr/bin/node": 14800, "usr/lib/python3/dist-packages/apt_pkg.so": 2100, "usr/bin/python3.12": 6700,
            "var/cache/apt/archives/nodejs_22.deb": 5200, "var/lib/apt/lists/packages": 3100,
            "var/lib/dpkg/status": 140,
        }),
        Step("COPY package-lock.json node_modules /app/node_modules/ # buildkit", {
            "app/node_modules/sharp/libvips.so": 9100, "app/node_modules/next/dist/server.js": 7400,
            "app/node_modules/typescript/lib/tsc.js": 5900, "app/package-lock.json": 310,
        }),
        Step(f"COPY dist /app/dist # {version}", {
            f"app/dist/main-{version}.js": 2400, "app/dist/vendor.js": 3900, "app/dist/images.bin": 12600,
        }),
        Step("RUN rm -rf /var/cache/apt /var/lib/apt/lists # buildkit", {
            "var/cache/.wh.apt": 0, "var/lib/apt/.wh.lists": 0,
        }),
        Step('ENTRYPOINT ["node", "/app/dist/main.js"]'),
    )  # fmt: skip


@dataclass
class ImageBuilder:
    """Collects blobs and manifests, and returns them as the image of a simulated registry."""

    manifests: dict[str, BuiltManifest] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)

    def build(self, steps: tuple[Step, ...], platforms: tuple[str, ...] = ("amd64", "arm64")) -> BuiltImage:
        """Return the image: an index, if there are several platforms."""
        children = [self._image(steps, platform) for platform in platforms]
        root = children[0]
        if len(children) > 1:
            entries = [
                {"mediaType": child.media_type, "digest": child.digest, "size": len(child.raw),
                 "platform": {"architecture": platform, "os": "linux"}}
                for child, platform in zip(children, platforms, strict=True)
            ]  # fmt: skip
            root = self._manifest({"mediaType": f"{_OCI}.index.v1+json", "manifests": entries})
        return BuiltImage(root, self.manifests, self.blobs, {})

    def sbom(self, image: BuiltImage) -> BuiltImage:
        """Return a list of packages that refers to ``image``."""
        content = json.dumps({"spdxVersion": "SPDX-2.3", "packages": [{"name": f"p{n}"} for n in range(900)]}).encode()
        document = {
            "mediaType": f"{_OCI}.manifest.v1+json",
            "artifactType": "application/spdx+json",
            "config": self._blob(b"{}", "application/vnd.oci.empty.v1+json"),
            "layers": [self._blob(content, "application/spdx+json")],
            "subject": {"mediaType": image.root.media_type, "digest": image.digest, "size": len(image.root.raw)},
        }
        root = self._manifest(document)
        return BuiltImage(root, {root.digest: root}, self.blobs, {})

    def _image(self, steps: tuple[Step, ...], platform: str) -> BuiltManifest:
        layers = [(step, _tar(step.files, platform)) for step in steps if step.files is not None]
        config = {
            "architecture": platform, "os": "linux", "created": "2026-11-02T08:30:00Z",
            "config": {"Entrypoint": ["node", "/app/dist/main.js"], "Labels": {"maintainer": "shop"}},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(tar) for _, tar in layers]},
            "history": [
                {"created": "2026-11-02T08:30:00Z", "created_by": step.history}
                | ({} if step.files is not None else {"empty_layer": True})
                for step in steps
            ],
        }  # fmt: skip
        zipped = [gzip.compress(tar, 1, mtime=0) for _, tar in layers]
        return self._manifest({
            "mediaType": f"{_OCI}.manifest.v1+json",
            "config": self._blob(json.dumps(config).encode(), f"{_OCI}.config.v1+json"),
            "layers": [self._blob(layer, f"{_OCI}.layer.v1.tar+gzip") for layer in zipped],
        })  # fmt: skip

    def _blob(self, data: bytes, media_type: str) -> dict[str, object]:
        digest = digest_of(data)
        self.blobs[digest] = data
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def _manifest(self, content: Mapping[str, object]) -> BuiltManifest:
        raw = json.dumps({"schemaVersion": 2, **content}).encode()
        built = BuiltManifest(digest_of(raw), str(content["mediaType"]), raw)
        self.manifests[built.digest] = built
        return built


def _tar(files: dict[str, int], platform: str) -> bytes:
    """Return a layer with these files, whose contents do not compress; the same each time."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, kib in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode = kib * KIB, 1_793_000_000, 0o644
            tar.addfile(member, io.BytesIO(random.Random(f"{name} {platform}").randbytes(member.size)))
    return out.getvalue()
