"""What ``verify`` prints about signatures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..http.printable import to_printable

if TYPE_CHECKING:
    from ..signatures.report import CheckedManifest, CheckedRequirement, SignatureReport

_HEADER = ("RESULT", "IMAGE", "REQUIREMENT", "FORMAT", "SIGNER", "SIGNED AS")


def print_signatures(report: SignatureReport) -> None:
    """Print a table of the signatures that were found, and below it why some are not accepted."""
    rows = [_HEADER, *(row for manifest in report.manifests for row in _rows(manifest))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for manifest in report.manifests:
        for requirement in manifest.requirements:
            for reason in _reasons(requirement):
                print(f"{_image(manifest)}: {reason}")


def refusal(report: SignatureReport, *, hint: str = "") -> str:
    """Return why an image is not accepted, "" for one that is; with ``hint`` if a signature is for another name."""
    refused = [manifest for manifest in report.manifests if not manifest.accepted]
    if report.accepted:
        return ""
    of = f"{len(refused)} of {len(report.manifests)} manifests: " if len(report.manifests) > 1 else ""
    reason = to_printable(refused[0].reason, 1000) if refused else "nothing was checked"
    elsewhere = f"; {hint}" if hint and "Signature for identity" in reason else ""
    return f"{report.name}: signatures are not accepted: {of}{reason}{elsewhere}"


def _rows(manifest: CheckedManifest) -> Iterator[tuple[str, ...]]:
    for requirement in manifest.requirements:
        at = (_image(manifest), requirement.type)
        if not requirement.verdicts:
            yield (_result(accepted=requirement.accepted), *at, "-", "-", "-")
        for verdict in requirement.verdicts:
            cells = (verdict.format, verdict.signer, verdict.identity)
            yield (_result(accepted=verdict.accepted), *at, *(to_printable(cell) or "-" for cell in cells))


def _reasons(requirement: CheckedRequirement) -> Iterator[str]:
    if not requirement.verdicts and not requirement.accepted:
        yield to_printable(requirement.reason)
    for verdict in requirement.verdicts:
        if not verdict.accepted:
            where = f"{to_printable(verdict.where)}: " if verdict.where else ""
            yield f"{where}{to_printable(verdict.reason)}"


def _image(manifest: CheckedManifest) -> str:
    platform = "" if manifest.platform is None else f"{to_printable(manifest.platform)} "
    return f"{platform}{manifest.digest}"


def _result(*, accepted: bool) -> str:
    return "accepted" if accepted else "refused"
