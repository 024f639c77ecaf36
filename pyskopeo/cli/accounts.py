"""What ``login``, ``logout`` and ``credential-helper`` share: which registry, which file, reached how."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..access import Access
from ..credentials.authfile import AUTH_FILES, Credentials, locations
from ..credentials.authkey import AuthKey
from ..errors import AccessDenied, InvalidInput, prefix_errors
from ..fast_dataclass import dataclass
from .flags import Flag, Parsed, UsageError, boolean
from .log import log
from .options import NETWORK, network, trust
from .progress import warnings_only
from .supervision import run_async

if TYPE_CHECKING:
    from ..api.login_store import CredentialFile
    from ..credentials.keychain import Keychain

AUTHFILE = Flag("authfile", "path of the credentials file (default: $REGISTRY_AUTH_FILE, else the one of this "
                "session)", value="PATH")  # fmt: skip
COMPAT_AUTHFILE = Flag("compat-auth-file", "path of a Docker-compatible config.json to use instead", value="PATH")
TLS_VERIFY = Flag("tls-verify", "require https and verify certificates (default true)", read=boolean)
CERT_DIR = Flag("cert-dir", "certificates for the registry: *.crt, and *.cert with *.key", value="DIR")
# Logging in is what makes the helpers of Bazel's kind unnecessary.
PATIENCE = tuple(flag for flag in NETWORK if flag.name != "credential-helper")


@dataclass(frozen=True, slots=True)
class Account:
    """A registry, the one file that was named (None: the usual ones), and how all is reached."""

    key: AuthKey
    access: Access
    named: Path | None
    docker: bool

    @classmethod
    def of(cls, key: AuthKey, parsed: Parsed) -> Account:
        """What the flags and the environment say; raises `UsageError`."""
        named, docker = named_file(parsed)
        return cls(key, reaching(parsed, named), named, docker)

    @property
    def keychain(self) -> Keychain:
        return self.access.keychain

    def existing(self) -> Credentials | None:
        """What is known for this registry."""
        if self.named is not None and not self.named.exists():
            return None  # it is there to be made
        found: list[Credentials | None] = []

        async def look() -> int:
            found.append(await self.keychain.resolve(self.key.host, self.key.namespace))
            return 0

        with prefix_errors("get credentials"):
            run_async(look)
        return found[0]

    def check(self, credentials: Credentials, seconds: float) -> None:
        """Ask the registry; raises `AccessDenied` and other `NetworkError`s."""

        async def ask() -> int:
            from ..registry.credential_check import check_credentials

            keychain = replace(self.keychain, credentials=credentials)
            await check_credentials(self.key.host, replace(self.access, keychain=keychain))
            return 0

        run_async(ask, seconds)

    def accepts(self, credentials: Credentials, seconds: float) -> bool:
        """`check`, as a question; raises whatever has nothing to do with the credentials."""
        try:
            with prefix_errors(f'authenticating creds for "{self.key}"', unless=AccessDenied):
                self.check(credentials, seconds)
        except AccessDenied as error:
            if error.status == 401:
                return False
            error.args = (f'authenticating creds for "{self.key}": {error}', *error.args[1:])
            raise
        return True

    def file(self) -> CredentialFile:
        """Where a login is kept; raises `InvalidInput` where there is no place for it."""
        return kept_in(self.named, self.keychain, docker=self.docker)


def wanted_registry(parsed: Parsed, verb: str, preposition: str) -> AuthKey:
    """The one argument; raises `UsageError`, in skopeo's words."""
    if not parsed.arguments:
        raise UsageError(f"please provide a registry to log {verb} {preposition}")
    if len(parsed.arguments) > 1:
        raise UsageError(f"log{verb} accepts only one registry to log {verb} {preposition}")
    return AuthKey.parse(parsed.arguments[0])


def named_file(parsed: Parsed) -> tuple[Path | None, bool]:
    """The file that flags or environment name, and whether it is Docker's; raises `UsageError`."""
    own, compatible = parsed["authfile"], parsed["compat-auth-file"]
    if own and compatible:
        raise UsageError(
            "options for paths to the credential file and to the Docker-compatible credential file "
            "can not be set simultaneously"
        )
    docker_default = Path(os.environ.get("HOME") or Path.home(), ".docker", "config.json")
    if own:
        if Path(own) == docker_default:
            log("warning", "saving credentials to ~/.docker/config.json, but not using Docker-compatible file format")
        return Path(own), False
    if compatible:
        return Path(compatible), True
    if named := os.environ.get("REGISTRY_AUTH_FILE"):
        return Path(named), False
    if folder := os.environ.get("DOCKER_CONFIG"):
        return Path(folder, "config.json"), True
    return None, False


def reaching(parsed: Parsed, named: Path | None) -> Access:
    """How to reach the registry; ``named`` is the one file to be read, None for the usual ones."""
    registries_conf = parsed["registries-conf"]
    base = Access.from_environ(
        os.environ, report=warnings_only, registries_conf=Path(registries_conf) if registries_conf else None
    )
    return replace(
        base,
        keychain=replace(base.keychain, authfile=named, strict=parsed["auth-strict"]),
        trust=trust(base.trust, parsed, parsed["tls-verify"], parsed.values.get("cert-dir")),
        network=network(base.network, parsed),
    )


def kept_in(named: Path | None, keychain: Keychain, *, docker: bool = False) -> CredentialFile:
    """The file in which logins are kept; raises `InvalidInput` if its directory was promised and is not there."""
    import sys

    from ..api.login_store import CredentialFile
    from ..credentials.helper_program import Programs

    path = named
    helpers: tuple[str, ...] = (AUTH_FILES,)
    if path is None:
        runtime = keychain.environ.get("XDG_RUNTIME_DIR")
        if runtime and not Path(runtime).exists():
            raise InvalidInput(
                f'"{runtime}" directory set by $XDG_RUNTIME_DIR does not exist. '
                "Either create the directory or unset $XDG_RUNTIME_DIR."
            )
        path = locations(keychain.environ, keychain.home, os.getuid(), sys.platform)[0]
        helpers = keychain.helpers()
    programs = Programs(keychain.environ, keychain.helper_timeout)
    return CredentialFile(path, programs, docker, helpers=helpers, use_helpers=keychain.use_helpers)
