"""``pyskopeo credential-helper``: the user's credentials for programs that speak Bazel's or Docker's protocol."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..credentials.authfile import Credentials, parse_object
from ..credentials.authkey import AuthKey
from ..errors import CredentialsFailed, InvalidInput, InvalidName, PyskopeoError
from ..fast_dataclass import dataclass
from ..model.reference import Reference
from .accounts import ACCOUNT_NETWORK, AUTHFILE, CERT_DIR, TLS_VERIFY, credential_file, read_access
from .command import Command
from .flags import Parsed, UsageError
from .log import log
from .main import supervise
from .standard_streams import read_input

if TYPE_CHECKING:
    from ..access import Access
    from ..api.login_store import CredentialFile

_LIMIT = 64 * 1024
# Set for the helpers that this process runs: if one of them runs this program, that one must not run helpers again.
_GUARD = "PYSKOPEO_CREDENTIAL_HELPER"
_ACTIONS = frozenset({"get", "docker-get"} | {f"{prefix}{name}" for prefix in ("", "docker-")
                                              for name in ("store", "erase", "list")})  # fmt: skip


@dataclass(frozen=True, slots=True)
class CredentialHelperOptions:
    """The options of ``credential-helper``. ``timeout`` limits requests to a registry, in seconds; 0: no limit."""

    action: str
    access: Access
    timeout: float

    @classmethod
    def of(cls, parsed: Parsed) -> CredentialHelperOptions:
        """Read the options; raises `InvalidInput`."""
        (action,) = parsed.arguments
        access = _access(parsed)
        if action not in _ACTIONS:
            raise UsageError(f"credential-helper: unknown action {ascii(action)[:40]}: want get, or docker-get, "
                             "docker-store, docker-erase, docker-list")  # fmt: skip
        return cls(action, access, parsed.get("command-timeout", float))


def _access(parsed: Parsed) -> Access:
    named = parsed.optional("authfile", str) or os.environ.get("REGISTRY_AUTH_FILE")
    access = read_access(parsed, Path(named) if named else None)
    keychain = replace(
        access.keychain,
        environ={**access.keychain.environ, _GUARD: "1"},
        use_helpers=not os.environ.get(_GUARD),
    )
    return replace(access, keychain=keychain)


def run(options: CredentialHelperOptions) -> int:
    """Read a request from standard input, and print the response to standard output."""
    if options.action == "get":
        print(json.dumps(_headers(_read(), options.access, options.timeout)))
        return 0
    actions = {"get": _get, "store": _store, "erase": _erase, "list": _list}
    try:
        actions[options.action.removeprefix("docker-")](options.access)
    except PyskopeoError as error:
        print(error)  # Docker reads error messages from standard output
        return 1
    return 0


def _read() -> str:
    content = read_input(_LIMIT, "credential-helper")
    if len(content) > _LIMIT:
        raise InvalidInput(f"credential-helper: the question is over {_LIMIT} bytes")
    try:
        return content.decode().strip()
    except UnicodeDecodeError:
        raise InvalidInput("credential-helper: the question is not text in UTF-8") from None


# Bazel's protocol


def _headers(request: str, access: Access, timeout: float) -> dict[str, Any]:
    """Return the response to ``{"uri": ADDRESS}``."""
    try:
        uri = parse_object(request).get("uri")
    except ValueError as error:
        raise InvalidInput(f'credential-helper: {error}; want {{"uri": "https://..."}}') from None
    if not isinstance(uri, str) or not uri:
        raise InvalidInput('credential-helper: no uri in the question; want {"uri": "https://..."}')
    if uri.startswith("http://") and not access.trust.insecure:
        log("warning", "credential-helper: no credentials for plain http; --tls-verify=false allows it")
        return {"headers": {}}
    return supervise(_authorize(_reference(uri), access), timeout)


async def _authorize(reference: Reference, access: Access) -> dict[str, Any]:
    from datetime import UTC, datetime, timedelta

    from ..registry.challenge import basic_authorization
    from ..registry.credential_check import Authorization, authorization

    credentials = await access.keychain.resolve(reference.registry, reference.repository)
    if not isinstance(credentials, Credentials):
        return {"headers": {}}
    if reference.repository:
        found = await authorization(reference, credentials, access)
    else:
        # Tokens are for a repository, and without one the host may not even be a registry.
        found = None if credentials.identity_token else Authorization(basic_authorization(credentials))
    if found is None:
        return {"headers": {}}
    response: dict[str, Any] = {"headers": {"Authorization": [found.value]}}
    if found.life is not None:
        expires = datetime.now(UTC) + timedelta(seconds=found.life)
        response["expires"] = f"{expires:%Y-%m-%dT%H:%M:%SZ}"
    return response


def _reference(uri: str) -> Reference:
    """Return the repository of ``uri``, or its registry with an empty repository; raises `InvalidInput`."""
    from ..credentials.bazel_helper import host_and_repository
    from ..http.origin import Origin

    address = uri if "://" in uri else f"https://{uri}"
    registry = AuthKey.parse(Origin.of(address).netloc).host
    repository = host_and_repository(address)[1]
    try:
        found = Reference.parse(f"host.invalid/{repository}", default_tag="") if repository else None
    except InvalidName:
        found = None
    return Reference(registry, repository if found and not found.manifest_name else "")


# Docker's protocol


def _get(access: Access) -> None:
    from ..credentials.docker_helper import NONE, TOKEN_USER

    server = _read()
    key = AuthKey.parse(server)
    credentials = supervise(access.keychain.resolve(key.host, key.namespace))
    if not isinstance(credentials, Credentials):
        raise CredentialsFailed(NONE)
    user, secret = credentials.username, credentials.password
    if credentials.identity_token:
        user, secret = TOKEN_USER, credentials.identity_token
    print(json.dumps({"ServerURL": server, "Username": user, "Secret": secret}))


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
    key = _key(server)
    supervise(_file(access).put(key, credentials))


def _erase(access: Access) -> None:
    key = _key(_read())
    supervise(_file(access).remove(key))


def _list(access: Access) -> None:
    from ..credentials.authfile import HUB_SERVER
    from ..model.reference import DOCKER_HUB

    users = {HUB_SERVER if name == DOCKER_HUB else name: user for name, user in _file(access).logins().users()}
    print(json.dumps(users, sort_keys=True))


def _file(access: Access) -> CredentialFile:
    return credential_file(access.keychain.authfile, access.keychain)


def _key(server: str) -> AuthKey:
    """Return the key under which a login for Docker's address ``server`` is stored."""
    key = AuthKey.parse(server)
    return AuthKey(key.host, key.namespace)


COMMAND = Command(
    name="credential-helper",
    arguments="ACTION",
    description=(
        "Provide the user's credentials to other programs, as a credential helper. The request is read from\n"
        "standard input, the response is written to standard output.\n\n"
        'get           Bazel\'s protocol: for {"uri": "https://HOST/v2/NAME/..."} return the request headers,\n'
        "              with a token to pull from that repository if the registry uses tokens\n"
        "docker-get    Docker's protocol: for HOST return a user name and a secret\n"
        "docker-store, docker-erase, docker-list\n"
        "              Docker's protocol: change or list the credentials file that login writes\n\n"
        "Run as docker-credential-pyskopeo, the actions are those of Docker: get, store, erase, list."
    ),
    examples=(
        'pyskopeo credential-helper get <<< \'{"uri": "https://quay.io/v2/example/app/manifests/v1"}\'',
        "pyskopeo credential-helper docker-get <<< quay.io",
    ),
    flags=(AUTHFILE, CERT_DIR, TLS_VERIFY, *ACCOUNT_NETWORK),
    read=CredentialHelperOptions.of,
    run=run,
)
