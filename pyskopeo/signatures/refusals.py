"""The reason why a signature is refused, on its way to the `Verdict`."""

from __future__ import annotations

from ..errors import InvalidContent


class SignatureRefused(InvalidContent):
    """Internal: a signature is not accepted. The message is the reason of its `Verdict`."""
