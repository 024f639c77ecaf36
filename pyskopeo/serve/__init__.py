"""A read-only registry that serves an OCI image layout (distribution specification 1.1, "Pull").

The layout is served under any repository name, since a layout has none; with the ``repository``
argument of `application`, under that name only. Tags are the layout's reference names
(``org.opencontainers.image.ref.name``), and the tag of a full name such as ``host/repo:tag``. If several
images have the same tag, the one whose full name contains the requested repository is served; without
such a one the tag is not served. Images without a tag are served by digest, and also as ``latest`` if the
layout contains no other image.

What refers to a digest is listed ("Listing Referrers") from the manifests with a ``subject`` that index.json leads to.

Manifests are verified before they are sent. Blobs are verified by clients, except for those behind
symbolic links, which are verified once so that links cannot expose other files.

There is no TLS and no authentication: anyone with access to the address can read the layout.
"""

from __future__ import annotations

from .app import application
from .server import serve, serve_application

__all__ = ["application", "serve", "serve_application"]
