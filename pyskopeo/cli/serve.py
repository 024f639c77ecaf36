"""``pyskopeo serve``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidName
from ..fast_dataclass import dataclass
from . import serve_flags
from .command import Command
from .flags import Flag, Parsed
from .serve_flags import GuardOptions, listen_address
from .standard_streams import notice

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_DEFAULT = "127.0.0.1:5000"


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """The options of ``serve``. ``timeout`` is how long to serve, in seconds; 0: until interrupted."""

    layout: Path
    host: str
    port: int
    timeout: float
    guard: GuardOptions

    @classmethod
    def of(cls, parsed: Parsed) -> ServeOptions:
        """Read the options; raises `InvalidInput`."""
        host, port = listen_address("listen", parsed.get("listen", str))
        guard = GuardOptions.of(parsed, host)
        return cls(_layout(parsed.arguments[0]), host, port, parsed.get("command-timeout", float), guard)


def run(options: ServeOptions) -> int:
    """Serve until interrupted, which is the regular end."""
    from ..serve.metrics import ServerMetrics
    from .serve_run import Listening, serve_until_told

    metrics = ServerMetrics()
    listening = Listening(options.host, options.port, options.timeout, partial(_print_address, options.layout))
    serve_until_told(_application(options), listening, options.guard, metrics, partial(_problem, options))
    return 0


def _application(options: ServeOptions) -> ASGIApp:
    """Return what serves the images."""
    from ..serve import application

    return application(options.layout)


def _problem(options: ServeOptions) -> str:
    """Return what keeps the server from its work, for /healthz; "" if nothing does."""
    return "" if options.layout.is_dir() else "the layout is not there"


def _print_address(layout: Path, host: str, port: int, encrypted: bool) -> None:
    shown = f"[{host}]" if ":" in host else host
    scheme = "https" if encrypted else "http"
    notice(f"serving {layout} at {scheme}://{shown}:{port}/v2/ (read only; any repository name)")


def _layout(name: str) -> Path:
    transport, colon, path = name.partition(":")
    if not colon or transport != "oci" or not path or ":" in path:
        raise InvalidName(f'Invalid image name "{name}", want oci:DIR')
    return Path(path)


COMMAND = Command(
    name="serve",
    arguments="LAYOUT",
    description=(
        "Serve the images of an OCI layout as a read-only registry, from which skopeo, Docker and others can\n"
        "pull. The whole layout is served under any repository name; the tags are its reference names.\n"
        "\n"
        "Beyond this machine it is served only with logins (--htpasswd, --token-file) or with --insecure-listen.\n"
        "SIGHUP reads the files of logins, rules and certificates again, which also happens when they change.\n"
        "Requires an extra: pip install 'pyskopeo[serve]'"
    ),
    examples=(
        "pyskopeo serve oci:mirror --listen 127.0.0.1:5000",
        "pyskopeo serve oci:mirror --listen 0.0.0.0:5000 --htpasswd users --tls-cert cert.pem --tls-key key.pem",
    ),
    flags=(
        Flag("listen", f"address to listen on; port 0 selects a free port (default: {_DEFAULT})", value="HOST:PORT",
             default=_DEFAULT, group="network"),
        *serve_flags.ACCESS, *serve_flags.NETWORK, *serve_flags.RECORDS,
    ),
    read=ServeOptions.of,
    run=run,
)  # fmt: skip
