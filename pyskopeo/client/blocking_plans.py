"""The methods of the blocking client about plans of a sync: what is to be copied, for several machines.

Written by scripts/sync_client from the async methods: change those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..engine.plan import DEFAULT_FORM, Form
from ..syncing.sync_request import IMAGES_AT_ONCE, SyncReport, SyncSink, ignore
from .blocking import BlockingBase

if TYPE_CHECKING:
    from ..engine.selection import Selection
    from ..model.referrer import WantedReferrers
    from ..signatures.signer import Signer
    from ..syncing.planning import PlanTotals


class BlockingPlanMethods(BlockingBase):
    """Make and run plans of a sync."""

    def write_plan(
        self,
        path: Path | str,
        source: str,
        destination: str,
        *,
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
        since: Sequence[Path | str] = (),
        keep_going: bool = False,
        jobs: int = IMAGES_AT_ONCE,
        report: SyncSink = ignore,
    ) -> PlanTotals:
        """Write to ``path`` what a sync would copy, one image a line, and return the totals; copy nothing.

        Takes the arguments of the function `pyskopeo.write_plan`, and raises the same errors.
        """
        return self._run(partial(
            self._client.write_plan, path, source, destination, selection=selection, include=include, exclude=exclude,
            semver=semver, latest=latest, include_repositories=include_repositories,
            exclude_repositories=exclude_repositories, renaming=renaming, scoped=scoped, append_suffix=append_suffix,
            form=form, referrers=referrers, since=since, keep_going=keep_going, jobs=jobs, report=report,
        ))  # fmt: skip

    def run_plan(
        self,
        path: Path | str,
        *,
        shard: str | None = None,
        keep_going: bool = False,
        dry_run: bool = False,
        signers: tuple[Signer, ...] = (),
        jobs: int = IMAGES_AT_ONCE,
        report: SyncSink = ignore,
    ) -> SyncReport:
        """Copy the images of a plan, or of a shard of it, ``I/N``; return their results.

        Takes the arguments of the function `pyskopeo.run_plan`, and raises the same errors. Credentials of the client
        have to be by registry, since a plan may name several.
        """
        return self._run(partial(
            self._client.run_plan, path, shard=shard, keep_going=keep_going, dry_run=dry_run, signers=signers,
            jobs=jobs, report=report,
        ))  # fmt: skip
