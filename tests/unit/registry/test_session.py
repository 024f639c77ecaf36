"""Requests of one repository: redirects, warnings, failures of the network."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyskopeo.errors import PyskopeoError
from pyskopeo.model.reference import Reference
from pyskopeo.registry.sessions import open_session
from tests.support.access import access_for

ODD = ["http://\x9b31m.example/x", "http://exa\u202emple.org/", "http://a\u200bb.org/", "http://a\ud800b.org/"]


@pytest.mark.anyio
@pytest.mark.parametrize("url", [*ODD, "http://xn--/x", "http://127.0.0.1:1/\ud800", "http://xn--a/x"])
async def test_an_address_in_a_manifest_that_is_none(url: str, tmp_path: Path) -> None:
    """A foreign layer's; it is no crash."""
    async with open_session(Reference.parse("127.0.0.1:1/a/b:c"), access_for(tmp_path)) as session:
        with pytest.raises(PyskopeoError) as caught:
            await session.fetch_elsewhere("GET", url)
    assert str(caught.value).isprintable()
