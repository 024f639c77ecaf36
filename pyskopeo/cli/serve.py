"""``pyskopeo serve``."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ..errors import InvalidName
from ..fast_dataclass import dataclass
from .command import Command
from .flags import Flag, Parsed, UsageError, boolean
from .main import Interrupted, supervise
from .standard_streams import notice

_DEFAULT = "127.0.0.1:5000"


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """The options of ``serve``. ``timeout`` is how long to serve, in seconds; 0: until interrupted.

    ``writable`` is whether pushes are taken.
    """

    layout: Path
    host: str
    port: int
    timeout: float
    writable: bool

    @classmethod
    def of(cls, parsed: Parsed) -> ServeOptions:
        """Read the options; raises `InvalidInput`."""
        host, port = _address(parsed.get("listen", str))
        timeout, writable = parsed.get("command-timeout", float), parsed.get("writable", bool)
        return cls(_layout(parsed.arguments[0]), host, port, timeout, writable)


def run(options: ServeOptions) -> int:
    """Serve until interrupted, which is the regular end."""
    import logging

    from ..serve import serve

    # uvicorn warns about every client that tries TLS first, as skopeo and Docker do.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    ready = partial(_print_address, options.layout, _how(options))
    served = serve(options.layout, options.host, options.port, on_ready=ready, writable=options.writable)
    try:
        supervise(served, options.timeout)
    except (Interrupted, KeyboardInterrupt):
        return 0
    return 0


def _how(options: ServeOptions) -> str:
    if options.writable:
        return "takes pushes"
    from ..storage.blob_links import is_registry_layout

    is_registry = is_registry_layout(options.layout)
    return "read only" if is_registry else "read only; any repository name"


def _print_address(layout: Path, how: str, host: str, port: int) -> None:
    shown = f"[{host}]" if ":" in host else host
    notice(f"serving {layout} at http://{shown}:{port}/v2/ ({how})")


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
        "\n"
        "With --writable it takes pushes, too: the layout, which is made if it is missing, has an entry\n"
        "REPOSITORY:TAG for each tag, and other programs may read and write it meanwhile. Without --writable such\n"
        "a layout is served with its repositories, read only. What no tag needs any more is removed by layout prune.\n"
        "\n"
        "Requires an extra: pip install 'pyskopeo[serve]'"
    ),
    examples=(
        "pyskopeo serve oci:mirror --listen 127.0.0.1:5000",
        "pyskopeo serve oci:registry --writable",
    ),
    flags=(Flag("listen", f"address to listen on; port 0 selects a free port (default: {_DEFAULT})",
                value="HOST:PORT", default=_DEFAULT, group="network"),
           Flag("writable", "take pushes and deletions; the layout is made if it is missing", read=boolean,
                default=False, group="destination")),
    read=ServeOptions.of,
    run=run,
)  # fmt: skip
