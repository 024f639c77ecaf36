"""The report of a sync as JSON: written after a run, and read to merge those of several, or for the next plan."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InvalidContent, InvalidInput, NotFound, StorageFailed, TooLarge
from ..fast_dataclass import dataclass, replace
from ..model.json_fields import JsonFields
from ..model.strict_json import parse_object
from ..storage.files import read_bounded
from .shards import Shard
from .sync_request import ImageResult, Status, SyncImage, SyncReport

REPORT_LIMIT = 512 * 1024 * 1024
_MOST_VALUES = 20_000_000
_VERSION = 1
_MOST_EXIT_CODE = 255
_STATUSES: dict[str, Status] = {
    "copied": "copied", "present": "present", "failed": "failed", "planned": "planned", "skipped": "skipped",
    "deleted": "deleted", "obsolete": "obsolete",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunReport:
    """The report of a run, with what it was a run of.

    ``source`` and ``destination`` are ``transport:place``. ``options`` say how the images were copied
    (`PlanOptions.to_json`), None if the file does not have them. ``plan`` is the sha256 of the plan that was run, ""
    without one, ``shard`` the shard of it, None for all of it. ``exit_code`` is that of the run.
    """

    source: str
    destination: str
    report: SyncReport
    options: dict[str, Any] | None = None
    plan: str = ""
    shard: Shard | None = None
    dry_run: bool = False
    exit_code: int = 0

    def failed(self) -> RunReport:
        """Return the same report with an exit code that is not 0."""
        return replace(self, exit_code=self.exit_code or 1)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of the file; sizes are in bytes, times in seconds."""
        report = self.report
        run: dict[str, Any] = {"options": self.options} if self.options is not None else {}
        if self.plan:
            run["plan"] = self.plan
        if self.shard is not None:
            run["shard"] = str(self.shard)
        return {
            "version": _VERSION, "source": self.source, "destination": self.destination, **run,
            "dryRun": self.dry_run, "exitCode": self.exit_code, "seconds": report.seconds, "bytes": report.moved,
            "copied": report.count("copied"), "present": report.count("present"), "deleted": report.count("deleted"),
            "failed": report.count("failed"),
            "sources": report.sources, "listingFailures": report.listing_failures,
            "images": list(map(_image_json, report.results)),
        }  # fmt: skip

    @classmethod
    def from_json(cls, document: dict[str, Any], where: str) -> RunReport:
        """Return the report of a JSON object; raises `InvalidContent`, ``where`` names the file."""
        version, images = document.get("version"), document.get("images")
        if type(version) is not int or not isinstance(images, list):
            raise InvalidContent(f"{where} is not a report of pyskopeo sync")
        if version != _VERSION:
            raise InvalidContent(
                f"{where}: a report of version {str(version)[:20]}, and this program reads version {_VERSION}: read it "
                "with the version of pyskopeo that wrote it"
            )
        fields = JsonFields(document, where, frozenset(document))  # later versions may add some
        options, shard = fields.value("options"), fields.text("shard", "")
        if options is not None and not isinstance(options, dict):
            raise InvalidContent(f"{where}: options: want a JSON object")
        results = tuple(_result(one, f"{where}: image {number}") for number, one in enumerate(images, 1))
        report = SyncReport(
            results, fields.count("sources", 0), fields.count("listingFailures", 0), fields.number("seconds")
        )
        return cls(
            fields.text("source"), fields.text("destination"), report, options, fields.text("plan", ""),
            _shard(shard, where), fields.flag("dryRun"), _exit_code(fields, 1 if report.failed else 0, where),
        )  # fmt: skip


def read_report(path: Path) -> RunReport:
    """Read the file of a report; raises `StorageFailed`, `InvalidContent` and `TooLarge`."""
    try:
        raw = read_bounded(path, REPORT_LIMIT)
    except NotFound as error:  # whose exit code is that of an image that is not there
        raise StorageFailed(f"reading the report {path}: no such file or directory") from error
    try:
        document = parse_object(raw, str(path), REPORT_LIMIT, values=_MOST_VALUES)
    except InvalidContent as error:
        if isinstance(error, TooLarge):
            raise
        raise InvalidContent(f"{error}: want a report of pyskopeo sync") from None
    return RunReport.from_json(document, str(path))


def _shard(text: str, where: str) -> Shard | None:
    try:
        return Shard.parse(text) if text else None
    except InvalidInput as error:
        raise InvalidContent(f"{where}: {error}") from None


def _exit_code(fields: JsonFields, default: int, where: str) -> int:
    code = fields.count("exitCode", default)
    if code > _MOST_EXIT_CODE:  # the rest would be cut off: 256 is 0
        raise InvalidContent(f"{where}: exitCode: want a number from 0 to {_MOST_EXIT_CODE}")
    return code


def merge_reports(named: Sequence[tuple[str, RunReport]]) -> RunReport:
    """Return one report of runs that belong together: shards of one plan, or runs of one source and destination.

    Its exit code is 0 if that of all is, that of those which failed if it is the same, else 1. Results come in the
    order of the reports, of an image that is in several the last one; times are those of the longest run. Raises
    `InvalidInput` for reports that do not belong together, and for a shard that is there twice.
    """
    first_name, first = named[0]
    shards: dict[int, str] = {}
    for name, one in named:
        for what, value, wanted in (
            ("another plan", one.plan, first.plan), ("another source", one.source, first.source),
            ("another destination", one.destination, first.destination), ("other options", one.options, first.options),
            ("another kind, dry run or not", one.dry_run, first.dry_run),
            ("another number of shards", one.shard and one.shard.count, first.shard and first.shard.count),
        ):  # fmt: skip
            if value != wanted:
                raise InvalidInput(f"{name} is of {what} than {first_name}: these reports do not belong together")
        if one.shard is not None and (other := shards.get(one.shard.number)) is not None:
            twice = f"{name} is given twice" if name == other else f"{name} and {other} are both of shard {one.shard}"
            raise InvalidInput(f"{twice}: want one report of each")
        if one.shard is not None:
            shards[one.shard.number] = name
    reports = [one.report for _, one in named]
    codes = {one.exit_code for _, one in named if one.exit_code}
    results = {result.image: result for report in reports for result in report.results}
    merged = SyncReport(
        tuple(results.values()), sum(report.sources for report in reports),
        sum(report.listing_failures for report in reports), max(report.seconds for report in reports),
    )  # fmt: skip
    code = codes.pop() if len(codes) == 1 else min(len(codes), 1)
    return RunReport(
        first.source, first.destination, merged, first.options, first.plan, None, first.dry_run, code
    )  # fmt: skip


def missing_shards(reports: Sequence[RunReport]) -> list[Shard]:
    """Return the shards that none of the reports is of."""
    there = {one.shard.number for one in reports if one.shard is not None}
    count = max((one.shard.count for one in reports if one.shard is not None), default=0)
    return [Shard(number, count) for number in range(1, count + 1) if number not in there]


def _image_json(result: ImageResult) -> dict[str, Any]:
    document: dict[str, Any] = {"source": result.image.source, "destination": result.image.destination}
    if result.source_digest is not None:
        document["sourceDigest"] = str(result.source_digest)
    return document | {
        "status": result.status,
        "digest": None if result.digest is None else str(result.digest),
        "bytes": result.moved,
        "seconds": result.seconds,
        "error": result.error or None,
    }


def _result(document: object, where: str) -> ImageResult:
    if not isinstance(document, dict):
        raise InvalidContent(f"{where}: want a JSON object")
    fields = JsonFields(document, where, frozenset(document))
    status = _STATUSES.get(fields.text("status"))
    if status is None:
        raise InvalidContent(f"{where}: status: want one of {', '.join(_STATUSES)}")
    return ImageResult(
        SyncImage(fields.text("source"), fields.text("destination")), status, fields.digest("digest"),
        fields.count("bytes", 0), fields.number("seconds"),
        "" if fields.value("error") is None else fields.text("error"), fields.digest("sourceDigest"),
    )  # fmt: skip
