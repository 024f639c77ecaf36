"""The referrers API of a simulated registry, with what a test says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .exchange import Response
from .referring import INDEX, index_of
from .simulator import Simulator


def lists(
    registry: Simulator, subject: str, *pages: Sequence[dict[str, Any]], repository: str = "test/image",
    headers: tuple[tuple[str, str], ...] = (),
) -> None:  # fmt: skip
    """Have the referrers API of a registry list what refers to ``subject``, in pages."""
    path = f"/v2/{repository}/referrers/{subject}"
    for number, page in enumerate(pages):
        link = (("Link", f'<{path}-{number + 1}>; rel="next"'),) if number + 1 < len(pages) else ()
        here = f"{path}-{number}" if number else path
        registry.routes[here] = Response(200, (("Content-Type", INDEX), *headers, *link), index_of(*page))
