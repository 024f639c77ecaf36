"""The pictures by name: the scene of each, its size, and the commands that make pages."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import scenes
from .browser import screenshot
from .scenes import Stage
from .terminal import Terminal, as_svg

NEAR = "docker://quay.io/near/web"


@dataclass(frozen=True)
class Shot:
    """A scene in a terminal of this size; the picture ends before the line ``until``, if there is one."""

    play: Callable[[Terminal], None]
    width: int
    height: int = 24
    until: str = "\0"


@dataclass(frozen=True)
class Page:
    """A command whose page (``PAGE`` in it) is shown in a window of this size."""

    command: tuple[str, ...]
    width: int
    height: int


TERMINALS = {
    "progress": Shot(scenes.progress, 80),
    "progress-wide": Shot(scenes.progress, 120),
    "finished": Shot(scenes.finished, 100),
    "sync": Shot(scenes.sync, 100),
    "overview": Shot(scenes.command("pyskopeo"), 80, 100, until="Accounts:"),
    "tree": Shot(scenes.command(f"pyskopeo tree {NEAR}:1.4"), 100, 50),
    "inspect": Shot(scenes.command(f"pyskopeo inspect {NEAR}:1.4"), 100, 50),
    "du": Shot(scenes.command(f"pyskopeo du --rows 10 {NEAR}:1.4"), 100, 50),
    "diff": Shot(scenes.command(f"pyskopeo diff {NEAR}:1.3 {NEAR}:1.4"), 100, 50),
}
PAGES = {
    "tree-page": Page(("tree", "--html", "PAGE", f"{NEAR}:1.4"), 1000, 900),
    "du-page": Page(("du", "--html", "PAGE", f"{NEAR}:1.4"), 1000, 900),
}


def draw_terminal(place: Stage, name: str, directory: Path) -> None:
    """Play a scene and write its picture."""
    shot = TERMINALS[name]
    with place.terminal(shot.width, shot.height) as terminal:
        shot.play(terminal)
        screen = terminal.screen().partition(shot.until)[0].rstrip()
    (directory / f"{name}.svg").write_text(as_svg(screen, shot.width, "pyskopeo", name))


def look(place: Stage, name: str, widths: tuple[int, ...], directory: Path) -> None:
    """Play a scene in terminals of several widths; write what each shows as text, with escapes."""
    directory.mkdir(parents=True, exist_ok=True)
    for width in widths:
        with place.terminal(width, TERMINALS[name].height) as terminal:
            TERMINALS[name].play(terminal)
            (directory / f"{name}-{width}.txt").write_text(terminal.screen() + "\n")


def draw_page(place: Stage, name: str, directory: Path) -> None:
    """Run a command that writes a page, and write a picture of it."""
    page = PAGES[name]
    file = place.directory / "work" / f"{name}.html"
    words = [str(file) if word == "PAGE" else word for word in page.command]
    environment = {"HOME": str(place.directory / "home"), "PATH": "/usr/bin:/bin"}
    subprocess.run([str(place.command), *words], check=True, env=environment, cwd=place.directory / "work")
    directory.mkdir(parents=True, exist_ok=True)
    screenshot(file, directory / f"{name}.png", page.width, page.height)
