"""Importing the package, or a part of it, loads nothing heavy that is not used."""

from __future__ import annotations

from pathlib import Path


def test_importing_is_cheap() -> None:
    import subprocess
    import sys

    heavy = "anyio asyncio subprocess ssl httpx ipaddress urllib.parse base64 shutil selectors"
    code = (
        "import sys; before = set(sys.modules); import pyskopeo.credentials.keychain, pyskopeo.config.proxies, pyskopeo.config.certificates;"
        f"print(*[name for name in {heavy.split()} if name in sys.modules and name not in before])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=root, capture_output=True, text=True, check=True)
    # pathlib brings urllib.parse along until Python 3.13.
    assert set(done.stdout.split()) <= {"urllib.parse", "ipaddress"}
