"""``pyskopeo logout``."""

from __future__ import annotations

import os

from ..credentials.authkey import AuthKey
from ..errors import CredentialsFailed, NetworkError, prefix_errors
from ..fast_dataclass import dataclass
from ..storage.token_cache import TokenCache
from .accounts import ACCOUNT_NETWORK, AUTHFILE, COMPAT_AUTHFILE, TLS_VERIFY, Account, read_registry
from .command import Command
from .flags import Flag, Parsed, UsageError, boolean
from .main import supervise
from .standard_streams import notice

_FLAGS = (
    AUTHFILE,
    COMPAT_AUTHFILE,
    TLS_VERIFY,
    Flag("all", "remove the credentials for all registries from the file", short="a", read=boolean, default=False,
         group="registry"),
    *ACCOUNT_NETWORK,
)


@dataclass(frozen=True, slots=True)
class LogoutOptions:
    """The options of ``logout``. ``key`` is None for all registries."""

    key: AuthKey | None
    account: Account

    @classmethod
    def of(cls, parsed: Parsed) -> LogoutOptions:
        """Read the options; raises `InvalidInput`, and `CredentialsFailed` if a file that is named does not exist."""
        for name in ("authfile", "compat-auth-file"):
            _check_exists(parsed.optional(name, str))
        if not parsed.get("all", bool):
            return cls(read_registry(parsed, "out", "from"), Account.of(parsed))
        if parsed.arguments:
            raise UsageError("--all takes no arguments")
        return cls(None, Account.of(parsed))


def run(options: LogoutOptions) -> int:
    """Remove the credentials for one registry, or for all in the file."""
    account, key = options.account, options.key
    if tokens := TokenCache.of(account.access.keychain.environ, account.access.storage.cache):
        tokens.clear()  # of the credential helper
    if key is None:
        supervise(account.store().clear())
        notice("Removed login credentials for all registries")
        return 0
    with prefix_errors(f'logging out of "{key}"'):
        is_removed = supervise(account.store().remove(key))
    if is_removed:
        notice(f"Removed login credentials for {key}")
        return 0
    if not _is_known_elsewhere(account, key):
        raise CredentialsFailed(f"not logged into {key}")
    notice(
        f"Not logged into {key} with current tool. Existing credentials were established via docker login. "
        "Please use docker logout instead."
    )
    return 0


def _check_exists(path: str | None) -> None:
    if not path:
        return
    try:
        os.stat(path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CredentialsFailed(f"credential file is not accessible: faccessat {path}: {reason}") from None


def _is_known_elsewhere(account: Account, key: AuthKey) -> bool:
    """Return whether a file of another tool has credentials that the registry accepts."""
    existing = account.existing(key)
    if existing is None or not (existing.username and existing.password):
        return False
    try:
        return account.accepts(key, existing)
    except NetworkError:
        return False  # a registry that cannot be reached has not accepted them


COMMAND = Command(
    name="logout",
    arguments="[REGISTRY]",
    description=(
        "Log out of a container registry: remove its credentials from the file, and from the credential\n"
        "helper that the file names for the registry."
    ),
    examples=(
        "pyskopeo logout quay.io",
        "pyskopeo logout --all",
    ),
    flags=_FLAGS,
    read=LogoutOptions.of,
    run=run,
)
