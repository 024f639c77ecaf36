"""How many images one run of a sync may delete."""

from __future__ import annotations

import re

from ..errors import InvalidInput
from ..fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class DeletionLimit:
    """How many images one run may delete at most: ``count``, or ``share`` of those that the record has, from 0 to 1."""

    count: int | None = None
    share: float | None = None

    @classmethod
    def parse(cls, text: str) -> DeletionLimit:
        """Parse a number of images, or a percentage such as ``10%``; raises `InvalidInput`."""
        if re.fullmatch(r"[0-9]{1,12}", text, re.ASCII):
            return cls(count=int(text))
        if found := re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,3})?)%", text, re.ASCII):
            share = float(found[1]) / 100
            if share <= 1:
                return cls(share=share)
        raise InvalidInput(f"{ascii(text)[1:-1][:50]}: want a number of images, or a percentage of them such as 10%")

    def __str__(self) -> str:
        return f"{self.count}" if self.share is None else f"{self.share * 100:g}%"

    def allows(self, number: int, known: int) -> bool:
        """Return whether ``number`` of ``known`` images may be deleted."""
        if self.count is not None and number > self.count:
            return False
        return self.share is None or number <= self.share * known


NO_DELETION_LIMIT = DeletionLimit()
