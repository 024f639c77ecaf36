"""The groups of flags that several commands share, and what they say as values."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..access import Access, Network, Storage
from ..credentials.authfile import Credentials
from ..errors import InvalidInput
from ..http.retry import Retry
from ..http.tls import Trust
from ..model.events import Report
from ..model.platform import Platform
from .flags import Flag, Parsed, UsageError, boolean, duration, integer, listed
from .log import log

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..config.policy import Policy
    from ..config.tls_details import TlsDetails
    from ..credentials.bazel_helper import HeaderHelper


def _header_helper(text: str) -> HeaderHelper:
    from ..credentials.bazel_helper import HeaderHelper

    return HeaderHelper.parse(text)


NETWORK = (
    Flag("retry-times", "how often to repeat what failed for a passing reason", value="N", read=integer),
    Flag("retry-delay", "fixed delay between repetitions (default: growing from half a second)",
         value="DURATION", read=duration, default=None),
    Flag("stall-timeout", "give a connection up that makes no progress for this long", value="DURATION",
         read=duration, default=60.0),
    Flag("auth-strict", "a credential helper that fails is an error, not a warning", read=boolean, default=False),
    Flag("credential-helper", "ask PATH for headers to send, in Bazel's protocol: for HOST, for *.DOMAIN and what is "
         "below it, or for all", value="[PATTERN=]PATH", read=_header_helper, repeat=True),
    Flag("trust-realm", "send credentials to a token server on HOST, too", value="HOST", read=listed, repeat=True),
)  # fmt: skip

PLATFORM = Flag("platform", "choose the image for OS/ARCH[/VARIANT] from a list", value="PLATFORM",
                read=Platform.parse)  # fmt: skip

AUTHFILE = Flag("authfile", "path of the credentials file, the only one read (default: $REGISTRY_AUTH_FILE)",
                value="PATH")  # fmt: skip


def registry_flags(prefix: str) -> tuple[Flag, ...]:
    """How to reach one side's registry; ``prefix`` is ``src-``, ``dest-`` or empty."""
    return (
        Flag(f"{prefix}creds", "credentials for the registry", value="USER[:PASS]"),
        Flag(f"{prefix}username", "user name for the registry", value="USER"),
        Flag(f"{prefix}password", "password for the registry", value="PASS"),
        Flag(f"{prefix}no-creds", "access the registry anonymously", read=boolean, default=False),
        Flag(f"{prefix}registry-token", "send this bearer token to the registry", value="TOKEN"),
        Flag(f"{prefix}cert-dir", "certificates for the registry: *.crt, and *.cert with *.key; for a Docker "
             "daemon: ca.pem, cert.pem, key.pem", value="DIR"),
        Flag(f"{prefix}tls-verify", "require https and verify certificates (default true)", read=boolean),
    )


def access_flags(prefix: str) -> tuple[Flag, ...]:
    """How to reach one side, whatever its transport."""
    flags = [
        *registry_flags(prefix),
        shared_blobs_flag(prefix),
        Flag(f"{prefix}daemon-host", "where the Docker daemon is (docker-daemon:; default: $DOCKER_HOST, else its "
             "usual socket)", value="HOST"),
    ]  # fmt: skip
    if prefix:
        flags.append(Flag(f"{prefix}authfile", "path of the credentials file for this side", value="PATH"))
        flags.append(Flag(f"{prefix[0]}creds", "", value="USER[:PASS]", hidden=True))
    return tuple(flags)


def shared_blobs_flag(prefix: str) -> Flag:
    return Flag(f"{prefix}shared-blob-dir", "share blobs across oci: layouts in DIR", value="DIR")


def access(parsed: Parsed, prefix: str, report: Report) -> Access:
    """What the flags of one side say; raises `InvalidInput` for those that exclude each other."""
    registries_conf = parsed["registries-conf"]
    base = Access.from_environ(
        os.environ,
        report=report,
        registries_conf=Path(registries_conf) if registries_conf else None,
        policy=parsed["policy"] or None,
        require_signed=parsed["require-signed"],
    )
    _check_registries_d(parsed["registries.d"])
    token = parsed[f"{prefix}registry-token"] or ""
    authfile = (parsed[f"{prefix}authfile"] if prefix else None) or parsed["authfile"]
    keychain = replace(
        base.keychain,
        credentials=_credentials(parsed, prefix),
        anonymous=parsed[f"{prefix}no-creds"],
        registry_token=token,
        authfile=Path(authfile) if authfile else base.keychain.authfile,
        strict=parsed["auth-strict"],
        header_helpers=tuple(parsed["credential-helper"]),
    )
    return replace(
        base,
        keychain=keychain,
        trust=trust(base.trust, parsed, _tls_verify(parsed, prefix), parsed[f"{prefix}cert-dir"]),
        network=network(base.network, parsed, prefix),
        policy=_policy(base, parsed),
        storage=_storage(base.storage, parsed, prefix),
    )


def _policy(base: Access, parsed: Parsed) -> Callable[[], Policy]:
    if parsed["insecure-policy"] and parsed["require-signed"]:
        raise UsageError("--insecure-policy and --require-signed are mutually exclusive")
    if not parsed["insecure-policy"]:
        return base.policy
    from ..config.policy import Policy

    return Policy.accepting


def _check_registries_d(path: str | None) -> None:
    """Signatures are not read yet; but what is wrong there is better known before they are."""
    if path:
        from ..config.registries_d import load

        load(os.environ, Path(), Path(path))


def trust(base: Trust, parsed: Parsed, verify: bool | None, cert_dir: str | None) -> Trust:
    """What the flags of one side, ``verify`` and ``cert_dir``, and those of both make of it."""
    return replace(
        base,
        insecure=None if verify is None else not verify,
        cert_dir=Path(cert_dir) if cert_dir else None,
        details=_tls_details(parsed["tls-details"]),
        realms=frozenset(parsed["trust-realm"]),
    )


def _tls_details(path: str | None) -> TlsDetails | None:
    if not path:
        return None
    from ..config.tls_details import load

    return load(Path(path))


def _tls_verify(parsed: Parsed, prefix: str) -> bool | None:
    """skopeo's old spelling for both sides still works, where the one for this side is not given."""
    own: bool | None = parsed[f"{prefix}tls-verify"]
    if not prefix or parsed["tls-verify"] is None:
        return own
    if prefix == "src-":  # once, though both sides look here
        log("warning", "'--tls-verify' is deprecated, instead use: --src-tls-verify, --dest-tls-verify")
    old: bool = parsed["tls-verify"]
    return old if own is None else own


def network(base: Network, parsed: Parsed, prefix: str = "") -> Network:
    """The patience, the name and the daemon the flags ask for."""
    retry = base.retry
    if parsed["retry-times"] is not None:
        if parsed["retry-times"] < 0:
            raise UsageError("--retry-times: want 0 or more")
        retry = replace(retry, times=parsed["retry-times"])
    if parsed["retry-delay"]:
        retry = Retry(retry.times, parsed["retry-delay"], fixed=True)
    if parsed["stall-timeout"] <= 0:
        raise UsageError("--stall-timeout: want more than 0")
    name = parsed["user-agent-prefix"]
    if name and not (name.isascii() and name.isprintable()):
        raise UsageError("--user-agent-prefix: want printable ASCII characters")
    return replace(
        base,
        retry=retry,
        stall_timeout=parsed["stall-timeout"],
        user_agent=f"{name} {base.user_agent}" if name else base.user_agent,
        daemon_host=parsed.values.get(f"{prefix}daemon-host") or base.daemon_host,
    )


def _storage(base: Storage, parsed: Parsed, prefix: str) -> Storage:
    scratch = parsed["tmpdir"]
    shared = parsed.values.get(f"{prefix}shared-blob-dir")  # not a flag of commands that know only registries
    return Storage(Path(scratch) if scratch else base.scratch, Path(shared) if shared else None)


def _credentials(parsed: Parsed, prefix: str) -> Credentials | None:
    creds = parsed[f"{prefix}creds"]
    if creds is None and prefix:
        creds = parsed[f"{prefix[0]}creds"]
    user, password = parsed[f"{prefix}username"], parsed[f"{prefix}password"]
    none = parsed[f"{prefix}no-creds"]
    if creds is not None and none:
        raise UsageError("creds and no-creds cannot be specified at the same time")
    if user is not None and none:
        raise UsageError("username and no-creds cannot be specified at the same time")
    if creds is not None and user is not None:
        raise UsageError("creds and username cannot be specified at the same time")
    if (user is None) != (password is None):
        missing, there = ("password", "username") if password is None else ("username", "password")
        raise UsageError(f"{missing} must be specified when {there} is specified")
    if creds is not None:
        name, colon, secret = creds.partition(":")
        if not name:
            raise InvalidInput("credentials can't be empty: want USER[:PASS]")
        return Credentials(name, secret if colon else _ask_password(name))
    return Credentials(user, password) if user is not None else None


def _ask_password(user: str) -> str:
    """skopeo takes a user name alone as an empty password; at a terminal one can be asked for."""
    import sys

    if not sys.stdin.isatty() or not sys.stderr.isatty():
        return ""
    import getpass

    return getpass.getpass(f"Password for {user}: ", stream=sys.stderr)


def chosen_platform(parsed: Parsed) -> Platform:
    """The platform to choose for, by ``--platform`` or ``--override-*``."""
    overrides = [parsed[f"override-{name}"] for name in ("os", "arch", "variant")]
    if parsed["platform"] is not None:
        if any(overrides):
            raise UsageError("--platform and --override-os, -arch, -variant exclude each other")
        found: Platform = parsed["platform"]
        return found
    os_name, architecture, variant = overrides
    return Platform.host(os=os_name, architecture=architecture, variant=variant)
