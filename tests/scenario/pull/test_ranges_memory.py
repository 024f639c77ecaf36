"""The memory of a copy with many parts in flight, as a program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support import faults as f
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.simulator import Simulator

MIB = 1024 * 1024


def test_64_parts_in_flight_fit_into_96_mib(tmp_path: Path) -> None:
    image = build(ImageSpec(layers=(LayerSpec("large", size=80 * MIB, compression="none"),)))
    (digest,) = image.layer_digests()
    with Simulator(image) as registry:
        # 650 kB/s for each connection: many are worth it.
        registry.on_blob(digest, f.Drip(64 * 1024, 0.1))
        words = ("copy", "--src-tls-verify=false", "--range-parts=64", "--range-size=1M", registry.name(), f"oci:{tmp_path}/o:1")
        assert peak_mib(tmp_path, *words) <= 96
        assert registry.most_at_once > 48


def peak_mib(home: Path, *words: str) -> float:
    """Run a command; the most memory that it had, and not what this process had when it started the command."""
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    environ = {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-c", code, sys.executable, "-m", "pyskopeo", *words]
    done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, check=True)
    return int(done.stdout.split()[-1]) / 1024
