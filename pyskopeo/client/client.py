"""The client for async programs."""

from __future__ import annotations

from .bundles import BundleMethods
from .files import FileMethods
from .images import ImageMethods
from .plans import PlanMethods
from .repositories import RepositoryMethods


class Client(ImageMethods, RepositoryMethods, FileMethods, BundleMethods, PlanMethods):
    """The functions of the library as methods that share settings, connections and tokens; for asyncio and trio.

    ::

        async with pyskopeo.Client(credentials=("robot", token)) as client:
            for tag in await client.tags("docker://registry.example.com/team/app"):
                image = await client.inspect(f"docker://registry.example.com/team/app:{tag}")

    ``credentials`` are a user name and a password or token, for the registry of the first call, or a mapping of them by
    ``HOST[:PORT][/PATH]`` for several; without any, those of the user's auth files and credential helpers are used, as
    by the command line. With credentials for one registry, calls that name another one raise `InvalidInput`.
    ``insecure`` True turns the verification of TLS certificates off and allows plain http; None leaves that to
    ``registries.conf``. ``store`` is the content store (`Storage`), ``offline`` forbids all requests, and ``authfile``
    is the only auth file to read. ``access`` has all other settings, None: the user's own configuration
    (`Access.from_environ`). ``report`` is called with the events of all calls that are not given another one, in the
    event loop.

    Nothing is opened before the first call. Calls may run concurrently, in one event loop. `aclose`, or leaving the
    context, closes the connections. After ten minutes new calls get other connections, and files and credential helpers
    are asked again, so a program may keep a client as long as it runs.
    """
