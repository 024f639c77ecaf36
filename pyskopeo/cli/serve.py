"""``pyskopeo serve``."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ..errors import InvalidName
from ..fast_dataclass import dataclass
from .command import Command
from .flags import Flag, Parsed, UsageError
from .main import Interrupted, supervise
from .standard_streams import notice

_DEFAULT = "127.0.0.1:5000"


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """The options of ``serve``. ``timeout`` is how long to serve, in seconds; 0: until interrupted."""

    layout: Path
    host: str
    port: int
    timeout: float

    @classmethod
    def of(cls, parsed: Parsed) -> ServeOptions:
        """Read the options; raises `InvalidInput`."""
        host, port = _address(parsed.get("listen", str))
        return cls(_layout(parsed.arguments[0]), host, port, parsed.get("command-timeout", float))


def run(options: ServeOptions) -> int:
    """Serve until interrupted, which is the regular end."""
    import logging

    from ..serve import serve

    # uvicorn warns about every client that tries TLS first, as skopeo and Docker do.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    ready = partial(_print_address, options.layout)
    try:
        supervise(serve(options.layout, options.host, options.port, on_ready=ready), options.timeout)
    except (Interrupted, KeyboardInterrupt):
        return 0
    return 0


def _print_address(layout: Path, host: str, port: int) -> None:
    shown = f"[{host}]" if ":" in host else host
    notice(f"serving {layout} at http://{shown}:{port}/v2/ (read only; any repository name)")


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
        "Serve the images of an OCI layout as a read-only registry, from which skopeo, Docker and others can\n"
        "pull. The whole layout is served under any repository name; the tags are its reference names.\n"
        "Requires an extra: pip install 'pyskopeo[serve]'"
    ),
    examples=("pyskopeo serve oci:mirror --listen 127.0.0.1:5000",),
    flags=(Flag("listen", f"address to listen on; port 0 selects a free port (default: {_DEFAULT})",
                value="HOST:PORT", default=_DEFAULT, group="network"),),
    read=ServeOptions.of,
    run=run,
)  # fmt: skip
