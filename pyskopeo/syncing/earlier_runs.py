"""What reports of earlier runs say is at the destination, so that the next plan need not ask."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..errors import InvalidInput

if TYPE_CHECKING:
    from ..model.digest import Digest
    from .report_file import RunReport
    from .sync_request import SyncImage


class EarlierRuns:
    """The images that earlier runs have copied or found present, by source and destination."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[Digest, Digest]] = {}

    @classmethod
    def of(cls, named: Iterable[tuple[str, RunReport]], options: dict[str, Any]) -> EarlierRuns:
        """Return what is in the reports; of an image that is in several the last one counts.

        Raises `InvalidInput` for a report of a run that copied images in another way than ``options`` say
        (`PlanOptions.to_json`), and for one that does not say how.
        """
        found = cls()
        for name, one in named:
            if one.options is None:
                raise InvalidInput(f"{name} does not say how images were copied: want a report of this version")
            if one.options != options:
                raise InvalidInput(f"{name} is of a run with other platforms, formats or referrers: plan without it")
            for result in one.report.results:
                key = result.image.source, result.image.destination
                if result.status in ("copied", "present") and result.source_digest and result.digest:
                    found._known[key] = result.source_digest, result.digest
                elif result.status == "failed":
                    found._known.pop(key, None)
        return found

    def knows(self, image: SyncImage) -> bool:
        """Return whether a report has an image."""
        return (image.source, image.destination) in self._known

    def present(self, image: SyncImage, digest: Digest | None) -> Digest | None:
        """Return the digest at the destination if the image was copied from the source's ``digest``, else None."""
        source_digest, present = self._known.get((image.source, image.destination), (None, None))
        return present if digest is not None and source_digest == digest else None
