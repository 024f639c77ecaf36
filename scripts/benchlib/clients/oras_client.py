"""Pull with oras: blob by blob, as its ``pull`` unpacks the layers of an image one over the other."""

from __future__ import annotations

import os
import sys

import oras.client

host, repository, tag, folder = sys.argv[1:]
client = oras.client.OrasClient(hostname=host, insecure=True)
container = client.get_container(f"{host}/{repository}:{tag}")
types = ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"]
manifest = client.get_manifest(container, types)
for digest in {one["digest"] for one in (manifest["config"], *manifest["layers"])}:
    client.download_blob(container, digest, os.path.join(folder, digest.partition(":")[2]))
