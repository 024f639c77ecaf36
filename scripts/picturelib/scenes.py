"""What is on the pictures: each scene types commands into a terminal, beside a registry that is slow."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.delay import DelayProxy
from tests.support.pushing import Pushing
from tests.support.simulator import Simulator

from .sample import ImageBuilder, Step, shop
from .terminal import Terminal

MIB = 1024 * 1024
IMAGE = "docker://quay.io/shop/web:1.4"
SERVICES = {"cart": 2100, "mail": 900, "payment": 6400, "search": 15200, "stock": 3300}
"""Each of these images adds one program of so many KiB to the base."""


@dataclass(frozen=True)
class Stage:
    """Where scenes play: a directory with a home, and a command to start with."""

    directory: Path
    command: Path

    def terminal(self, width: int, height: int = 24) -> Terminal:
        """Return a terminal in which ``pyskopeo`` is in PATH and ``quay.io/shop`` is the simulated registry."""
        path = f"{self.command.parent}:/usr/bin:/bin"
        environment = {"HOME": str(self.directory / "home"), "PATH": path, "LANG": "C.UTF-8"}
        return Terminal(width, height, str(self.directory / "work"), environment)


@contextmanager
def stage(directory: Path, command: Path) -> Iterator[Stage]:
    """Serve the sample images, slowly, under the name of a public registry."""
    (directory / "work").mkdir(parents=True)
    listed = "".join(f'    {name}: ["2.0", "2.1"]\n' for name in SERVICES)
    (directory / "work" / "images.yaml").write_text(f"quay.io/shop:\n  images:\n{listed}")
    configuration = directory / "home" / ".config" / "containers"
    configuration.mkdir(parents=True)
    with Simulator(pushing=Pushing(referrers=True)) as registry:
        fill(registry)
        with DelayProxy("127.0.0.1", registry.port, 0.03, bytes_per_second=3 * MIB) as far:
            (configuration / "registries.conf").write_text(
                f'[[registry]]\nprefix = "quay.io/shop"\nlocation = "{far.host}/shop"\ninsecure = true\n'
                f'[[registry]]\nprefix = "quay.io/near"\nlocation = "{registry.host}/shop"\ninsecure = true\n'
            )
            yield Stage(directory, command)


def fill(registry: Simulator) -> None:
    """Put the images into the registry: a shop in two versions, and some services that share its base."""
    builder = ImageBuilder()
    for version in ("1.3", "1.4"):
        image = builder.build(shop(version))
        registry.add(image, "shop/web", version)
        registry.add(builder.sbom(image), "shop/web", None)
    base = shop("1")[:1]
    for name, kib in SERVICES.items():
        for version in ("2.0", "2.1"):
            program = Step(f"COPY {name} /usr/bin/{name} # buildkit", {f"usr/bin/{name}-{version}": kib})
            registry.add(ImageBuilder().build((*base, program)), f"shop/{name}", version)


def _clean(terminal: Terminal, directory: str) -> None:
    terminal.run(f"rm -rf {directory}")
    terminal.clear()


def progress(terminal: Terminal) -> None:
    """A copy from a registry, in the middle."""
    _clean(terminal, "web")
    terminal.type(f"pyskopeo copy --all {IMAGE} oci:web:1.4")
    terminal.wait_for(r"MiB", 20)
    time.sleep(4)


def finished(terminal: Terminal) -> None:
    """The same copy when it is finished."""
    _clean(terminal, "web")
    terminal.run(f"pyskopeo copy --all {IMAGE} oci:web:1.4", 120)


def sync(terminal: Terminal) -> None:
    """Many images, in the middle."""
    _clean(terminal, "mirror")
    terminal.type("pyskopeo sync --src yaml --dest oci --all images.yaml mirror")
    terminal.wait_for(r"MiB", 20)
    time.sleep(4)


def command(*lines: str) -> Callable[[Terminal], None]:
    """Return a scene of commands that are run one after the other."""

    def play(terminal: Terminal) -> None:
        for line in lines:
            terminal.run(line)

    return play
