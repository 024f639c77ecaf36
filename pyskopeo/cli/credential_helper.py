"""``pyskopeo credential-helper``: the user's credentials for programs that speak Bazel's or Docker's protocol."""

from __future__ import annotations

import json
import os
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..credentials.authfile import Credentials, parse_object
from ..credentials.authkey import AuthKey
from ..errors import CredentialsFailed, InvalidInput, InvalidName, PyskopeoError
from ..fast_dataclass import dataclass, replace
from ..model.reference import Reference
from ..storage.token_cache import SavedToken, TokenCache
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
# How long a registry is taken to want no token, in seconds: Bazel keeps headers without a time for as long.
_BASIC_LIFE = 1800.0
# Set for the helpers that this process runs: if one of them runs this program, that one must not run helpers again.
_GUARD = "_PYSKOPEO_CREDENTIAL_HELPER"
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
                             "  docker-store, docker-erase, docker-list")  # fmt: skip
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
    reference = _reference(uri)
    return _saved_response(reference, access) or supervise(_authorize(reference, access), timeout)


def _saved_response(reference: Reference, access: Access) -> dict[str, Any] | None:
    """Return the response with a token that an earlier run has requested; None if there is none.

    Only for credentials in a file. Those of helper programs take time anyway.
    """
    credentials = access.keychain.find_in_files(reference.registry, reference.repository)
    cache = TokenCache.of(access.keychain.environ, access.storage.cache)
    if credentials is None or cache is None:
        return None
    found = cache.find(reference.name, _dependence(credentials, access))
    return None if found is None else _response(credentials, found)


async def _authorize(reference: Reference, access: Access) -> dict[str, Any]:
    credentials = await access.keychain.resolve(reference.registry, reference.repository)
    if not isinstance(credentials, Credentials):
        return {"headers": {}}
    if not reference.repository:
        # Tokens are for a repository, and without one the host may not even be a registry.
        return {"headers": {}} if credentials.identity_token else _response(credentials)
    request = partial(_request_token, reference, credentials, access)
    cache = TokenCache.of(access.keychain.environ, access.storage.cache)
    if cache is None:
        found = await request()
    else:
        found = await cache.get(reference.name, _dependence(credentials, access), request)
    return {"headers": {}} if found is None else _response(credentials, found)


async def _request_token(reference: Reference, credentials: Credentials, access: Access) -> SavedToken | None:
    """Return a token of the registry, one without a value if it wants none, or None if the credentials are no use."""
    from ..registry.credential_check import authorization

    since = time.time()
    found = await authorization(reference, credentials, access)
    if found is None:
        return None
    return SavedToken("", since, _BASIC_LIFE) if found.life is None else SavedToken(found.value, since, found.life)


def _dependence(credentials: Credentials, access: Access) -> str:
    """Return what a token depends on: whose it is, and what the registry and its token server were trusted with."""
    trust = access.trust
    return json.dumps(
        [credentials.username, credentials.password, credentials.identity_token, trust.insecure, sorted(trust.realms)]
    )


def _response(credentials: Credentials, token: SavedToken | None = None) -> dict[str, Any]:
    if token is None or not token.value:
        from ..registry.challenge import basic_authorization

        return {"headers": {"Authorization": [basic_authorization(credentials)]}}
    expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(token.expires))
    return {"headers": {"Authorization": [token.value]}, "expires": expires}


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
        '  get         Bazel\'s protocol: for {"uri": "https://HOST/v2/NAME/..."} return the request headers,\n'
        "              with a token to pull from that repository if the registry uses tokens\n"
        "  docker-get  Docker's protocol: for HOST return a user name and a secret\n"
        "  docker-store, docker-erase, docker-list\n"
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
