"""A real browser, Chromium, that draws a page without a window."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_NAMES = ("chromium", "chromium-browser", "google-chrome")


def screenshot(page: Path, picture: Path, width: int, height: int) -> None:
    """Write a PNG of a page in a window of this size; exit with a message where there is no Chromium."""
    program = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if program is None:
        sys.exit("pictures: needs Chromium (on Debian: apt-get install chromium)")
    with tempfile.TemporaryDirectory(prefix="pyskopeo-browser-") as profile:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars"]
        flags += [f"--user-data-dir={profile}", f"--window-size={width},{height}", "--virtual-time-budget=3000"]
        done = subprocess.run(
            [program, *flags, f"--screenshot={picture.resolve()}", page.resolve().as_uri()],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
    if done.returncode or not picture.exists():
        sys.exit(f"pictures: {program} failed: {done.stderr.strip()[-300:]}")
