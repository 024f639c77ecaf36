"""``pyskopeo credential-helper``: the other side of both protocols, answering from the user's keychain."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..credentials.authfile import Credentials, parse_object
from ..credentials.authkey import AuthKey
from ..errors import InvalidInput, InvalidName, PyskopeoError
from ..model.reference import Reference
from .accounts import AUTHFILE, CERT_DIR, PATIENCE, TLS_VERIFY, kept_in, reaching
from .command import Command
from .flags import Parsed, UsageError
from .log import log
from .supervision import run_async

if TYPE_CHECKING:
    from ..access import Access

_LIMIT = 64 * 1024
# Set for the helpers that we run ourselves: one that comes back to us gets what the files say, and no more.
_GUARD = "PYSKOPEO_CREDENTIAL_HELPER"


def run(parsed: Parsed) -> int:
    """Carry out one action: its question on standard input, its answer on standard output."""
    action = parsed.arguments[0]
    access = _access(parsed)
    if action == "get":
        print(_headers(_read(), access, parsed["command-timeout"]))
        return 0
    if action == "docker-get":
        return _answer_docker(access)
    known = {"store": _store, "erase": _erase, "list": _list}
    carry_out = known.get(action.removeprefix("docker-"))
    if carry_out is None:
        raise UsageError(f"credential-helper: unknown action {ascii(action)[:40]}: want get, or docker-get, "
                         "docker-store, docker-erase, docker-list")  # fmt: skip
    try:
        carry_out(access)
    except PyskopeoError as error:
        return _fail(str(error))
    return 0


def _access(parsed: Parsed) -> Access:
    named = parsed["authfile"] or os.environ.get("REGISTRY_AUTH_FILE")
    access = reaching(parsed, Path(named) if named else None)
    keychain = replace(
        access.keychain,
        environ={**access.keychain.environ, _GUARD: "1"},
        use_helpers=not os.environ.get(_GUARD),
    )
    return replace(access, keychain=keychain)


def _read() -> str:
    content = sys.stdin.buffer.read(_LIMIT + 1)
    if len(content) > _LIMIT:
        raise InvalidInput(f"credential-helper: the question is over {_LIMIT} bytes")
    try:
        return content.decode().strip()
    except UnicodeDecodeError:
        raise InvalidInput("credential-helper: the question is not text in UTF-8") from None


# Bazel's protocol


def _headers(question: str, access: Access, seconds: float) -> str:
    """The answer to ``{"uri": ADDRESS}``."""
    try:
        uri = parse_object(question).get("uri")
    except ValueError as error:
        raise InvalidInput(f'credential-helper: {error}; want {{"uri": "https://..."}}') from None
    if not isinstance(uri, str) or not uri:
        raise InvalidInput('credential-helper: no uri in the question; want {"uri": "https://..."}')
    answer: dict[str, Any] = {"headers": {}}
    if uri.startswith("http://") and not access.trust.insecure:
        log("warning", "credential-helper: no credentials for plain http; --tls-verify=false allows it")
        return json.dumps(answer)
    reference = _reference(uri)

    async def ask() -> int:
        credentials = await access.keychain.resolve(reference.registry, reference.repository)
        if isinstance(credentials, Credentials):
            answer.update(await _authorized(reference, credentials, access))
        return 0

    run_async(ask, seconds)
    return json.dumps(answer)


async def _authorized(reference: Reference, credentials: Credentials, access: Access) -> dict[str, Any]:
    from datetime import UTC, datetime, timedelta

    from ..registry.challenge import basic
    from ..registry.credential_check import Authorization, authorization

    if reference.repository:
        found = await authorization(reference, credentials, access)
    else:
        # Nothing says that it is a registry, and a token is for a repository.
        found = None if credentials.identity_token else Authorization(basic(credentials))
    if found is None:
        return {}
    answer: dict[str, Any] = {"headers": {"Authorization": [found.value]}}
    if found.life is not None:
        ends = datetime.now(UTC) + timedelta(seconds=found.life)
        answer["expires"] = f"{ends:%Y-%m-%dT%H:%M:%SZ}"
    return answer


def _reference(uri: str) -> Reference:
    """The repository that ``uri`` is in, or its registry alone; raises `InvalidInput`."""
    from ..credentials.bazel_helper import place_of
    from ..http.origin import Origin

    address = uri if "://" in uri else f"https://{uri}"
    registry = AuthKey.parse(Origin.of(address).netloc).host
    repository = place_of(address)[1]
    try:
        found = Reference.parse(f"host.invalid/{repository}", default_tag="") if repository else None
    except InvalidName:
        found = None
    return Reference(registry, repository if found and not found.manifest_name else "")


# Docker's protocol


def _answer_docker(access: Access) -> int:
    from ..credentials.docker_helper import NONE, TOKEN_USER

    found: list[Credentials | None] = []
    try:
        server = _read()
        key = AuthKey.parse(server)

        async def look() -> int:
            credentials = await access.keychain.resolve(key.host, key.namespace)
            found.append(credentials if isinstance(credentials, Credentials) else None)
            return 0

        run_async(look)
    except PyskopeoError as error:
        return _fail(str(error))
    credentials = found[0]
    if credentials is None:
        return _fail(NONE)
    user, secret = credentials.username, credentials.password
    if credentials.identity_token:
        user, secret = TOKEN_USER, credentials.identity_token
    print(json.dumps({"ServerURL": server, "Username": user, "Secret": secret}))
    return 0


def _store(access: Access) -> None:
    from ..credentials.docker_helper import TOKEN_USER

    try:
        fields = parse_object(_read())
    except ValueError as error:
        raise InvalidInput(f"credential-helper: {error}") from None
    server, user, secret = (fields.get(name) for name in ("ServerURL", "Username", "Secret"))
    if not (isinstance(server, str) and isinstance(user, str) and isinstance(secret, str) and user and secret):
        raise InvalidInput("credential-helper: want a ServerURL, a Username and a Secret")
    is_token = user == TOKEN_USER
    credentials = Credentials(identity_token=secret) if is_token else Credentials(user, secret)
    key = _kept_as(server)

    async def keep() -> int:
        await kept_in(access.keychain.authfile, access.keychain).put(key, credentials)
        return 0

    run_async(keep)


def _erase(access: Access) -> None:
    key = _kept_as(_read())

    async def forget() -> int:
        await kept_in(access.keychain.authfile, access.keychain).remove(key)
        return 0

    run_async(forget)


def _list(access: Access) -> None:
    from ..credentials.authfile import HUB_SERVER
    from ..model.reference import DOCKER_HUB

    file = kept_in(access.keychain.authfile, access.keychain).logins()
    users = {HUB_SERVER if name == DOCKER_HUB else name: user for name, user in file.users()}
    print(json.dumps(users, sort_keys=True))


def _kept_as(server: str) -> AuthKey:
    """Docker's addresses are hosts here; Docker Hub's is its name."""
    key = AuthKey.parse(server)
    return AuthKey(key.host, key.namespace)


def _fail(message: str) -> int:
    """Docker reads on standard output why there is no answer."""
    print(message)
    return 1


COMMAND = Command(
    name="credential-helper",
    arguments="ACTION",
    description=(
        "Answer from the user's credentials, as a credential helper. The question is on standard input.\n\n"
        'get           Bazel\'s protocol: {"uri": "https://HOST/v2/NAME/..."} is answered with the header to send,\n'
        "              which holds a token for pulls of that repository where the registry uses tokens\n"
        "docker-get    Docker's protocol: HOST is answered with a user name and a secret\n"
        "docker-store, docker-erase, docker-list\n"
        "              Docker's protocol: changes the file that login changes\n\n"
        "Called by the name docker-credential-pyskopeo it understands Docker's own words: get, store, erase, list."
    ),
    examples=(
        'pyskopeo credential-helper get <<< \'{"uri": "https://quay.io/v2/example/app/manifests/v1"}\'',
        "pyskopeo credential-helper docker-get <<< quay.io",
    ),
    flags=(AUTHFILE, CERT_DIR, TLS_VERIFY, *PATIENCE),
    run=run,
)
