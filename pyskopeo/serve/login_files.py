"""Logins and rights from the files that the server is given, and that may change while it runs."""

from __future__ import annotations

from pathlib import Path

from ..errors import Unsupported
from . import access_rules, htpasswd, token_file
from .authentication import Authentication
from .watched_file import Watched, WatchedFile


def read_logins(
    *,
    passwords: Path | None = None,
    tokens: Path | None = None,
    rules: Path | None = None,
    anonymous_pull: bool = False,
    public_url: str = "",
) -> tuple[Authentication, list[Watched]]:
    """Return what an htpasswd file, a file of tokens and one of access rules say, and what reads them again.

    Without ``rules`` everyone with a password may do everything. ``anonymous_pull`` lets anyone pull, besides. Raises
    `InvalidInput` for a file that says nothing usable, `NotFound`, `StorageFailed`, and `Unsupported` without bcrypt.
    """
    authentication = Authentication(public_url)
    files: list[Watched] = []

    def use_rules(found: access_rules.AccessRules) -> None:
        authentication.rules = found.with_anonymous_pull() if anonymous_pull else found

    use_rules(access_rules.default_rules())
    if passwords is not None:
        try:
            import bcrypt  # noqa: F401 - whether it is there, before anybody logs in
        except ImportError:
            raise Unsupported("passwords need bcrypt: pip install 'pyskopeo[serve]'") from None
        limit, use_users = htpasswd.FILE_LIMIT, authentication.use_passwords
        files.append(WatchedFile(passwords, htpasswd.parse_htpasswd, limit, use_users))
    if tokens is not None:
        limit, use_tokens = token_file.FILE_LIMIT, authentication.use_tokens
        files.append(WatchedFile(tokens, token_file.parse_token_file, limit, use_tokens))
    if rules is not None:
        files.append(WatchedFile(rules, access_rules.parse_access_rules, access_rules.FILE_LIMIT, use_rules))
    return authentication, files
