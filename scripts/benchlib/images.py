"""The images in the benchmark's registry: generated and pushed once, then reused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

from tests.support.peers import Registry
from tests.support.tls import KeyPair, ServerCertificate

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True, slots=True)
class Image:
    """An image in the registry, with the tag ``1``, or several images in one repository.

    ``blobs`` are the sizes in bytes of all blobs, by digest. ``config`` is the digest of the (first) image's config.
    ``tar_bytes`` is the uncompressed size of all layers. ``manifests`` are the digests of the manifests, by tag, and
    ``own`` those of the blobs that no other image in the repository has.
    """

    repository: str
    blobs: dict[str, int]
    config: str
    tar_bytes: int
    manifests: dict[str, str] = field(default_factory=dict)
    own: dict[str, list[str]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Size of all blobs in bytes."""
        return sum(self.blobs.values())

    def blobs_of(self, tag: str) -> dict[str, int]:
        """Return the sizes of the blobs of one of several images."""
        others = {digest for other, digests in self.own.items() if other != tag for digest in digests}
        return {digest: size for digest, size in self.blobs.items() if digest not in others}


def prepare_images(names: Iterable[str], registry: Registry, cache: Path) -> dict[str, Image]:
    """Return the named images; generate and push those that the registry does not have."""
    facts_path = cache / "images.json"
    facts = json.loads(facts_path.read_text()) if facts_path.exists() else {}
    for name in names:
        if name in facts and facts[name].get("manifests") and _exists(registry, _image(facts[name])):
            continue
        print(f"bench: generating {name} ...", file=sys.stderr, flush=True)
        scratch = cache / "generate"
        scratch.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "benchlib.generate", registry.url, str(scratch), name]
        environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environ)
        finally:
            shutil.rmtree(scratch)
        facts |= json.loads(done.stdout)
        facts_path.write_text(json.dumps(facts))
    return {name: _image(facts[name]) for name in names}


def _image(fact: dict[str, object]) -> Image:
    blobs = fact["blobs"]
    assert isinstance(blobs, list)
    sizes = {blob["digest"]: blob["size"] for blob in blobs}
    # Only layers have a diff ID.
    config = next(blob["digest"] for blob in blobs if not blob["diff_id"])
    manifests, own = fact.get("manifests", {}), fact.get("own", {})
    assert isinstance(manifests, dict)
    assert isinstance(own, dict)
    return Image(str(fact["repository"]), sizes, config, sum(blob["tar_size"] for blob in blobs), manifests, own)


def _exists(registry: Registry, image: Image) -> bool:
    last = max(image.manifests, default="1")
    url = f"{registry.url}/v2/{image.repository}/manifests/{last}"
    request = Request(url, headers={"Accept": MANIFEST_TYPE}, method="HEAD")
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=10):
            return True
    except OSError:
        return False


def certificate(folder: Path) -> ServerCertificate:
    """Create a self-signed certificate for loopback with openssl; it is also the CA, ``certs/ca.crt``."""
    folder.mkdir(parents=True, exist_ok=True)
    certs = folder / "certs"
    certs.mkdir(exist_ok=True)
    pair = KeyPair(certs / "ca.crt", folder / "server.key")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "30", "-subj", "/CN=bench", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
            *("-keyout", str(pair.key), "-out", str(pair.certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return ServerCertificate(pair, pair.certificate)
