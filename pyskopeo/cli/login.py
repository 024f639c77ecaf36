"""``pyskopeo login``."""

from __future__ import annotations

import sys

from ..credentials.authfile import Credentials
from ..errors import AccessDenied, CredentialsFailed, InvalidInput
from .accounts import AUTHFILE, CERT_DIR, COMPAT_AUTHFILE, PATIENCE, TLS_VERIFY, Account, wanted_registry
from .command import Command
from .flags import Flag, Parsed, UsageError, boolean
from .supervision import run_async

_STDIN_LIMIT = 64 * 1024

_FLAGS = (
    AUTHFILE,
    COMPAT_AUTHFILE,
    CERT_DIR,
    TLS_VERIFY,
    Flag("get-login", "print the user who is logged in to the registry", read=boolean, default=False),
    Flag("password", "password for the registry; others can see it here: rather use --password-stdin", short="p",
         value="PASS", default=""),
    Flag("password-stdin", "take the password from standard input", read=boolean, default=False),
    Flag("username", "user name for the registry", short="u", value="USER", default=""),
    Flag("verbose", "say where the credentials are kept", short="v", read=boolean, default=False),
    *PATIENCE,
)  # fmt: skip


def run(parsed: Parsed) -> int:
    """Ask, check, keep; nothing is kept that the registry refuses."""
    account = Account.of(wanted_registry(parsed, "in", "to"), parsed)
    existing = account.existing() or Credentials()
    if parsed["get-login"]:
        if not existing.username:
            raise CredentialsFailed(f"not logged into {account.key}")
        print(existing.username)
        return 0
    if existing.identity_token:
        raise CredentialsFailed("currently logged in, auth file contains an Identity token")
    seconds = parsed["command-timeout"]
    user, password = parsed["username"], _given_password(parsed)
    if not user and not password and existing.username and existing.password:
        print(f"Authenticating with existing credentials for {account.key}")
        if account.accepts(existing, seconds):
            print(f"Existing credentials are valid. Already logged in to {account.key.registry}")
            return 0
        print("Existing credentials are invalid, please enter valid username and password")
    credentials = _asked_for(user, password, existing.username)
    if not account.accepts(credentials, seconds):
        raise AccessDenied(f'logging into "{account.key}": invalid username/password', status=401)
    where = _keep(account, credentials)
    if parsed["verbose"]:
        print(f"Used:  {where}")
    print("Login Succeeded!")
    return 0


def _keep(account: Account, credentials: Credentials) -> str:
    where: list[str] = []

    async def keep() -> int:
        where.append(await account.file().put(account.key, credentials))
        return 0

    run_async(keep)
    return where[0]


def _given_password(parsed: Parsed) -> str:
    password: str = parsed["password"]
    if not parsed["password-stdin"]:
        return password
    if password:
        raise UsageError("can't specify both --password-stdin and --password")
    if not parsed["username"]:
        raise UsageError("must provide --username with --password-stdin")
    content = sys.stdin.buffer.read(_STDIN_LIMIT + 1)
    if len(content) > _STDIN_LIMIT:
        raise InvalidInput(f"--password-stdin: over {_STDIN_LIMIT} bytes, which is no password")
    try:
        lines = content.decode().split("\n")
    except UnicodeDecodeError:
        raise InvalidInput("--password-stdin: not text in UTF-8") from None
    return "".join(line.removesuffix("\r") for line in lines)


def _asked_for(user: str, password: str, known: str) -> Credentials:
    """What was not given is asked for: the user on any standard input, the password at a terminal alone."""
    failed = "getting username and password"
    if not user:
        print(f"Username ({known}): " if known else "Username: ", end="", flush=True)
        line = sys.stdin.readline()
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


COMMAND = Command(
    name="login",
    arguments="[REGISTRY]",
    description=(
        "Log in to a container registry, or to a namespace in it: REGISTRY is HOST[:PORT][/NAMESPACE].\n"
        "The registry is asked whether it takes the credentials before they are kept.\n\n"
        "A password on the command line can be seen by everybody on the machine; --password-stdin, or the\n"
        "question at a terminal, keeps it to yourself."
    ),
    examples=(
        "pyskopeo login quay.io",
        "pyskopeo login -u testuser --password-stdin quay.io < testpassword.txt",
        "pyskopeo login --authfile auth.json quay.io/example",
        "pyskopeo login --get-login quay.io",
    ),
    flags=_FLAGS,
    run=run,
)
