"""``pyskopeo login``."""

from __future__ import annotations

import sys
from dataclasses import field

from ..credentials.authfile import Credentials
from ..credentials.authkey import AuthKey
from ..errors import AccessDenied, CredentialsFailed, InvalidInput, StorageFailed
from ..fast_dataclass import dataclass
from .accounts import ACCOUNT_NETWORK, AUTHFILE, CERT_DIR, COMPAT_AUTHFILE, TLS_VERIFY, Account, read_registry
from .command import Command
from .flags import Flag, Parsed, UsageError, boolean, utf8
from .main import supervise
from .standard_streams import notice, read_input

_STDIN_LIMIT = 64 * 1024

_FLAGS = (
    AUTHFILE,
    COMPAT_AUTHFILE,
    CERT_DIR,
    TLS_VERIFY,
    Flag("get-login", "print the user name that is logged in to the registry", read=boolean, default=False,
         group="output"),
    Flag("password", "password for the registry; other users can see it, prefer --password-stdin", short="p",
         value="PASS", read=utf8, default="", group="registry"),
    Flag("password-stdin", "read the password from standard input", read=boolean, default=False, group="registry"),
    Flag("username", "user name for the registry", short="u", value="USER", read=utf8, default="", group="registry"),
    Flag("verbose", "print where the credentials are stored", short="v", read=boolean, default=False, group="output"),
    *ACCOUNT_NETWORK,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LoginOptions:
    """The options of ``login``. ``username`` and ``password`` are empty if they are not given."""

    key: AuthKey
    account: Account
    get_login: bool
    username: str
    password: str = field(repr=False)
    password_stdin: bool
    verbose: bool

    @classmethod
    def of(cls, parsed: Parsed) -> LoginOptions:
        """Read the options; raises `InvalidInput`."""
        key, account = read_registry(parsed, "in", "to"), Account.of(parsed)
        get_login, password_stdin = parsed.get("get-login", bool), parsed.get("password-stdin", bool)
        username, password = parsed.get("username", str), parsed.get("password", str)
        if password_stdin and not get_login:
            if password:
                raise UsageError("can't specify both --password-stdin and --password")
            if not username:
                raise UsageError("must provide --username with --password-stdin")
        return cls(key, account, get_login, username, password, password_stdin, parsed.get("verbose", bool))


def run(options: LoginOptions) -> int:
    """Prompt for what is missing, have the registry check it, and store it only if the registry accepts it."""
    account, key = options.account, options.key
    existing = account.existing(key) or Credentials()
    if options.get_login:
        if not existing.username:
            raise CredentialsFailed(f"not logged into {key}")
        print(existing.username)
        return 0
    if existing.identity_token:
        raise CredentialsFailed("currently logged in, auth file contains an Identity token")
    user = options.username
    password = _read_password() if options.password_stdin else options.password
    if not user and not password and existing.username and existing.password:
        notice(f"Authenticating with existing credentials for {key}")
        if account.accepts(key, existing):
            notice(f"Existing credentials are valid. Already logged in to {key.registry}")
            return 0
        notice("Existing credentials are invalid, please enter valid username and password")
    credentials = _prompt(user, password, existing.username)
    if not account.accepts(key, credentials):
        raise AccessDenied(f'logging into "{key}": invalid username/password', status=401)
    where = supervise(account.store().put(key, credentials))
    if options.verbose:
        notice(f"Used:  {where}")
    notice("Login Succeeded!")
    return 0


def _read_password() -> str:
    """Read standard input to its end; line breaks are not part of the password."""
    content = read_input(_STDIN_LIMIT, "--password-stdin")
    if len(content) > _STDIN_LIMIT:
        raise InvalidInput(f"--password-stdin: over {_STDIN_LIMIT} bytes, which is no password")
    try:
        lines = content.decode().split("\n")
    except UnicodeDecodeError:
        raise InvalidInput("--password-stdin: not text in UTF-8") from None
    return "".join(line.removesuffix("\r") for line in lines)


def _prompt(user: str, password: str, known: str) -> Credentials:
    """Ask for what is empty: the user name on standard input, the password only if that is a terminal."""
    failed = "getting username and password"
    if not user:
        print(f"Username ({known}): " if known else "Username: ", end="", flush=True)
        line = _read_line(failed)
        if not line.endswith("\n"):
            raise InvalidInput(f"{failed}: reading username: EOF")
        user = line.strip() or known
    if not password:
        if not sys.stdin.isatty():
            print("Password: ", end="", flush=True)
            raise InvalidInput(
                f"{failed}: reading password: inappropriate ioctl for device: standard input is no terminal; "
                "use --password-stdin"
            )
        import getpass

        password = getpass.getpass("Password: ", stream=sys.stdout)
    return Credentials(user.strip(), password)


def _read_line(failed: str) -> str:
    try:
        return sys.stdin.readline(_STDIN_LIMIT)
    except OSError as error:
        raise StorageFailed.of(error, f"{failed}: reading username") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{failed}: the user name is not text in {sys.stdin.encoding}") from None


COMMAND = Command(
    name="login",
    arguments="[REGISTRY]",
    description=(
        "Log in to a container registry, or to a namespace in it: REGISTRY is HOST[:PORT][/NAMESPACE].\n"
        "The credentials are stored only if the registry accepts them.\n\n"
        "Every user of this machine can see a password on the command line. Enter it at the prompt instead,\n"
        "or use --password-stdin."
    ),
    examples=(
        "pyskopeo login quay.io",
        "pyskopeo login -u testuser --password-stdin quay.io < testpassword.txt",
        "pyskopeo login --authfile auth.json quay.io/example",
        "pyskopeo login --get-login quay.io",
    ),
    flags=_FLAGS,
    read=LoginOptions.of,
    run=run,
)
