"""The names of all commands and flags, to tell a key of ``config.toml`` for another command from a mistyped one.

The lists save the import of every command. A name that is missing here costs that import and nothing else, and
`tests/unit/cli/test_known_names.py` says which one it is.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from ..config.defaults_file import DefaultsFile
from ..errors import InvalidInput
from .command import GLOBAL, Command, every_command, program

# As tables are named: with dashes for spaces.
_COMMANDS = """
    attach
    blob-get blob-put bundle-apply bundle-create bundle-diff bundle-ls bundle-verify
    cat catalog completion config copy credential-helper
    delete detach diff download du
    export extract
    generate-sigstore-key
    index-create inspect
    layout-assemble layout-complete layout-gc layout-link-names layout-ls layout-merge layout-missing
    layout-repair layout-split layout-verify list-tags lock login logout ls
    manifest-digest manifest-get manifest-put
    nix-prefetch
    prefetch
    rebase referrers report-merge report-show
    serve standalone-sign standalone-verify store-du store-ls store-prune store-verify sync
    tag tree
    verify version
"""
_FLAGS = """
    access-log access-rules additional-tag all annotation anonymous-pull append-suffix arch auth-strict authfile
    blob-root by
    cert-dir certificate-identity certificate-oidc-issuer check cluster command-timeout compat-auth-file config
    cosign-tags credential-helper creds
    daemon-host dcreds debug decryption-key deep delete depth dest dest-authfile dest-cert-dir dest-compress
    dest-compress-format dest-compress-level dest-creds dest-daemon-host dest-decompress
    dest-force-compress-format dest-layout-profile dest-no-creds dest-oci-accept-uncompressed-layers
    dest-password dest-precompute-digests dest-registry-token dest-shared-blob-dir dest-tls-verify dest-username
    devices digestfile dry-run
    encrypt-layer encryption-key exclude exclude-repository
    files filter final-image-name final-image-tag format from
    get-login grace-period
    hash-format html htpasswd
    image-digest image-name image-parallel-copies image-tag include include-repository insecure-listen insecure-policy
    jobs json
    keep-going keep-name key
    latest layer layers limit-rate limit-rate-per-host listen long
    manifest-digest map max-blob-size max-delete max-inflated max-requests max-retry-after max-size media-type
    metrics metrics-listen multi-arch
    new-base no-add no-creds no-files no-referrers no-resume no-tags
    offline old-base older-than on-rate-limit os os-feature os-version out output output-prefix override-arch
    override-os override-variant overwrite
    partial-age passphrase-file password password-stdin path plan platform platform-digest platform-names platforms
    policy preserve-digests preserve-owner preserve-setuid print-digest profile progress proxy proxy-fresh
    public-key-file public-url
    quiet
    range-parts range-size raw receipt referrers registries-conf registries.d registry-token
    remove-list-signatures remove-signatures report require-referrer require-signed response-timeout retry-delay
    retry-times reuse root rows run
    scoped screds select-annotation semver send-credentials shard shared-blob-dir
    sign-by sign-by-sigstore sign-by-sigstore-private-key
    sign-by-sq-fingerprint sign-identity sign-passphrase-file signatures-only signed-as since sort source sparse
    split-platforms src src-authfile src-cert-dir src-creds src-daemon-host src-no-creds src-password
    src-registry-token src-shared-blob-dir src-tls-verify src-username stall-timeout store
    strip-removed-platforms
    table tag-only tag-platforms times tls-cert tls-details tls-key tls-verify tmpdir to token-file trust-realm
    trusted-root type
    update user-agent-prefix username
    variant verbose verify-existing
    watch
    writable
"""
COMMANDS = frozenset(_COMMANDS.split())
FLAGS = frozenset(_FLAGS.split())


def refuse_unknown_names(file: DefaultsFile, command: Command[Any], flags: Collection[str]) -> None:
    """Raise `InvalidInput` for tables that are no command, and for keys that are no flag.

    Of the tables, that of ``command``, which has these ``flags``, is looked into.
    """
    if unknown := [name for name in file.shared if name not in flags and name not in FLAGS]:
        known = flag_names()
        for name in unknown:
            if name not in known:
                raise InvalidInput(f"{file.place(file.shared[name].line)}: unknown flag {_quoted(name)}"
                                   f"{_meant(name, known)}")  # fmt: skip
    if unknown := [name for name in file.commands if name not in COMMANDS]:
        known = command_names()
        for name in unknown:
            if name not in known:
                raise InvalidInput(f"{file.place(file.lines[name])}: unknown command {_quoted(name)}"
                                   f"{_dotted(name) or _meant(name, known)}")  # fmt: skip
    refuse_unknown_keys(file, command, flags)


def refuse_unknown_keys(file: DefaultsFile, command: Command[Any], flags: Collection[str]) -> None:
    """Raise `InvalidInput` for keys in the table of ``command`` that are none of its ``flags``."""
    for name, found in file.commands.get(command.name.replace(" ", "-"), {}).items():
        if name not in flags:
            raise InvalidInput(f"{file.place(found.line)}: {program()} {command.name} has no flag {_quoted(name)}"
                               f"{_meant(name, flags)}")  # fmt: skip


def flag_names() -> frozenset[str]:
    """Import every command, and return the names of all flags."""
    return frozenset(flag.name for command in every_command() for flag in (*command.flags, *GLOBAL))


def command_names() -> frozenset[str]:
    """Import every command, and return their names, as tables are named."""
    return frozenset(command.name.replace(" ", "-") for command in every_command())


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


def _meant(name: str, known: Collection[str]) -> str:
    from difflib import get_close_matches

    if below := [one for one in sorted(known) if one.startswith(f"{name}-")]:
        return f"; want one of {', '.join(below)}"
    dashed = name.replace("_", "-").removeprefix("--")
    near = [dashed] if dashed in known else get_close_matches(dashed, sorted(known), 1, 0.7)
    return f"; did you mean {near[0]}?" if near else ""


def _dotted(name: str) -> str:
    """Return a hint for the name of a flag with a dot in it, which TOML takes for a key in a table."""
    found = sorted(flag for flag in FLAGS if flag.startswith(f"{name}."))
    return f"; the name of a flag with a dot is in quotes: {_quoted(found[0])}" if found else ""
