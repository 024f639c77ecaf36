"""Docker's credential helpers: ``docker-credential-NAME get|store|erase``."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

from ..errors import CredentialsFailed
from .authfile import Credentials, parse_object
from .helper_program import Output, Programs

NONE = "credentials not found in native keychain"
TOKEN_USER = "<token>"  # noqa: S105 - the protocol's word for "the secret is an identity token"
OURSELVES = "pyskopeo"
_PREFIX = "docker-credential-"
_NAME = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)
_QUESTION_LIMIT = 48 * 1024


def is_ourselves(name: str) -> bool:
    """Whether helper ``name`` is this program, which knows no more than the files it reads itself."""
    return name == OURSELVES or (Path(name).is_absolute() and Path(name).name == _PREFIX + OURSELVES)


def find(name: str, programs: Programs) -> str:
    """The absolute path of helper ``name``; raises `CredentialsFailed`."""
    is_name = _NAME.fullmatch(name) is not None
    if not is_name and not (Path(name).is_absolute() and name.isprintable()):
        raise CredentialsFailed("its name is not allowed; want letters, digits and _.- or an absolute path")
    path = programs.find(_PREFIX + name if is_name else name)
    if path is None:
        what = f"{_PREFIX}{name} is not in PATH" if is_name else f"{name} is no program"
        raise CredentialsFailed(f"{what}; install it, or remove it from the file")
    return path


async def get(name: str, servers: tuple[str, ...], programs: Programs) -> Credentials | None:
    """What helper ``name`` knows for the first of ``servers`` that it knows; raises `CredentialsFailed`."""
    program = find(name, programs)
    for server in servers:
        found = _understand(await programs.ask(program, "get", server.encode()))
        if found is not None:
            return found
    return None


async def store(name: str, server: str, credentials: Credentials, programs: Programs) -> None:
    """Have helper ``name`` keep ``credentials``; raises `CredentialsFailed`."""
    program = find(name, programs)
    user, secret = credentials.username, credentials.password
    if credentials.identity_token:
        user, secret = TOKEN_USER, credentials.identity_token
    question = json.dumps({"ServerURL": server, "Username": user, "Secret": secret}, ensure_ascii=False).encode()
    if len(question) > _QUESTION_LIMIT:
        raise CredentialsFailed(f"{program}: the secret is over {_QUESTION_LIMIT} bytes, which no helper keeps")
    done = await programs.ask(program, "store", question)
    if done.status:
        raise _refusal(done, secret)


async def erase(name: str, server: str, programs: Programs) -> bool:
    """Have helper ``name`` forget ``server``; whether it knew it. Raises `CredentialsFailed`."""
    done = await programs.ask(find(name, programs), "erase", server.encode())
    if _knows_nothing(done):
        return False
    if done.status:
        raise _refusal(done)
    return True


async def servers_of(name: str, programs: Programs) -> tuple[str, ...]:
    """The servers that helper ``name`` knows; raises `CredentialsFailed`."""
    done = await programs.ask(find(name, programs), "list", b"")
    if _knows_nothing(done):
        return ()
    if done.status:
        raise done.failure()
    try:
        return tuple(parse_object(done.answer.decode()))
    except ValueError:
        raise CredentialsFailed(f"{done.program} did not answer with a JSON object") from None


def _refusal(output: Output, secret: str = "") -> CredentialsFailed:
    """The error for a helper that was told something: it explains itself on standard output, as Docker's
    do, or on the other, and may repeat the ``secret`` it was given."""
    said = output.complaint if output.complaint.strip() else output.answer
    for form in (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], secret):
        said = said.replace(form.encode(), b"***") if form else said
    return replace(output, complaint=said).failure()


def _knows_nothing(output: Output) -> bool:
    said = NONE.encode()
    return said in output.answer or (output.status != 0 and said in output.complaint)


def _understand(output: Output) -> Credentials | None:
    """What the helper said; None when it has nothing. What it wrote to standard output is never shown."""
    if _knows_nothing(output):
        return None
    if output.status:
        raise output.failure()
    program = output.program
    try:
        fields = parse_object(output.answer.decode())
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
