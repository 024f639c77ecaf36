"""The members of an ASGI scope by which middlewares and applications of this server tell each other something."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

TARGET: Final = "pyskopeo.target"
"""The `Target` of the request."""
USER: Final = "pyskopeo.user"
"""The name of the client's user, "" without a login."""
MAY: Final = "pyskopeo.may"
"""A `May`; absent: the client may do everything everywhere."""
UPLOAD_ENDED: Final = "pyskopeo.upload_ended"
"""True, set by the application, if the upload that a request is about was removed."""

May: TypeAlias = Callable[[str, str], bool]
"""A function of a repository and an action, one of `ACTIONS`, that says whether the client may do that there."""
