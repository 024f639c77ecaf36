"""The client for programs that are not async."""

from __future__ import annotations

from .blocking_bundles import BlockingBundleMethods
from .blocking_files import BlockingFileMethods
from .blocking_images import BlockingImageMethods
from .blocking_plans import BlockingPlanMethods
from .blocking_repositories import BlockingRepositoryMethods


class SyncClient(
    BlockingImageMethods, BlockingRepositoryMethods, BlockingFileMethods, BlockingBundleMethods, BlockingPlanMethods
):
    """`Client` for programs without an event loop, and for notebooks, where one is running.

    ::

        with pyskopeo.SyncClient() as client:
            client.copy("docker://alpine", "oci:alpine:latest")

    It has the same methods with the same arguments; they block. What is a context manager there is an ordinary one
    here, and the chunks of `blob` are an ordinary iterator. Everything runs in an event loop in a thread of its own,
    where ``report`` is called, too. Threads may share a client. Ctrl-C cancels the call that waits, as it does on the
    command line. `close`, or leaving the context, ends the thread; so does the end of the program. A process that is
    forked after the first call makes a client of its own: this one raises `InvalidInput` there.
    """
