"""A registry over an OCI image layout (distribution specification 1.1).

With ``writable`` it takes pushes and deletions ("Push", "Content Management"), and the layout consists of repositories:
an entry ``REPOSITORY:TAG`` in index.json for each tag, ``REPOSITORY@DIGEST`` for a manifest that has none, and the
directory ``registry``, with uploads and with links that say which blob was uploaded into which repository. What belongs
to a repository: the manifests of its entries, what they lead to, and its links; it is served there only. Entries with
plain tags belong to every repository. See `storage.registry_storage`. Such a layout is served that way without
``writable``, too.

Any other layout is served under any repository name, since a layout has none; with the ``repository``
argument of `application`, under that name only. Tags are the layout's reference names
(``org.opencontainers.image.ref.name``), and the tag of a full name such as ``host/repo:tag``. If several
images have the same tag, the one whose full name contains the requested repository is served; without
such a one the tag is not served. Images without a tag are served by digest, and also as ``latest`` if the
layout contains no other image.

What refers to a digest is listed ("Listing Referrers") from the manifests with a ``subject`` that index.json leads to.

Manifests are verified before they are sent. Blobs are verified by clients, except for those behind
symbolic links, which are verified once so that links cannot expose other files.

There is no TLS and no authentication here: anyone with access to the address can read, and with ``writable`` write.
`serve.guard.guarded` puts before it what a server in the open needs: logins and rights (`serve.login_files`), limits,
metrics and an access log. A middleware decides who may do what by `serve.scope_keys.MAY`.
"""

from __future__ import annotations

from .app import application
from .server import serve, serve_application

__all__ = ["application", "serve", "serve_application"]
