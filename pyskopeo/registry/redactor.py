"""Keeping secrets out of messages: some servers repeat in an error what they were sent."""

from __future__ import annotations

import json
from urllib.parse import quote, quote_plus

# A text of two or three letters would blank out half of every message, and is no secret anyway.
_SHORTEST = 4


class Redactor:
    """Replaces the secrets it was told with ``***``."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()

    def add(self, *secrets: str) -> None:
        """Add secrets to be replaced: as they are, as in a URL or a form, and as in JSON."""
        for secret in secrets:
            if len(secret) >= _SHORTEST:
                self._secrets |= {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}

    def redact(self, text: str) -> str:
        """Return a server's ``text`` without the secrets."""
        for secret in sorted(self._secrets, key=len, reverse=True):  # one may be part of another
            text = text.replace(secret, "***")
        return text
