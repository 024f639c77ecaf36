"""What ``login``, ``logout`` and ``credential-helper`` share: the credentials file, and access to registries."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..access import Access
from ..config.home import home_directory
from ..config.user_files import AUTH_FILES
from ..credentials.authfile import Credentials, locations
from ..credentials.authkey import AuthKey
from ..errors import AccessDenied, InvalidInput, prefix_errors
from ..fast_dataclass import dataclass, replace
from .flags import Flag, Parsed, UsageError, boolean
from .log import log
from .logged_events import warnings_only
from .main import supervise
from .network_options import NETWORK, RATE_FLAGS, NetworkOptions

if TYPE_CHECKING:
    from ..api.login_store import CredentialFile
    from ..credentials.keychain import Keychain

AUTHFILE = Flag("authfile", "path of the credentials file (default: $REGISTRY_AUTH_FILE, else containers/auth.json of "
                "the user)", value="PATH", group="registry")  # fmt: skip
COMPAT_AUTHFILE = Flag("compat-auth-file", "path of a Docker-compatible config.json to use instead", value="PATH",
                       group="registry")
TLS_VERIFY = Flag("tls-verify", "require HTTPS and verify certificates (default: true)", read=boolean, group="registry")
CERT_DIR = Flag("cert-dir", "directory with certificates for the registry: *.crt, and *.cert with *.key", value="DIR",
                group="registry")
# Helpers in Bazel's protocol take the place of a login.
ACCOUNT_NETWORK = tuple(flag for flag in NETWORK if flag.name not in ("credential-helper", *RATE_FLAGS))


@dataclass(frozen=True, slots=True)
class Account:
    """The credentials of a user for registries, and how these are reached.

    ``file`` is the one credentials file to read and to write, None: the default ones. ``docker``: it
    has the format of Docker's ``config.json``. ``timeout`` limits the check of credentials by a
    registry, in seconds; 0: no limit.
    """

    access: Access
    file: Path | None
    docker: bool
    timeout: float

    @classmethod
    def of(cls, parsed: Parsed) -> Account:
        """Read the flags and the environment; raises `InvalidInput`."""
        file, docker = _named_file(parsed)
        return cls(read_access(parsed, file), file, docker, parsed.get("command-timeout", float))

    def existing(self, key: AuthKey) -> Credentials | None:
        """Return the known credentials for ``key``; raises `CredentialsFailed`."""
        if self.file is not None and not self.file.exists():
            return None  # a login creates it
        with prefix_errors("get credentials"):
            found = supervise(self.access.keychain.resolve(key.host, key.namespace))
        return found if isinstance(found, Credentials) else None

    def accepts(self, key: AuthKey, credentials: Credentials) -> bool:
        """Ask the registry whether it accepts ``credentials``.

        Raises `AccessDenied` for a refusal that is not about the credentials, and `NetworkError`.
        """
        from ..registry.credential_check import check_credentials

        access = replace(self.access, keychain=replace(self.access.keychain, credentials=credentials))
        try:
            with prefix_errors(f'authenticating creds for "{key}"', unless=AccessDenied):
                supervise(check_credentials(key.host, access), self.timeout)
        except AccessDenied as error:
            if error.status == 401:
                return False
            error.args = (f'authenticating creds for "{key}": {error}', *error.args[1:])
            raise
        return True

    def store(self) -> CredentialFile:
        """Return where logins are stored; raises `InvalidInput` if there is no such place."""
        return credential_file(self.file, self.access.keychain, docker=self.docker)


def read_registry(parsed: Parsed, verb: str, preposition: str) -> AuthKey:
    """Return the registry of the one argument; raises `UsageError`, with skopeo's messages."""
    if not parsed.arguments:
        raise UsageError(f"please provide a registry to log {verb} {preposition}")
    if len(parsed.arguments) > 1:
        raise UsageError(f"log{verb} accepts only one registry to log {verb} {preposition}")
    return AuthKey.parse(parsed.arguments[0])


def _named_file(parsed: Parsed) -> tuple[Path | None, bool]:
    """Return the file that the flags or the environment name, and whether it has Docker's format."""
    own, compatible = parsed.path("authfile"), parsed.path("compat-auth-file")
    if own and compatible:
        raise UsageError(
            "options for paths to the credential file and to the Docker-compatible credential file "
            "can not be set simultaneously"
        )
    docker_default = home_directory(os.environ) / ".docker" / "config.json"
    if own:
        if own == docker_default:
            log("warning", "saving credentials to ~/.docker/config.json, but not using Docker-compatible file format")
        return own, False
    if compatible:
        return compatible, True
    if named := os.environ.get("REGISTRY_AUTH_FILE"):
        return Path(named), False
    if folder := os.environ.get("DOCKER_CONFIG"):
        return Path(folder, "config.json"), True
    return None, False


def read_access(parsed: Parsed, authfile: Path | None) -> Access:
    """Return the access to registries; ``authfile`` is the one file to read, None: the default ones."""
    base = Access.from_environ(
        os.environ, report=warnings_only, registries_conf=parsed.path("registries-conf")
    )
    options = NetworkOptions.of(parsed)
    cert_dir = parsed.path("cert-dir") if "cert-dir" in parsed.values else None  # logout has no such flag
    return replace(
        base,
        keychain=replace(base.keychain, authfile=authfile, strict=parsed.get("auth-strict", bool)),
        trust=options.trust(base.trust, parsed.optional("tls-verify", bool), cert_dir),
        network=options.network(base.network),
    )


def credential_file(path: Path | None, keychain: Keychain, *, docker: bool = False) -> CredentialFile:
    """Return the file that stores logins, ``path`` or the default one.

    Raises `InvalidInput` if ``$XDG_RUNTIME_DIR`` names a directory that does not exist.
    """
    from ..api.login_store import CredentialFile
    from ..credentials.helper_program import Programs

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
