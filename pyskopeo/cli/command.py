"""What a command is, and the flags that come before any of them."""

from __future__ import annotations

from collections.abc import Callable

from ..fast_dataclass import dataclass
from .flags import Flag, Parsed, boolean, duration


@dataclass(frozen=True, slots=True)
class Command:
    """A command: what each module of this package with a ``COMMAND`` offers."""

    name: str
    arguments: str
    description: str
    examples: tuple[str, ...]
    flags: tuple[Flag, ...]
    run: Callable[[Parsed], int]


VERSION = Flag("version", "version for pyskopeo", short="v", read=boolean, default=False)

GLOBAL = (
    Flag("command-timeout", "give up after this long (default: never)", value="DURATION", read=duration, default=0.0),
    Flag("debug", "tell on standard error what is asked of registries", read=boolean, default=False),
    Flag("insecure-policy", "accept images without asking a policy", read=boolean, default=False),
    Flag("override-arch", "use ARCH instead of this machine's to choose an image", value="ARCH", default=""),
    Flag("override-os", "use OS instead of linux to choose an image", value="OS", default=""),
    Flag("override-variant", "use VARIANT instead of this machine's to choose an image", value="VARIANT", default=""),
    Flag("policy", "the policy that decides which images may be used (default: $CONTAINERS_POLICY_JSON, policy.json "
         "in the configuration's directories; where there is none every image)", value="PATH"),
    Flag("registries-conf", "", value="PATH", hidden=True),
    Flag("registries.d", "directory that says where registries keep signatures", value="DIR"),
    Flag("require-signed", "refuse images that the policy accepts without a signature", read=boolean, default=False),
    Flag("tls-details", "YAML file with minVersion, cipherSuites and namedGroups for TLS", value="PATH"),
    Flag("tls-verify", "", read=boolean, hidden=True),
    Flag("tmpdir", "directory for large temporary files (default: $TMPDIR, else beside the destination)", value="DIR"),
    Flag("user-agent-prefix", "put PREFIX before the name this program gives to registries", value="PREFIX"),
)  # fmt: skip
