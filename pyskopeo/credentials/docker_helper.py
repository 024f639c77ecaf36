"""Docker's credential helper protocol: ``docker-credential-NAME get|store|erase|list``."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ..errors import CredentialsFailed
from ..fast_dataclass import replace
from .authfile import Credentials, parse_object
from .helper_program import Output, Programs

NONE = "credentials not found in native keychain"
"""The message of a helper that has no credentials for a server."""
TOKEN_USER = "<token>"  # noqa: S105 - the user name that marks the secret as an identity token
OURSELVES = "pyskopeo"
_PREFIX = "docker-credential-"
_NAME = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)
_REQUEST_LIMIT = 48 * 1024


def is_ourselves(name: str) -> bool:
    """Return whether helper ``name`` is this program, which has no credentials but those of the auth files."""
    return name == OURSELVES or (Path(name).is_absolute() and Path(name).name == _PREFIX + OURSELVES)


def find(name: str, programs: Programs) -> str:
    """Return the absolute path of helper ``name``; raises `CredentialsFailed` for an invalid or missing one."""
    is_name = _NAME.fullmatch(name) is not None
    if not is_name and not (Path(name).is_absolute() and name.isprintable()):
        raise CredentialsFailed("its name is not allowed; want letters, digits and _.- or an absolute path")
    path = programs.find(_PREFIX + name if is_name else name)
    if path is None:
        what = f"{_PREFIX}{name} is not in PATH" if is_name else f"{name} is no program"
        raise CredentialsFailed(f"{what}; install it, or remove it from the file")
    return path


async def get(name: str, servers: tuple[str, ...], programs: Programs) -> Credentials | None:
    """Return the credentials that helper ``name`` has for the first of ``servers`` it knows, or None.

    Raises `CredentialsFailed`.
    """
    program = find(name, programs)
    for server in servers:
        found = _parse_credentials(await programs.ask(program, "get", server.encode()))
        if found is not None:
            return found
    return None


async def store(name: str, server: str, credentials: Credentials, programs: Programs) -> None:
    """Store ``credentials`` in helper ``name``; raises `CredentialsFailed`."""
    program = find(name, programs)
    user, secret = credentials.username, credentials.password
    if credentials.identity_token:
        user, secret = TOKEN_USER, credentials.identity_token
    request = json.dumps({"ServerURL": server, "Username": user, "Secret": secret}, ensure_ascii=False).encode()
    if len(request) > _REQUEST_LIMIT:
        raise CredentialsFailed(f"{program}: the secret is over {_REQUEST_LIMIT} bytes, which no helper keeps")
    done = await programs.ask(program, "store", request)
    if done.status:
        raise _failure(done, secret)


async def erase(name: str, server: str, programs: Programs) -> bool:
    """Erase the credentials for ``server``; returns whether there were any. Raises `CredentialsFailed`."""
    done = await programs.ask(find(name, programs), "erase", server.encode())
    if _has_none(done):
        return False
    if done.status:
        raise _failure(done)
    return True


async def servers_of(name: str, programs: Programs) -> tuple[str, ...]:
    """Return the servers for which helper ``name`` has credentials; raises `CredentialsFailed`."""
    done = await programs.ask(find(name, programs), "list", b"")
    if _has_none(done):
        return ()
    if done.status:
        raise done.failure()
    try:
        return tuple(parse_object(done.stdout.decode()))
    except ValueError:
        raise CredentialsFailed(f"{done.program} did not answer with a JSON object") from None


def _failure(output: Output, secret: str = "") -> CredentialsFailed:
    """Return the error for a helper that failed to store or erase.

    Docker's helpers write the reason to standard output, others to standard error; it may contain the
    ``secret``, which is masked.
    """
    message = output.stderr if output.stderr.strip() else output.stdout
    for form in (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], secret):
        message = message.replace(form.encode(), b"***") if form else message
    return replace(output, stderr=message).failure()


def _has_none(output: Output) -> bool:
    message = NONE.encode()
    return message in output.stdout or (output.status != 0 and message in output.stderr)


def _parse_credentials(output: Output) -> Credentials | None:
    """Return the credentials in the output of ``get``, or None; no part of standard output is put in errors."""
    if _has_none(output):
        return None
    if output.status:
        raise output.failure()
    program = output.program
    try:
        fields = parse_object(output.stdout.decode())
    except ValueError:
        raise CredentialsFailed(f"{program} did not answer with a JSON object") from None
    username, secret = fields.get("Username", ""), fields.get("Secret", "")
    if not isinstance(username, str) or not isinstance(secret, str) or bool(username) != bool(secret):
        raise CredentialsFailed(f"{program} did not answer with a Username and a Secret")
    if not username:
        return None
    if username == TOKEN_USER:
        return Credentials(identity_token=secret)
    return Credentials(username, secret)
