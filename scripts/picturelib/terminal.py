"""A real terminal: a tmux session of its own, whose screen is captured with its colours and drawn as SVG."""

from __future__ import annotations

import io
import re
import shlex
import subprocess
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

# Legible on white and on dark pages; the colours of the terminal, not of the program.
_BACKGROUND, _FOREGROUND = (24, 27, 33), (208, 212, 220)
_NORMAL = [(40, 44, 52), (224, 108, 117), (126, 178, 109), (214, 170, 96), (97, 155, 222), (178, 128, 200),
           (86, 178, 190), (208, 212, 220)]  # fmt: skip
_BRIGHT = [(104, 112, 125), (240, 130, 138), (152, 205, 132), (232, 192, 120), (122, 178, 245), (200, 150, 222),
           (110, 202, 214), (240, 242, 246)]  # fmt: skip
_FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"


class Terminal:
    """A shell in a terminal of ``width`` columns; a context manager. It ends with its own tmux server only."""

    def __init__(self, width: int, height: int, directory: str, environment: Mapping[str, str]) -> None:
        self.width, self.height = width, height
        self._tmux = ["tmux", "-L", f"pyskopeo-pictures-{width}-{time.monotonic_ns()}", "-f", "/dev/null"]
        self._directory, self._environment = directory, environment

    def __enter__(self) -> Self:
        words = [f"{name}={value}" for name, value in self._environment.items()]
        shell = ["env", "-i", *words, "PS1=$ ", "TERM=xterm-256color", "bash", "--noprofile", "--norc"]
        size = ["-x", str(self.width), "-y", str(self.height), "-c", self._directory]
        self._do("new-session", "-d", *size, shlex.join(shell))
        self._do("set-option", "-g", "status", "off")
        self.wait_for(r"^\$ $", 10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._do("kill-server")

    def type(self, line: str) -> None:
        """Type a line into the shell, and press Enter."""
        self._do("send-keys", "-l", line)
        self._do("send-keys", "Enter")

    def press(self, key: str) -> None:
        """Press a key, by tmux's name."""
        self._do("send-keys", key)

    def run(self, line: str, seconds: float = 60) -> None:
        """Type a command and wait until the prompt is there again."""
        self.type(line)
        self.wait_for(r"\n\$ $", seconds)

    def clear(self) -> None:
        """Empty the screen, and what has left it."""
        self.type("clear")
        self.wait_for(r"^\$ $", 10)
        self._do("clear-history")

    def resize(self, width: int) -> None:
        """Give the terminal another width."""
        self._do("resize-window", "-x", str(width))
        self.width = width

    def text(self) -> str:
        """Return what is on the screen, without colours and empty lines at the end."""
        return self._do("capture-pane", "-p").rstrip("\n").rstrip(" ") + ("" if not self._at_prompt() else " ")

    def wait_for(self, pattern: str, seconds: float) -> None:
        """Wait until the screen matches ``pattern``; exit with what is on it if it does not."""
        until = time.monotonic() + seconds
        while not re.search(pattern, self.text()):
            if time.monotonic() > until:
                raise SystemExit(f"pictures: no {pattern!r} within {seconds} s, but\n{self.text()}")
            time.sleep(0.05)

    def screen(self) -> str:
        """Return the screen with its escapes, and what has scrolled out of it."""
        lines = self._do("capture-pane", "-e", "-p", "-S", "-").splitlines()
        while lines and re.sub(r"\x1b\[[\d;]*m", "", lines[-1]).strip() in ("", "$"):
            lines.pop()
        return "\n".join(lines)

    def _at_prompt(self) -> bool:
        return self._do("capture-pane", "-p").rstrip("\n").endswith("$")

    def _do(self, *words: str) -> str:
        return subprocess.run([*self._tmux, *words], check=True, capture_output=True, text=True).stdout


def as_svg(screen: str, width: int, title: str, identifier: str) -> str:
    """Return a picture of a captured screen; it needs no font and nothing else from elsewhere."""
    from rich.ansi import AnsiDecoder
    from rich.console import Console
    from rich.terminal_theme import TerminalTheme

    theme = TerminalTheme(_BACKGROUND, _FOREGROUND, _NORMAL, _BRIGHT)
    console = Console(
        record=True, width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor", highlight=False
    )
    for line in AnsiDecoder().decode(screen):
        console.print(line, no_wrap=True, overflow="ignore", crop=False)
    svg = console.export_svg(title=title, theme=theme, unique_id=identifier)
    svg = re.sub(r"\s*@font-face \{.*?\n    \}", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code, monospace", _FONTS)
    svg = svg.replace("font-family: arial", "font-family: system-ui, sans-serif")
    return re.sub(r"\s*<!-- Generated .*?-->", "", svg)
