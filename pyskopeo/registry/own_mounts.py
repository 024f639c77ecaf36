"""Ask for a blob and open its upload by one request: a POST that mounts the blob from the repository itself.

Distribution specification 1.1, "Mounting a blob from another repository": the registry responds with 201 if it has the
blob, otherwise with 202 and an upload. Some respond with 202 always, so this has to be tried before it is relied on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..model.digest import Digest
    from .upload_session import UploadSession

# Blobs. After so many that were absent, one after another, the next ones are probably absent, too. Where they are
# there, a HEAD is the cheaper question.
_ABSENT = 16


class OwnMounts:
    """Whether one repository is asked in this way; decided by what it has answered so far.

    For all uploads of a copy to the repository, in one event loop.
    """

    def __init__(self, repository: str) -> None:
        self._repository = repository
        self._absent = 0
        self._written: Digest | None = None
        self._works: bool | None = None

    def looked_up(self, *, present: bool) -> None:
        """Record whether the registry had a blob that was asked for."""
        self._absent = 0 if present else self._absent + 1

    def written(self, digest: Digest) -> None:
        """Record that the registry has stored a blob in the repository."""
        self._written = digest

    async def usable(self, upload: UploadSession, digest: Digest) -> bool:
        """Return whether to ask for the blob ``digest`` by `find`.

        Tries once whether the registry mounts a blob that is there; if it does not, ``upload`` may be open afterwards.
        Raises `NetworkError`.
        """
        if self._absent < _ABSENT or digest.algorithm != "sha256":
            return False
        if self._works is None and self._written is not None:
            self._works = False  # for others, until it is known
            self._works = await self.find(upload, self._written)
        return bool(self._works)

    async def find(self, upload: UploadSession, digest: Digest) -> bool:
        """Return whether the registry has the blob; if not, ``upload`` may be open. Raises `NetworkError`."""
        return await upload.mount(digest, self._repository)
