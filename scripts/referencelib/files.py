"""The files of the reference."""

from __future__ import annotations

import sys
from unittest import mock

from . import contents, markdown, roff


def reference_files() -> dict[str, str]:
    """Return the text of each file by its path in the repository."""
    with mock.patch.object(sys, "argv", ["pyskopeo"]):  # the pages name the program as it was called
        found = contents.collect()
        return {"docs/reference/commands.md": markdown.render(found), "man/pyskopeo.1": roff.render(found)}
