"""What skopeo 1.22 can be told, and the little that later versions add to it: verbs, transports, flags of each verb.

Hidden flags are there, too, and verbs that are hidden without their flags.
"""

from __future__ import annotations

from itertools import product

_REGISTRY = ("cert-dir", "creds", "no-creds", "password", "registry-token", "tls-verify", "username")
_FILES = ("daemon-host", "shared-blob-dir")
_RETRY = ("retry-delay", "retry-times")
_SIGNING = (
    "sign-by", "sign-by-sigstore", "sign-by-sigstore-private-key", "sign-by-sq-fingerprint", "sign-passphrase-file",
)  # fmt: skip
# Given for each side, and before 1.22 once for both: now one of the global flags.
_SIDES = ("screds", "dcreds", *(f"{side}-{name}" for side, name in product(("src", "dest"), ("authfile", *_REGISTRY))))
_COPIES = ("all", "authfile", "digestfile", "format", "preserve-digests", "remove-signatures", *_SIDES, *_RETRY, *_SIGNING)

GLOBAL = frozenset(
    {
        "command-timeout", "debug", "help", "insecure-policy", "override-arch", "override-os", "override-variant",
        "policy", "registries-conf", "registries.d", "require-signed", "tls-details", "tls-verify", "tmpdir",
        "user-agent-prefix", "version",
    }
)  # fmt: skip
FLAGS: dict[str, frozenset[str]] = {
    "copy": frozenset(
        {
            *_COPIES, *(f"{side}-{name}" for side, name in product(("src", "dest"), _FILES)),
            "additional-tag", "decryption-key", "dest-compress", "dest-compress-format", "dest-compress-level",
            "dest-decompress", "dest-force-compress-format", "dest-oci-accept-uncompressed-layers",
            "dest-precompute-digests", "encrypt-layer", "encryption-key", "image-parallel-copies", "multi-arch", "quiet",
            "remove-list-signatures", "sign-identity", "strip-removed-platforms",
        }
    ),
    "sync": frozenset({*_COPIES, "append-suffix", "dest", "dry-run", "keep-going", "scoped", "src"}),
    "inspect": frozenset(
        {"authfile", *_REGISTRY, *_FILES, *_RETRY, "config", "format", "manifest-digest", "no-tags", "raw"}
    ),
    "list-tags": frozenset({"authfile", *_REGISTRY, *_RETRY}),
    "delete": frozenset({"authfile", *_REGISTRY, *_FILES, *_RETRY}),
    "login": frozenset(
        {
            "authfile", "cert-dir", "compat-auth-file", "get-login", "password", "password-stdin", "tls-verify",
            "username", "verbose",
        }
    ),
    "logout": frozenset({"all", "authfile", "compat-auth-file", "tls-verify"}),
    "generate-sigstore-key": frozenset({"output-prefix", "passphrase-file"}),
    "standalone-sign": frozenset({"output", "passphrase-file"}),
    "standalone-verify": frozenset({"public-key-file"}),
}  # fmt: skip
# Those that have no flags of their own here, or none that matter yet.
VERBS = FLAGS.keys() | {
    "completion", "experimental-image-proxy", "layers", "manifest-digest",
    "untrusted-signature-dump-without-verification",
}  # fmt: skip
TRANSPORTS = frozenset(
    {
        "atomic", "containers-storage", "dir", "docker", "docker-archive", "docker-daemon", "oci", "oci-archive",
        "ostree", "sif", "tarball",
    }
)  # fmt: skip
