"""Where a connection may lead."""

from __future__ import annotations

import pytest

from pyskopeo.errors import (
    UnsafeAddress,
)
from pyskopeo.http.connect import refuse_literal
from pyskopeo.http.origin import Origin


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST", "localhost.", "a.localhost", "127.0.0.1", "127.0.0.1.", "[::1]", "[::ffff:10.0.0.1]"]
    + ["2130706433", "0x7f.1", "0177.1", "127.1", "0", "169.254.169.254", "10.0.0.1"],
)
def test_through_a_proxy_addresses_are_read(host: str) -> None:
    """There the proxy resolves names, but what is plainly an address is seen."""
    with pytest.raises(UnsafeAddress, match="private address"):
        refuse_literal(Origin.of(f"https://{host}/"))


@pytest.mark.parametrize("host", ["example.com", "1.1.1.1", "[2606:4700::1111]", "16843009", "localhost.example.com"])
def test_through_a_proxy_others_pass(host: str) -> None:
    """Names below localhost do not."""
    refuse_literal(Origin.of(f"https://{host}/"))
    with pytest.raises(UnsafeAddress, match="private address"):
        refuse_literal(Origin.of("https://a.localhost/"))
