"""The flags of ``sync`` for a cluster."""

from __future__ import annotations

from .flags import Flag, Parsed, UsageError, boolean

CLUSTER = (
    Flag("cluster", "copy on the workers of the Dask scheduler at ADDRESS: tcp://HOST:8786, tls://HOST:8786, or the "
         "file of dask scheduler --scheduler-file", value="ADDRESS", group="plan"),
    Flag("send-credentials", "with --cluster: send the credentials for the registries of this run to the workers, over "
         "tls:// only; without it they have their own", read=boolean, default=False, group="plan"),
)  # fmt: skip
# What cannot be done by workers.
NOT_ON_CLUSTER = (
    "plan", "dry-run", "delete", "sign-by", "sign-by-sq-fingerprint", "sign-by-sigstore",
    "sign-by-sigstore-private-key",
)  # fmt: skip
# Files and limits of this machine, which workers have of their own.
_OF_THIS_MACHINE = (
    "src-cert-dir", "dest-cert-dir", "registries-conf", "registries.d", "policy", "insecure-policy", "tls-details",
    "store", "tmpdir", "partial-age", "offline", "limit-rate", "limit-rate-per-host", "trust-realm",
    "credential-helper", "auth-strict", "user-agent-prefix",
)  # fmt: skip
_SIDES = ("src-creds", "screds", "src-username", "src-registry-token", "src-authfile",
          "dest-creds", "dcreds", "dest-username", "dest-registry-token", "dest-authfile")  # fmt: skip
_CREDENTIALS = ("authfile", *_SIDES)


def check_cluster_flags(parsed: Parsed) -> None:
    """Raise `UsageError` for flags that do not go together."""
    if "cluster" not in parsed.given:
        if parsed.get("send-credentials", bool):
            raise UsageError("--send-credentials needs --cluster")
        return
    given = parsed.given - parsed.inherited
    if not parsed.optional("cluster", str):
        raise UsageError("--cluster: want the address of a Dask scheduler, such as tcp://HOST:8786")
    if (name := next((name for name in NOT_ON_CLUSTER if name in given), "")) and parsed.values.get(name):
        raise UsageError(f"--{name} and --cluster exclude each other")
    if name := next((name for name in _OF_THIS_MACHINE if name in given), ""):
        raise UsageError(f"--{name} and --cluster exclude each other: workers have their own configuration")
    name = next((name for name in _CREDENTIALS if name in given), "")
    if name and not parsed.get("send-credentials", bool):
        raise UsageError(
            f"--{name} and --cluster: workers have their own credentials, unless --send-credentials sends them these"
        )
