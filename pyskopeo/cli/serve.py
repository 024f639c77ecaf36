"""``pyskopeo serve``."""

from __future__ import annotations

from pathlib import Path

from ..errors import InvalidName
from .command import Command
from .flags import Flag, Parsed, UsageError
from .supervision import Interrupted, run_async

_DEFAULT = "127.0.0.1:5000"


def run(parsed: Parsed) -> int:
    """Serve until interrupted."""
    host, port = _address(parsed["listen"])
    layout = _layout(parsed.arguments[0])

    def ready(host: str, port: int) -> None:
        shown = f"[{host}]" if ":" in host else host
        print(f"serving {layout} at http://{shown}:{port}/v2/ (read only; any repository name)", flush=True)

    async def work() -> int:
        import logging

        from ..serve import serve

        # uvicorn warns about every client that tries TLS first, as skopeo and Docker do.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        await serve(layout, host, port, on_ready=ready)
        return 0

    try:
        return run_async(work, parsed["command-timeout"])
    except Interrupted:
        return 0  # how one ends a server


def _layout(name: str) -> Path:
    transport, colon, path = name.partition(":")
    if not colon or transport != "oci" or not path or ":" in path:
        raise InvalidName(f'Invalid image name "{name}", want oci:DIR')
    return Path(path)


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise UsageError(f'invalid argument "{text}" for "--listen" flag: want HOST:PORT')
    return host.strip("[]") or "127.0.0.1", int(port)


COMMAND = Command(
    name="serve",
    arguments="LAYOUT",
    description=(
        "Serve the images of an OCI layout as a read-only registry, so that skopeo, Docker and others can\n"
        "pull them. Any repository name serves the whole layout; tags are its reference names.\n"
        "Needs the extra: pip install 'pyskopeo[serve]'"
    ),
    examples=("pyskopeo serve oci:mirror --listen 127.0.0.1:5000",),
    flags=(Flag("listen", f"address to listen on (default {_DEFAULT}; port 0 picks a free one)",
                value="HOST:PORT", default=_DEFAULT),),
    run=run,
)  # fmt: skip
