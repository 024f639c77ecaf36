"""Which registries take a blob with the POST that begins its upload (distribution specification 1.1, "Single POST")."""

from __future__ import annotations

# Bytes. Larger blobs are streamed, and a body cannot be streamed twice.
LIMIT = 1024 * 1024
# Bytes. A registry that has not been asked yet may ignore the body, which has been sent for nothing then.
_TRIAL_LIMIT = 64 * 1024


class WholePosts:
    """What registries, by their ``HOST[:PORT]``, have answered to a POST with a blob. Each is tried once.

    Shared by all uploads to one registry; for the thread of one event loop.
    """

    def __init__(self) -> None:
        self._takes: dict[str, bool] = {}

    def is_known(self, host: str) -> bool:
        """Return whether a registry has been tried, or is just being tried."""
        return host in self._takes

    def may_take(self, host: str, size: int) -> bool:
        """Return whether a blob of so many bytes is to be sent that way, as far as is known."""
        known = self._takes.get(host)
        return size <= LIMIT if known else known is None and size <= _TRIAL_LIMIT

    def begin(self, host: str, size: int) -> bool:
        """Return the same, and keep others from a trial until `note` is called."""
        wanted = self.may_take(host, size)
        if wanted:
            self._takes.setdefault(host, False)
        return wanted

    def note(self, host: str, *, taken: bool) -> None:
        """Record whether a registry has taken a blob; one that has not is not tried again."""
        self._takes[host] = taken
