"""``pyskopeo logout``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ..credentials.authkey import AuthKey
from ..errors import CredentialsFailed, NetworkError, prefix_errors
from .accounts import (
    AUTHFILE,
    COMPAT_AUTHFILE,
    PATIENCE,
    TLS_VERIFY,
    Account,
    kept_in,
    named_file,
    reaching,
    wanted_registry,
)
from .command import Command
from .flags import Flag, Parsed, UsageError, boolean
from .supervision import run_async

_FLAGS = (
    AUTHFILE,
    COMPAT_AUTHFILE,
    TLS_VERIFY,
    Flag("all", "remove the credentials for all registries in the file", short="a", read=boolean, default=False),
    *PATIENCE,
)


def run(parsed: Parsed) -> int:
    """Forget one registry, or all that one file knows."""
    for name in ("authfile", "compat-auth-file"):
        _check_named(parsed[name])
    if parsed["all"]:
        if parsed.arguments:
            raise UsageError("--all takes no arguments")
        named, docker = named_file(parsed)
        _finish(kept_in(named, reaching(parsed, named).keychain, docker=docker).clear)
        print("Removed login credentials for all registries")
        return 0
    account = Account.of(wanted_registry(parsed, "out", "from"), parsed)
    if _remove(account):
        print(f"Removed login credentials for {account.key}")
        return 0
    if not _is_known_elsewhere(account, parsed["command-timeout"]):
        raise CredentialsFailed(f"not logged into {account.key}")
    print(
        f"Not logged into {account.key} with current tool. Existing credentials were established via docker login. "
        "Please use docker logout instead."
    )
    return 0


def _check_named(path: str | None) -> None:
    import os

    if not path:
        return
    try:
        os.stat(path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CredentialsFailed(f"credential file is not accessible: stat {path}: {reason}") from None


def _remove(account: Account) -> bool:
    key: AuthKey = account.key
    done: list[bool] = []

    async def remove() -> None:
        done.append(await account.file().remove(key))

    with prefix_errors(f'logging out of "{key}"'):
        _finish(remove)
    return done[0]


def _is_known_elsewhere(account: Account, seconds: float) -> bool:
    """Whether a file that is not ours to change has credentials that the registry takes."""
    existing = account.existing()
    if existing is None or not (existing.username and existing.password):
        return False
    try:
        return account.accepts(existing, seconds)
    except NetworkError:
        return False  # what cannot be asked has not said yes


def _finish(work: Callable[[], Awaitable[object]]) -> None:
    async def carry_out() -> int:
        await work()
        return 0

    run_async(carry_out)


COMMAND = Command(
    name="logout",
    arguments="[REGISTRY]",
    description=(
        "Log out of a container registry: remove its credentials from the file, and from the credential helper\n"
        "that the file names for it."
    ),
    examples=(
        "pyskopeo logout quay.io",
        "pyskopeo logout --all",
    ),
    flags=_FLAGS,
    run=run,
)
