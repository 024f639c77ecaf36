"""``pyskopeo serve`` as a process."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from .commands import started

USERS = "alice:$2b$04$5pttC8Mh2r2pixh3nYdOqeTLwpUuL3LSIAuLjJRnrQWwEmyzZNr3G\nbob:$2b$04$5pttC8Mh2r2pixh3nYdOqeTLwpUuL3LSIAuLjJRnrQWwEmyzZNr3G\n"
"""An htpasswd file; the passwords are ``secret``."""


class Served:
    """A server that runs: its ``host:port``, and the lines that it has written."""

    def __init__(self, process: subprocess.Popen[bytes], address: str, scheme: str) -> None:
        self.process, self.host, self.scheme = process, address, scheme
        self.lines: list[str] = []

    @property
    def url(self) -> str:
        """Its address as a URL."""
        return f"{self.scheme}://{self.host}"

    def wait_for_line(self, text: str, seconds: float = 30) -> None:
        """Return when it has written a line with ``text``."""
        from .processes import wait_until

        assert wait_until(lambda: any(text in line for line in self.lines), seconds), self.lines


@contextmanager
def served(layout: Path, *flags: object) -> Iterator[Served]:
    """``pyskopeo serve oci:LAYOUT FLAGS`` on a free port of loopback, which ends with the block."""
    with started("serve", f"oci:{layout}", "--listen", "127.0.0.1:0", *flags) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        early: list[str] = []
        found = None
        while found is None:
            early.append(process.stdout.readline().decode())
            assert early[-1], process.stderr.read().decode()  # it has ended
            found = re.search(r" at (https?)://([^/]+)/v2/", early[-1])
        server = Served(process, found[2], found[1])
        server.lines += early

        def read(stream: IO[bytes]) -> None:
            for line in stream:
                server.lines.append(line.decode())

        readers = [threading.Thread(target=read, args=(one,), daemon=True) for one in (process.stdout, process.stderr)]
        for reader in readers:
            reader.start()
        try:
            yield server
        finally:
            process.kill()
            process.wait()
            for reader in readers:
                reader.join()
