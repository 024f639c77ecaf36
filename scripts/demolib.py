"""The demonstration of ``scripts/demo``: serve an image, pull it twice, push it, and verify that independently."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.images import BuiltImage, build  # noqa: E402 - the checkout is on the path only now
from tests.support.outputs import write_layout  # noqa: E402
from tests.support.rootfs import LayerSpec  # noqa: E402
from tests.support.specs import ImageSpec  # noqa: E402

COMMAND = Path(sys.executable).with_name("pyskopeo")
LAYERS = 6
LAYER_SIZE = 8_000_000


def main() -> int:
    """Run the demonstration; exit with a message if what was pulled is not what was served."""
    with tempfile.TemporaryDirectory(prefix="pyskopeo-demo-") as name:
        work = Path(name)
        print(f"1. Making an image of {LAYERS} layers, and serving it from an embedded registry")
        layers = (LayerSpec("base", base=True), *(LayerSpec(f"layer-{n}", size=LAYER_SIZE) for n in range(1, LAYERS)))
        image = build(ImageSpec("docker", layers=layers))
        write_layout(image, work / "served", tag="1.0")
        with _served(work / "served") as address:
            source = f"docker://{address}/demo/app:1.0"
            print("\n2. Pulling it as an OCI layout")
            _run("copy", "--src-tls-verify=false", "--preserve-digests", source, f"oci:{work}/layout:1.0")
            _check_layout(work / "layout", image)
            print("\n3. Again: nothing is left to fetch")
            _run("copy", "--src-tls-verify=false", "--preserve-digests", source, f"oci:{work}/layout:1.0")
            print("\n4. Pulling it as a docker-archive, for `docker load`")
            _run("copy", "--src-tls-verify=false", source, f"docker-archive:{work}/app.tar:demo/app:1.0")
            _check_archive(work / "app.tar", image)
            print("\n5. What it is")
            _run("inspect", "--tls-verify=false", "--format", "{{.Name}} {{.Architecture}} {{.Digest}}", source)
        print("\n6. Pushing it to a registry that takes pushes: `serve --writable`")
        with _served(work / "registry", "--writable") as address:
            target = f"docker://{address}/team/app:1.0"
            _run("copy", "--dest-tls-verify=false", "--preserve-digests", f"oci:{work}/layout:1.0", target)
            _run("inspect", "--tls-verify=false", "--format", "{{.Name}} {{.Digest}}", target)
        _check_layout(work / "registry", image)
    print("\nAll of it verified. Yours next: scripts/demo copy docker://alpine oci:alpine:latest")
    return 0


@contextmanager
def _served(layout: Path, *flags: str) -> Iterator[str]:
    """Serve a layout with the embedded registry; yield its ``host:port``."""
    words = [str(COMMAND), "serve", f"oci:{layout}", "--listen", "127.0.0.1:0", *flags]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            if "http://" not in line:
                sys.exit("demo: the embedded registry did not start")
            print("   " + line.rstrip())
            yield line.split("http://")[1].split("/")[0]
        finally:
            server.terminate()


def _run(*words: str) -> None:
    print("   $ pyskopeo " + " ".join(words), flush=True)
    subprocess.run([str(COMMAND), *words], check=True)


def _check_layout(layout: Path, image: BuiltImage) -> None:
    """Check that every blob of the image is there and matches its digest."""
    names = {path.name for path in (layout / "blobs" / "sha256").iterdir()}
    for path in (layout / "blobs" / "sha256").iterdir():
        if hashlib.sha256(path.read_bytes()).hexdigest() != path.name:
            sys.exit(f"demo: {path} is not what its name says")
    missing = {digest.partition(":")[2] for digest in image.blobs} - names
    if missing:
        sys.exit(f"demo: the layout lacks {missing}")
    index = json.loads((layout / "index.json").read_bytes())
    digest = index["manifests"][0]["digest"]
    if digest != image.root.digest:
        sys.exit(f"demo: the layout holds {digest}, not {image.root.digest}")
    print(f"   verified: {len(names)} blobs, manifest {digest}")


def _check_archive(path: Path, image: BuiltImage) -> None:
    """Check that every layer of the archive is the uncompressed form of a served one."""
    wanted = {hashlib.sha256(content).hexdigest() for content in image.tars.values()}
    with tarfile.open(path) as archive:
        (item,) = json.load(_member(archive, "manifest.json"))
        for name in item["Layers"]:
            digest = hashlib.sha256(_member(archive, name).read()).hexdigest()
            if name != f"{digest}.tar" or digest not in wanted:
                sys.exit(f"demo: {name} is not a layer of the image")
    print(f"   verified: {len(item['Layers'])} layers, {item['RepoTags'][0]}")


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    file = archive.extractfile(name)
    if file is None:
        sys.exit(f"demo: no {name} in the archive")
    return file


if __name__ == "__main__":
    sys.exit(main())
