"""The options that the commands for a local layout have in common."""

from __future__ import annotations

import os
from pathlib import Path

from ..access import Access
from ..fast_dataclass import dataclass, replace
from .flags import Parsed
from .logged_events import warnings_only


@dataclass(frozen=True, slots=True)
class LayoutOptions:
    """What the commands for a local layout have in common; ``shared`` is the directory of blobs shared by layouts."""

    name: str
    shared: Path | None
    scratch: Path | None
    json: bool

    @classmethod
    def of(cls, parsed: Parsed) -> LayoutOptions:
        """Read the options."""
        (name,) = parsed.arguments
        return cls.named(parsed, name)

    @classmethod
    def named(cls, parsed: Parsed, name: str) -> LayoutOptions:
        """Read the options of a command with further arguments; ``name`` is that of the layout."""
        as_json = "json" in parsed.values and parsed.get("json", bool)
        return cls(name, parsed.path("shared-blob-dir"), parsed.path("tmpdir"), as_json)

    def access(self) -> Access:
        """Return the access to the layout."""
        base = Access.from_environ(os.environ, report=warnings_only)
        scratch = self.scratch or base.storage.scratch
        return replace(base, storage=replace(base.storage, scratch=scratch, shared_blobs=self.shared))
