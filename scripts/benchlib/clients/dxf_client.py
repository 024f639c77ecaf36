"""Pull with python-dxf: the blobs that the manifest names, one after the other; it verifies each digest."""

from __future__ import annotations

import json
import os
import sys

import dxf

host, repository, tag, folder = sys.argv[1:]
client = dxf.DXF(host, repository, insecure=True)
manifest = json.loads(client.get_manifest(tag))
for digest in {one["digest"] for one in (manifest["config"], *manifest["layers"])}:
    with open(os.path.join(folder, digest.partition(":")[2]), "wb") as file:
        file.writelines(client.pull_blob(digest, chunk_size=1024 * 1024))
