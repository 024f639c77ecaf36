"""Targets for the files of plans and reports."""

from __future__ import annotations

import io
import json

from pyskopeo.errors import InvalidContent, InvalidInput
from pyskopeo.model.strict_json import parse_object
from pyskopeo.syncing.places import is_below
from pyskopeo.syncing.plan_file import PlanReader, PlanWriter
from pyskopeo.syncing.report_file import RunReport


def read_plan(data: bytes) -> None:
    """A plan that is read is written as one with the same images, all of them below its destination; raises a refusal."""
    reader = PlanReader(io.BytesIO(data), "plan")
    images = list(reader)
    assert len(images) == reader.images
    assert all(is_below(image.destination, reader.header.destination) for image in images)
    file = io.BytesIO()
    writer = PlanWriter(reader.header, file.write)
    for image in images:
        writer.add(image)
    writer.finish()
    file.seek(0)
    assert list(PlanReader(file, "plan")) == images


def read_report(data: bytes) -> None:
    """A report that is read is written and read as the same one; raises a refusal."""
    found = RunReport.from_json(parse_object(data, "report"), "report")
    try:
        again = RunReport.from_json(json.loads(json.dumps(found.to_json())), "report")
    except (InvalidContent, InvalidInput) as error:
        raise AssertionError(f"what was written is refused: {error}") from error
    assert again.report.results == found.report.results
