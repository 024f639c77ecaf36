"""The methods of a client about whole images: copy, plan, sync, look into, verify."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..engine.plan import DEFAULT_FORM, Form, Plan
from ..engine.selection import Selection
from ..errors import InvalidInput
from ..fast_dataclass import replace
from ..model.choice import Choice
from ..model.digest import Digest
from ..model.events import Report
from ..model.platform import Platform
from ..model.reference import Reference
from ..model.referrer import WantedReferrers
from ..signatures.signer import Signer
from ..syncing.sync_request import IMAGES_AT_ONCE, OnRateLimit, SyncReport, SyncSink, ignore
from .base import BY_NAME, ClientBase, as_platform

if TYPE_CHECKING:
    from ..api.inspection import Inspection
    from ..api.signature_verification import SignatureTrust
    from ..model.image_tree import ImageTree
    from ..model.verification import VerificationReport
    from ..signatures.report import SignatureReport


class ImageMethods(ClientBase):
    """Copy, plan, sync, inspect and verify images."""

    async def copy(
        self,
        source: str,
        destination: str,
        *,
        platform: Platform | Choice | str | None = None,
        all_platforms: bool = False,
        selection: Selection | None = None,
        form: Form = DEFAULT_FORM,
        layers: bool = True,
        additional_tags: Sequence[str] = (),
        referrers: WantedReferrers | None = None,
        signers: tuple[Signer, ...] = (),
        sign_identity: Reference | None = None,
        jobs: int | None = None,
        report: Report | None = None,
    ) -> Digest:
        """Copy an image from one image name (``transport:details``) to another; return its digest there.

        Of an index the image for ``platform`` is copied, None: for this machine's architecture, on Linux; with
        ``all_platforms`` every one. ``selection`` says it in more detail, in the place of both. ``additional_tags`` are
        further names at the destination. ``report`` gets the events of this copy, None: the client's report does. All
        else is as for the function `pyskopeo.copy`, and so are the errors.
        """
        from ..api.images import copy

        wanted = _selection(platform, selection, all_platforms=all_platforms)
        async with self._call(source, destination, report=report) as accesses:
            writing = replace(accesses.writing.writing, additional_tags=tuple(additional_tags))
            return await copy(
                source, destination, selection=wanted, form=form, layers=layers, referrers=referrers, signers=signers,
                sign_identity=sign_identity, jobs=jobs, report=self._report, source_access=accesses.reading,
                destination_access=replace(accesses.writing, writing=writing),
            )  # fmt: skip

    async def copy_images(
        self,
        sources: Sequence[str],
        destination: str,
        *,
        platform: Platform | Choice | str | None = None,
        form: Form = DEFAULT_FORM,
        jobs: int | None = None,
        report: Report | None = None,
    ) -> tuple[Digest, ...]:
        """Copy images (``transport:details``) into one new ``docker-archive:PATH``; return their digests there.

        ``platform`` and ``report`` are as for `copy`, all else as for the function `pyskopeo.copy_images`, and so are
        the errors.
        """
        from ..api.several_images import copy_images

        wanted = _selection(platform, None, all_platforms=False)
        async with self._call(*sources, destination, report=report) as accesses:
            return await copy_images(
                sources, destination, selection=wanted, form=form, jobs=jobs, report=self._report,
                source_access=accesses.reading, destination_access=accesses.writing,
            )  # fmt: skip

    async def plan(
        self,
        source: str,
        destination: str,
        *,
        platform: Platform | Choice | str | None = None,
        all_platforms: bool = False,
        selection: Selection | None = None,
        form: Form = DEFAULT_FORM,
        layers: bool = True,
        referrers: WantedReferrers | None = None,
    ) -> tuple[Plan, frozenset[Digest]]:
        """Return the plan of a copy, and the digests of the blobs that are at the destination already.

        Takes the arguments of `copy`. Manifests are read, and configurations where a conversion needs them; nothing is
        written. Raises what `copy` raises before it copies the first blob.
        """
        from ..api.images import plan_copy

        wanted = _selection(platform, selection, all_platforms=all_platforms)
        async with self._call(source, destination) as accesses:
            return await plan_copy(
                source, destination, selection=wanted, form=form, layers=layers, referrers=referrers,
                report=self._report, source_access=accesses.reading, destination_access=accesses.writing,
            )  # fmt: skip

    async def sync(
        self,
        source: str,
        destination: str,
        *,
        platform: Platform | Choice | str | None = None,
        all_platforms: bool = False,
        selection: Selection | None = None,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        semver: str | None = None,
        latest: int = 0,
        include_repositories: Sequence[str] = (),
        exclude_repositories: Sequence[str] = (),
        renaming: Sequence[str] | Mapping[str, str] = (),
        scoped: bool = False,
        append_suffix: str = "",
        form: Form = DEFAULT_FORM,
        referrers: WantedReferrers | None = None,
        signers: tuple[Signer, ...] = (),
        keep_going: bool = False,
        dry_run: bool = False,
        jobs: int = IMAGES_AT_ONCE,
        delete: bool = False,
        max_delete: int | str | None = None,
        on_rate_limit: OnRateLimit = "fail",
        report: SyncSink = ignore,
    ) -> SyncReport:
        """Copy all images of ``source`` that are missing or out of date at ``destination``; return their results.

        ``source`` is ``docker://HOST/REPOSITORY[:TAG]``, ``registry:HOST[/PATH]``, ``dir:PATH``, ``oci:PATH``,
        ``docker-archive:PATH`` or ``yaml:FILE``, ``destination`` is ``docker://HOST[/PATH]``, ``dir:PATH`` or
        ``oci:PATH``. ``platform``, ``all_platforms`` and ``selection`` are as for `copy`, all else as for the function
        `pyskopeo.sync_images`, and so are the errors. A run has connections of its own, which its images share.
        """
        from ..syncing.by_name import registries_of, sync_images

        wanted = _selection(platform, selection, all_platforms=all_platforms)
        if self._settings.is_for_one_registry and source.startswith("yaml:"):
            raise InvalidInput(f"the client's credentials are for one registry, not for all in {source}: {BY_NAME}")
        self._check_registries(registries_of(source, destination))
        async with self._call() as accesses:
            return await sync_images(
                source, destination, selection=wanted, include=include, exclude=exclude, semver=semver, latest=latest,
                include_repositories=include_repositories, exclude_repositories=exclude_repositories,
                renaming=renaming, scoped=scoped, append_suffix=append_suffix, form=form, referrers=referrers,
                signers=signers, keep_going=keep_going, dry_run=dry_run, jobs=jobs, delete=delete,
                max_delete=max_delete, on_rate_limit=on_rate_limit, report=report,
                source_access=accesses.reading, destination_access=accesses.writing,
            )  # fmt: skip

    async def sync_on_cluster(
        self,
        plan: Path | str,
        address: str,
        *,
        keep_going: bool = False,
        jobs: int = IMAGES_AT_ONCE,
        send_credentials: bool = False,
        report: SyncSink = ignore,
    ) -> SyncReport:
        """Copy the images of a plan on the workers of a Dask scheduler; return their results.

        Takes the arguments of the function `pyskopeo.sync_on_cluster`, and raises the same errors. Of the settings of
        this client, workers get how its registries are reached, and with ``send_credentials`` its credentials.
        """
        from ..cluster.by_file import sync_on_cluster

        if self._settings.is_for_one_registry:
            raise InvalidInput(f"the client's credentials are for one registry, not for all of a plan: {BY_NAME}")
        async with self._call() as accesses:
            return await sync_on_cluster(
                plan, address, keep_going=keep_going, jobs=jobs, send_credentials=send_credentials, report=report,
                source_access=accesses.reading, destination_access=accesses.writing,
            )  # fmt: skip

    async def inspect(self, name: str, *, platform: Platform | Choice | str | None = None) -> Inspection:
        """Return the properties of an image (``transport:details``), from its manifest and its configuration.

        Of an index those of the image for ``platform`` are read, None: for this machine's architecture, on Linux.
        Raises `NotFound`, `NoMatchingPlatform`, `Unsupported` for an artifact, `InvalidContent` and `NetworkError`.
        """
        from ..api.images import open_source
        from ..api.inspection import inspect_image

        async with self._call(name) as accesses, open_source(name, accesses.reading) as source:
            return await inspect_image(source, as_platform(platform) or Platform.host())

    async def tree(
        self, name: str, *, platform: Platform | Choice | str | None = None, referrers: bool = True
    ) -> ImageTree:
        """Return what an image consists of: its index, platforms, layers, build steps, and what refers to it.

        Takes the arguments of the function `pyskopeo.image_tree`, and raises the same errors.
        """
        from ..api.image_tree import image_tree

        async with self._call(name) as accesses:
            return await image_tree(
                name, platform=as_platform(platform), referrers=referrers, access=accesses.reading
            )

    async def verify(
        self,
        name: str,
        *,
        deep: bool = False,
        platform: Platform | Choice | str | None = None,
        all_platforms: bool = False,
        sparse: bool = False,
        layers: bool = True,
    ) -> VerificationReport:
        """Read every byte of an image, or of a layout or an archive, and return what is wrong with it.

        Takes the arguments of the function `pyskopeo.verify`, and raises the same errors.
        """
        from ..api.verification import verify

        async with self._call(name) as accesses:
            return await verify(
                name, deep=deep, platform=as_platform(platform), all_platforms=all_platforms, sparse=sparse,
                layers=layers, access=accesses.reading,
            )  # fmt: skip

    async def verify_signatures(
        self,
        name: str,
        trust: SignatureTrust | None = None,
        *,
        platform: Platform | Choice | str | None = None,
        all_platforms: bool = False,
    ) -> SignatureReport:
        """Check the signatures of an image by ``trust``, None: by the user's policy; its layers are not read.

        Takes the arguments of the function `pyskopeo.verify_signatures`, and raises the same errors.
        """
        from ..api.signature_verification import verify_signatures

        async with self._call(name) as accesses:
            return await verify_signatures(
                name, trust, platform=as_platform(platform), all_platforms=all_platforms, access=accesses.reading
            )


def _selection(
    platform: Platform | Choice | str | None, selection: Selection | None, *, all_platforms: bool
) -> Selection:
    """Return which images of an index are wanted; raises `InvalidInput` for two ways to say it."""
    if (platform is not None) + (selection is not None) + all_platforms > 1:
        raise InvalidInput("platform, all_platforms and selection exclude each other")
    if selection is not None:
        return selection
    return Selection(as_platform(platform) or Platform.host(), "all" if all_platforms else "system")
