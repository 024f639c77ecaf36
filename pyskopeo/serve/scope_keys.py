"""The members of an ASGI scope in which a middleware says who a client is and what it may do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

TARGET: Final = "pyskopeo.target"
"""The `Target` of the request."""
USER: Final = "pyskopeo.user"
"""The name of the client's user, "" without a login."""
MAY: Final = "pyskopeo.may"
"""A `May`; absent: the client may do everything everywhere."""

May: TypeAlias = Callable[[str, str], bool]
"""A function of a repository and an action, one of `ACTIONS`, that says whether the client may do that there."""
