"""``pyskopeo serve``."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidName
from ..fast_dataclass import dataclass
from . import serve_flags
from .command import Command
from .flags import Flag, Parsed, UsageError, boolean
from .proxy_flags import PROXY, ProxyOptions, print_warning
from .serve_flags import GuardOptions, listen_address
from .standard_streams import notice

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from ..serve.metrics import ServerMetrics

_DEFAULT = "127.0.0.1:5000"


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """The options of ``serve``. ``timeout`` is how long to serve, in seconds; 0: until interrupted.

    ``store`` is whether ``layout`` is a content store.
    """

    layout: Path
    host: str
    port: int
    timeout: float
    writable: bool
    store: bool
    guard: GuardOptions
    proxy: ProxyOptions | None

    @classmethod
    def of(cls, parsed: Parsed) -> ServeOptions:
        """Read the options; raises `InvalidInput`."""
        host, port = listen_address("listen", parsed.get("listen", str))
        timeout, writable = parsed.get("command-timeout", float), parsed.get("writable", bool)
        guard, proxy = GuardOptions.of(parsed, host), ProxyOptions.of(parsed)
        if writable and proxy is not None:
            raise UsageError("--writable and --proxy are mutually exclusive: a cache takes no pushes")
        layout, store = _place(parsed)
        return cls(layout, host, port, timeout, writable, store, guard, proxy)


def run(options: ServeOptions) -> int:
    """Serve until interrupted, which is the regular end."""
    from ..serve.metrics import ServerMetrics
    from .serve_run import Listening, serve_until_told

    ready = partial(_print_address, options)
    listening = Listening(options.host, options.port, options.timeout, ready)
    metrics = ServerMetrics()
    opened = partial(_open_application, options, metrics)
    serve_until_told(opened, listening, options.guard, metrics, partial(_problem, options))
    return 0


@asynccontextmanager
async def _open_application(options: ServeOptions, metrics: ServerMetrics) -> AsyncIterator[ASGIApp]:
    """Yield what serves the images."""
    if options.proxy is not None:
        async with options.proxy.open(options.layout, metrics) as proxy:
            yield proxy
        return
    from anyio import to_thread

    from ..serve import application

    made = partial(
        application, options.layout, writable=options.writable, store=options.store,
        max_blob=options.guard.max_blob_size, report=print_warning,
    )  # fmt: skip
    app = await to_thread.run_sync(made)
    await app.check()
    yield app


def _problem(options: ServeOptions) -> str:
    """Return what keeps the server from its work, for /healthz; "" if nothing does."""
    if options.proxy is not None:  # which passes on what it cannot store
        return ""
    return layout_problem(options.layout, options.writable)


def layout_problem(layout: Path, writable: bool) -> str:
    """Return why a layout cannot be served, or not be written; "" if it can."""
    if not layout.is_dir():
        return "the layout is not there"
    if writable and not os.access(layout, os.W_OK):
        return "the layout cannot be written"
    if writable and os.statvfs(layout).f_bavail == 0:
        return "the disk is full"
    return ""


def _how(options: ServeOptions) -> str:
    if options.writable:
        return "takes pushes"
    if options.proxy is not None:
        return f"a cache of {options.proxy}"
    from ..storage.blob_links import is_registry_layout

    is_registry = options.store or is_registry_layout(options.layout)
    return "read only" if is_registry else "read only; any repository name"


def _print_address(options: ServeOptions, host: str, port: int, encrypted: bool) -> None:
    shown = f"[{host}]" if ":" in host else host
    scheme = "https" if encrypted else "http"
    notice(f"serving {options.layout} at {scheme}://{shown}:{port}/v2/ ({_how(options)})")


def _place(parsed: Parsed) -> tuple[Path, bool]:
    """Return the layout or the content store to serve, and whether it is a store."""
    store = parsed.path("store") if "store" in parsed.given else None
    if parsed.arguments:
        return _layout(parsed.arguments[0]), False
    if store is None:
        raise UsageError("what is to be served is missing: want oci:DIR, or --store DIR")
    return store, True


def _layout(name: str) -> Path:
    transport, colon, path = name.partition(":")
    if not colon or transport != "oci" or not path or ":" in path:
        raise InvalidName(f'Invalid image name "{name}", want oci:DIR')
    return Path(path)


COMMAND = Command(
    name="serve",
    arguments="[LAYOUT]",
    description=(
        "Serve the images of an OCI layout as a read-only registry, from which skopeo, Docker and others can\n"
        "pull. The whole layout is served under any repository name; the tags are its reference names.\n"
        "\n"
        "With --writable it takes pushes, too: the layout, which is made if it is missing, has an entry\n"
        "REPOSITORY:TAG for each tag, and other programs may read and write it meanwhile. Without --writable such\n"
        "a layout is served with its repositories, read only. A manifest that loses its tag is kept by its digest\n"
        "until that is deleted; layout gc then frees the space of what no manifest needs.\n"
        "\n"
        "Without LAYOUT the content store of --store DIR is served: all that was copied through it, or pushed, by\n"
        "its full name, such as docker.io/library/alpine.\n"
        "\n"
        "With --proxy it is a cache of other registries in that place: what is asked for is fetched once, with the\n"
        "logins of this user, and served while the other registry is down. Names are those of the first registry,\n"
        "or begin with HOST/, so that it can be a mirror in registries.conf, for dockerd and for containerd (which\n"
        "sends ?ns=HOST). Its clients can read all that these logins can read.\n"
        "\n"
        "Beyond this machine it is served only with logins (--htpasswd, --token-file) or with --insecure-listen.\n"
        "Files of logins, rules and certificates are read again when they change, and at SIGHUP. /healthz and\n"
        "/metrics (for users, where there are logins) say how the server is.\n"
        "\n"
        "Requires an extra: pip install 'pyskopeo[serve]'"
    ),
    examples=(
        "pyskopeo serve oci:mirror --listen 127.0.0.1:5000",
        "pyskopeo serve oci:registry --writable",
        "pyskopeo serve --store /var/cache/images",
        "pyskopeo serve oci:cache --proxy docker.io --proxy quay.io",
        "pyskopeo serve oci:images --writable --listen 0.0.0.0:443 --htpasswd users --tls-cert c.pem --tls-key k.pem",
    ),
    flags=(
        Flag("listen", f"address to listen on; port 0 selects a free port (default: {_DEFAULT})", value="HOST:PORT",
             default=_DEFAULT, group="network"),
        Flag("writable", "take pushes and deletions; the layout is made if it is missing", read=boolean,
             default=False, group="destination"),
        *PROXY, *serve_flags.ACCESS, *serve_flags.NETWORK, *serve_flags.RECORDS,
    ),
    read=ServeOptions.of,
    run=run,
)  # fmt: skip
