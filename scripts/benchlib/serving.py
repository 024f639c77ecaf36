"""Compare `serve` with docker-registry: pulls and pushes by skopeo, small requests, memory."""

from __future__ import annotations

import http.client
import shlex
import shutil
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.peers import Registry
from tests.support.processes import Peer
from tests.support.require import find_program

from .images import MANIFEST_TYPE, prepare_images
from .measure import run_timed

OURS, THEIRS = "pyskopeo", "docker-registry"
PULL_LIMIT, PUSH_LIMIT, HEADS_LIMIT = 1.0, 0.8, 1000
# MiB: with no request, and for each one besides.
MEMORY_LIMIT, MEMORY_OF_REQUEST = 64, 1
_HEADS, _CONNECTIONS, _DOWNLOADS = 4000, 8, 16


class Serve(Peer):
    """`pyskopeo serve --writable` over a layout in its folder."""

    def __init__(self, command: str) -> None:
        super().__init__()
        self._command = shlex.split(command)
        self.layout = self.folder / "layout"

    def command(self) -> Sequence[str]:
        """Serve on a port of its own choice."""
        return (*self._command, "serve", f"oci:{self.layout}", "--writable", "--listen", "127.0.0.1:0")

    def is_ready(self) -> bool:
        """Whether it says where it listens."""
        return "http://" in self.log

    @property
    def host(self) -> str:
        """``127.0.0.1:PORT``."""
        return self.log.partition("http://")[2].partition("/")[0]

    @property
    def pid(self) -> int:
        """The number of its process."""
        assert self._process is not None
        return self._process.pid


@dataclass
class Comparison:
    """Seconds of paired runs."""

    name: str
    limit: float
    seconds: dict[str, list[float]] = field(default_factory=lambda: {OURS: [], THEIRS: []})

    @property
    def ratio(self) -> float:
        """The median ratio of paired runs."""
        return statistics.median(a / b for a, b in zip(self.seconds[OURS], self.seconds[THEIRS], strict=True))

    def row(self) -> str:
        """A line of the table."""
        ours, theirs = (statistics.median(self.seconds[name]) for name in (OURS, THEIRS))
        within = "" if self.ratio <= self.limit else "  OVER"
        return f"{self.name:28} {ours:9.3f} s {theirs:9.3f} s   {self.ratio:5.2f} (limit {self.limit}){within}"


def compare(cache: Path, command: str, runs: int, *, quick: bool) -> bool:
    """Measure, print a table, and return whether all is within its limits."""
    skopeo = find_program("skopeo")
    if skopeo is None:
        sys.exit("bench: --serve needs skopeo")
    # Images of its own: those of the other cases are in another registry.
    cache = cache / "serving-source"
    scratch = cache / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    copy = [skopeo, "--insecure-policy", "copy", "--src-tls-verify=false", "--dest-tls-verify=false"]
    with (
        Registry(storage=cache / "registry") as theirs, Registry() as their_target,
        Serve(command) as ours, Serve(command) as our_target,
    ):  # fmt: skip
        image = prepare_images([name := "layers8-quick" if quick else "layers8"], theirs, cache)[name]
        idle = _memory(ours)
        source = f"docker://{theirs.host}/{image.repository}:1"
        run_timed([*copy, source, f"docker://{ours.host}/{image.repository}:1"], scratch)
        run_timed([*copy, source, f"dir:{scratch}/origin"], scratch)
        pulls = Comparison("pull of 8 layers, skopeo", PULL_LIMIT)
        pushes = Comparison("push of 8 layers, skopeo", PUSH_LIMIT)
        for number in range(runs):
            turn = -1 if number % 2 else 1
            for who, host in [(OURS, ours.host), (THEIRS, theirs.host)][::turn]:
                shutil.rmtree(scratch / "pulled", ignore_errors=True)
                pull = [*copy, f"docker://{host}/{image.repository}:1", f"dir:{scratch}/pulled"]
                pulls.seconds[who].append(run_timed(pull, scratch, large=not quick).seconds)
            _forget_blobs(our_target.layout, their_target.folder / "storage")
            for who, host in [(OURS, our_target.host), (THEIRS, their_target.host)][::turn]:
                push = [*copy, f"dir:{scratch}/origin", f"docker://{host}/pushed{number}/x:1"]
                pushes.seconds[who].append(run_timed(push, scratch, large=not quick).seconds)
            print(f"  round {number + 1}/{runs}", file=sys.stderr, flush=True)
        heads = {who: _heads(host, f"/v2/{image.repository}/manifests/1") for who, host in
                 ((OURS, ours.host), (THEIRS, theirs.host))}  # fmt: skip
        largest = max(image.blobs, key=lambda digest: image.blobs[digest])
        _downloads(ours.host, f"/v2/{image.repository}/blobs/{largest}")
        busy = max(_memory(ours, "VmHWM"), _memory(our_target, "VmHWM"))
    shutil.rmtree(scratch)
    memory = MEMORY_LIMIT + MEMORY_OF_REQUEST * _DOWNLOADS
    print(f"{'':28} {OURS:>11} {THEIRS:>11}   ratio")
    print(pulls.row())
    print(pushes.row())
    print(f"{'HEADs of a manifest a second':28} {heads[OURS]:11.0f} {heads[THEIRS]:11.0f}   (limit {HEADS_LIMIT})")
    print(
        f"memory of {OURS}: {idle:.0f} MiB at first (limit {MEMORY_LIMIT}),"
        f" {busy:.0f} MiB at most, with pushes and {_DOWNLOADS} downloads at once (limit {memory})"
    )
    return (
        pulls.ratio <= PULL_LIMIT and pushes.ratio <= PUSH_LIMIT and heads[OURS] >= HEADS_LIMIT
        and idle <= MEMORY_LIMIT and busy <= memory
    )  # fmt: skip


def _forget_blobs(layout: Path, storage: Path) -> None:
    """Remove all blobs, so that they are pushed again."""
    for folder in (layout / "blobs/sha256", layout / "registry/repositories", storage / "docker"):
        shutil.rmtree(folder, ignore_errors=True)
    (layout / "blobs/sha256").mkdir(exist_ok=True)


def _heads(host: str, path: str) -> float:
    """Return how many HEAD requests a second are answered, over several connections."""

    def work() -> None:
        connection = http.client.HTTPConnection(host, timeout=30)
        for _ in range(_HEADS // _CONNECTIONS):
            connection.request("HEAD", path, headers={"Accept": MANIFEST_TYPE})
            response = connection.getresponse()
            response.read()
            assert response.status == 200, response.status

    started = time.monotonic()
    _at_once(work, _CONNECTIONS)
    return _HEADS / (time.monotonic() - started)


def _downloads(host: str, path: str) -> None:
    def work() -> None:
        connection = http.client.HTTPConnection(host, timeout=120)
        connection.request("GET", path)
        response = connection.getresponse()
        while response.read(1024 * 1024):
            pass

    _at_once(work, _DOWNLOADS)


def _at_once(work: Callable[[], None], count: int) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _memory(server: Serve, name: str = "VmRSS") -> float:
    status = Path(f"/proc/{server.pid}/status").read_text()
    return int(status.partition(f"{name}:")[2].split()[0]) / 1024
