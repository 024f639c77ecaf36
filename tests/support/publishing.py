"""Pushing a test's image with the library itself, and what must hold of the registry whatever happens."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyskopeo
from pyskopeo.access import Access
from pyskopeo.model.events import BlobFinished
from pyskopeo.model.platform import Platform

from .access import access_for
from .events import EventLog
from .exchange import Request
from .images import BuiltImage
from .outputs import write_layout
from .simulator import Simulator

EVERYTHING = pyskopeo.Selection(Platform("linux", "amd64"), "all")


class Push(EventLog):
    """Copies of one image, from a layout, into a simulator; ``events`` are those of all of them.

    ``closes`` False: the registry is one that cannot be told to forget an upload; ``takes_back`` False: one
    that has written what it says it has not.
    """

    def __init__(self, registry: Simulator, image: BuiltImage, home: Path, access: Access | None = None) -> None:
        super().__init__()
        self.registry, self.image = registry, image
        self.source = f"oci:{write_layout(image, home / 'source')}:latest"
        self.access = access or access_for(home)
        self.home, self.closes, self.takes_back = home, True, True

    async def run(
        self, destination: str | None = None, *, source: str | None = None, source_access: Access | None = None,
        jobs: int | None = None,
    ) -> None:  # fmt: skip
        """Copy it; raises what the copy raises, after a look at what is left behind."""
        name = destination or self.registry.name()
        before = self.names()
        try:
            digest = await pyskopeo.copy(
                source or self.source,
                name,
                selection=EVERYTHING,
                form=pyskopeo.Form(preserve_digests=True),
                jobs=jobs,
                report=self.events.append,
                source_access=source_access or self.access,
                destination_access=self.access,
            )
        except BaseException:
            self.check()
            assert not self.takes_back or self.names() == before
            raise
        self.check()
        assert str(digest) == self.image.digest

    def names(self) -> dict[tuple[str, str], str]:
        """What each tag of each repository names."""
        store = self.registry.store
        return {
            (repository, name): manifest.digest
            for repository in store.repositories()
            for name, manifest in store.manifests(repository).items()
            if ":" not in name
        }

    def check(self) -> None:
        """Nothing names what is not there; no upload is left open; every blob is what it is called."""
        assert self.registry.incomplete == []
        if self.closes:
            assert self.registry.open_uploads == ()

    def check_there(self, repository: str = "test/image", tag: str | None = "latest") -> None:
        """All of the image is in the registry, byte for byte."""
        manifests, blobs = self.registry.store.manifests(repository), self.registry.blobs(repository)
        if tag is not None:
            # By a tag the registry chooses the algorithm of the digest.
            assert manifests[tag].raw == self.image.root.raw
            assert manifests[tag].media_type == self.image.root.media_type
        for digest, manifest in self.image.manifests.items():
            if tag is not None and digest == self.image.digest:
                continue
            assert manifests[digest].raw == manifest.raw
            assert manifests[digest].media_type == manifest.media_type
        assert self.image.blobs.items() <= blobs.items()

    def forget(self) -> None:
        """What was asked so far does not count; the faults are gone."""
        self.registry.heal()
        self.events.clear()
        with self.registry._lock:
            self.registry._requests.clear()

    @property
    def asked(self) -> Counter[str]:
        """How often each method was used on each kind of thing: ``HEAD blob``, ``POST upload``, ``PUT manifest``."""
        return Counter(f"{request.method} {kind(request)}" for request in self.registry.requests if kind(request))

    @property
    def sent(self) -> int:
        """Bytes of blobs that came to the registry, those of cut requests too, without what a POST has in vain."""
        ignored = () if self.registry.pushing.whole_posts else ("POST",)
        uploads = [request for request in self.registry.requests if kind(request) == "upload"]
        return sum(request.length for request in uploads if request.method not in ignored)

    @property
    def placements(self) -> dict[str, str]:
        """How each blob came to be there."""
        return {str(e.digest): e.placement.value for e in self.events if isinstance(e, BlobFinished)}


def kind(request: Request) -> str:
    """What a request is about: ``upload``, ``blob``, ``manifest``, or "" for anything else."""
    if "/blobs/uploads/" in request.path:
        return "upload"
    return "blob" if "/blobs/" in request.path else "manifest" if "/manifests/" in request.path else ""


def order(registry: Simulator, method: str, what: str) -> list[int]:
    """The places in the log of these requests."""
    return [n for n, r in enumerate(registry.requests) if r.method == method and kind(r) == what]


ZSTD = pyskopeo.Form(compression="zstd", compress=True)


class Converting(Push):
    """Copies that change the layers."""

    form = ZSTD

    async def convert(self, form: pyskopeo.Form | None = None) -> dict[str, Any]:
        """Copy it in another form; answers with the manifest that is tagged then."""
        await pyskopeo.copy(
            self.source,
            self.registry.name(),
            selection=EVERYTHING,
            form=form or self.form,
            report=self.events.append,
            source_access=self.access,
            destination_access=self.access,
        )
        self.check()
        manifest = self.registry.manifest()
        assert manifest is not None
        return manifest.json
