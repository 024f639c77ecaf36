"""Keep secrets out of messages: some servers repeat them in error responses."""

from __future__ import annotations

import json
from urllib.parse import quote, quote_plus

# Shorter texts are not replaced: they occur by chance in most messages, and are no useful secret.
_MIN_LENGTH = 4


class Redactor:
    """Replaces secrets in text with ``***``."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()

    def add(self, *secrets: str) -> None:
        """Add secrets to replace: as they are, as encoded in a URL or a form, and as in JSON."""
        for secret in secrets:
            if len(secret) >= _MIN_LENGTH:
                self._secrets |= {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}

    def redact(self, text: str) -> str:
        """Return a server's ``text`` without the secrets."""
        for secret in sorted(self._secrets, key=len, reverse=True):  # one may be part of another
            text = text.replace(secret, "***")
        return text
