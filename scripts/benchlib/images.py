"""The images in the benchmark's own registry: generated and pushed once, then found again."""

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
    """An image in the registry: its repository (the tag is ``1``), and size by digest of its blobs.

    ``config`` is the digest of that one of the blobs; ``tar_bytes`` are those of all layers, plain.
    Of several images in one repository ``manifests`` are the digests by tag, ``blobs`` those of all, and
    ``config`` is the first's.
    """

    repository: str
    blobs: dict[str, int]
    config: str
    tar_bytes: int
    manifests: dict[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all blobs."""
        return sum(self.blobs.values())


def prepare(names: Iterable[str], registry: Registry, cache: Path) -> dict[str, Image]:
    """The named images, generated and pushed where the registry does not have them."""
    facts_path = cache / "images.json"
    facts = json.loads(facts_path.read_text()) if facts_path.exists() else {}
    for name in names:
        if name in facts and _is_there(registry, _image(facts[name])):
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
    # The one that is no layer has no content of its own below a compression.
    config = next(blob["digest"] for blob in blobs if not blob["diff_id"])
    manifests = fact.get("manifests", {})
    assert isinstance(manifests, dict)
    return Image(str(fact["repository"]), sizes, config, sum(blob["tar_size"] for blob in blobs), manifests)


def _is_there(registry: Registry, image: Image) -> bool:
    last = max(image.manifests, default="1")
    url = f"{registry.url}/v2/{image.repository}/manifests/{last}"
    request = Request(url, headers={"Accept": MANIFEST_TYPE}, method="HEAD")
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=10):
            return True
    except OSError:
        return False


def certificate(folder: Path) -> ServerCertificate:
    """A certificate for loopback that is its own authority, made by openssl; the CA is ``certs/ca.crt``."""
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
