"""Which flags exclude each other, so that one on the command line puts aside what the user has set for all calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet

from .cluster_flags import NOT_ON_CLUSTER
from .plan_flags import AT_RUN, IN_PLAN, NOT_PLANNED

_CHOOSING = ("platform", "os-version", "os-feature", "select-annotation")
_OVERRIDES = ("override-os", "override-arch", "override-variant")
_SIGNERS = ("key", "certificate-identity", "certificate-oidc-issuer", "trusted-root", "signed-as")


def _credentials(prefix: str) -> tuple[tuple[str, ...], ...]:
    creds = (f"{prefix}creds", f"{prefix[0]}creds") if prefix else ("creds",)
    return creds, (f"{prefix}username", f"{prefix}password"), (f"{prefix}no-creds",), (f"{prefix}registry-token",)


# In each row are alternatives; a flag excludes those of the other alternatives of its row.
EXCLUSIVE: tuple[tuple[tuple[str, ...], ...], ...] = (
    *map(_credentials, ("", "src-", "dest-")),
    (("password",), ("password-stdin",)),
    (("all",), ("multi-arch",), _CHOOSING),
    (("platform",), _OVERRIDES),
    # On the command line --insecure-policy wins over --policy, as in skopeo; a default must not.
    (("insecure-policy",), ("require-signed", "policy")),
    (("policy", "require-signed"), _SIGNERS),
    (("dest-compress",), ("dest-decompress",)),
    (("encryption-key",), ("decryption-key",)),
    (("encrypt-layer",), ("decryption-key",)),
    (("raw",), ("format",)),
    (("raw", "config"), ("platforms",)),
    (("json",), ("table",)),
    (("files", "layer"), ("filter", "semver")),
    (("json",), ("html",)),
    (("check",), ("update",)),
    (("run",), IN_PLAN),
    (("plan",), AT_RUN),
    (("plan", "run"), NOT_PLANNED),
    (("cluster",), NOT_ON_CLUSTER),
    (("watch",), ("dry-run",)),
    (("quiet",), ("progress",)),
)

# What a flag needs, by the command ("": every command) and its name: it is left aside without one of these.
NEEDED: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("copy", "json"): ("dry-run",),
    ("copy", "platform-names"): ("tag-platforms", "split-platforms"),
    ("copy", "tag-platforms"): ("all", "multi-arch"),
    ("copy", "split-platforms"): ("all", "multi-arch"),
    ("copy", "dest-force-compress-format"): ("dest-compress-format",),
    ("copy", "encrypt-layer"): ("encryption-key",),
    ("sync", "send-credentials"): ("cluster",),
    ("sync", "shard"): ("run",),
    ("sync", "since"): ("plan",),
    ("sync", "max-delete"): ("delete",),
    ("verify", "signatures-only"): ("policy", "require-signed", *_SIGNERS),
}


def is_excluded(name: str, values: Mapping[str, object], given: AbstractSet[str]) -> bool:
    """Return whether one of the flags that are ``given`` excludes the flag ``name``; ``values`` are those of all.

    A flag for both sides, such as ``--tls-verify`` and ``--authfile``, excludes that for one side: on the command line
    the latter wins, which no default may do.
    """
    for_both = name.removeprefix("src-").removeprefix("dest-")
    if for_both != name and for_both in given:
        return True
    return any(_asks_for_something(other, name, values.get(other)) for other in _excluding(name) if other in given)


def needed(command: str, name: str) -> tuple[str, ...]:
    """Return the flags one of which a flag needs; () if it needs none."""
    return NEEDED.get((command, name), ())


def _excluding(name: str) -> Iterator[str]:
    for row in EXCLUSIVE:
        for alternative in row:
            if name in alternative:
                yield from (other for others in row if others is not alternative for other in others)


def _asks_for_something(other: str, name: str, value: object) -> bool:
    """Return whether a flag with this value excludes another: one that is turned off does not."""
    if other == "multi-arch" and name in _CHOOSING:
        return value not in (None, "system")  # one image, as without it
    return value not in (None, False, [])
