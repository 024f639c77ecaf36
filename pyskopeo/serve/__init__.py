"""A read-only registry over an OCI image layout: the pull side of the distribution specification 1.1.

Any repository name serves the whole layout, since a layout does not say which repository it is; give
`application` a ``repository`` to answer to that one alone. Tags are the layout's reference names
(``org.opencontainers.image.ref.name``), and the tag of a full name such as ``host/repo:tag``. Where
several images claim one tag, the repository name in the request decides between them; where it
cannot, the tag is not served. Images without a tag are served by digest, and one that is alone in
its layout also as ``latest``.

Manifests are verified before they are sent. A blob is verified by whoever pulls it, except behind a
symbolic link: that is hashed first, so that a layout cannot be made to hand out other files.

There is no TLS and no authentication: whoever reaches the address reads the layout.
"""

from __future__ import annotations

from .app import application
from .server import serve

__all__ = ["application", "serve"]
