"""What a task is given: a group of images, and how to copy them, as JSON text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from ..errors import InvalidContent
from ..fast_dataclass import dataclass
from ..model.json_fields import JsonFields
from ..model.strict_json import parse_object
from ..syncing.plan_file import PlanHeader, PlannedImage
from ..syncing.record import Entry
from .settings import WorkerSettings

_LIMIT = 16 * 1024 * 1024
_WHERE = "the task"
_FIELDS = frozenset({
    "run", "group", "header", "images", "records", "settings", "jobs", "keepGoing", "claims", "credentials", "waits",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class GroupTask:
    """One task: ``images`` by their positions in the plan, and ``records`` of earlier copies by `PresenceCheck.key`.

    ``run`` is the name of the run, ``group`` the number of this group in it. ``jobs`` and ``keep_going`` are those of
    `SyncRequest`, ``waits`` is whether its ``on_rate_limit`` is ``wait``. With ``claims`` a blob is asked for before it
    is moved, with ``credentials`` those of the run are asked for before anything else.
    """

    run: str
    group: int
    header: PlanHeader
    images: Mapping[int, PlannedImage]
    settings: WorkerSettings
    jobs: int
    keep_going: bool = False
    claims: bool = False
    credentials: bool = False
    waits: bool = False
    records: Mapping[str, Entry] = field(default_factory=dict)

    def to_text(self) -> str:
        """Return the JSON text; raises `Unsupported` for options that a plan cannot hold."""
        document: dict[str, Any] = {
            "run": self.run,
            "group": self.group,
            "header": self.header.to_json(),
            "images": {str(position): image.to_json() for position, image in self.images.items()},
            "records": {key: entry.to_json() for key, entry in self.records.items()},
            "settings": self.settings.to_json(),
            "jobs": self.jobs,
            "keepGoing": self.keep_going,
            "claims": self.claims,
            "credentials": self.credentials,
            "waits": self.waits,
        }
        return json.dumps(document, separators=(",", ":"))

    @classmethod
    def parse(cls, text: str) -> GroupTask:
        """Return the task of a JSON text; raises `InvalidContent`."""
        document = parse_object(text.encode(), _WHERE, _LIMIT)
        fields = JsonFields(document, _WHERE, _FIELDS)
        header, images, records = (fields.value(name) for name in ("header", "images", "records"))
        if not isinstance(header, dict) or not isinstance(images, dict) or not isinstance(records, dict):
            raise InvalidContent(f"{_WHERE}: want JSON objects")
        entries = {key: Entry.from_json(value) for key, value in records.items()}
        return cls(
            fields.text("run"), fields.count("group"), PlanHeader.from_json(header, f"{_WHERE}: header"),
            {int(position): PlannedImage.from_json(image, f"{_WHERE}: image") for position, image in images.items()},
            WorkerSettings.from_json(fields.value("settings"), f"{_WHERE}: settings"),
            fields.count("jobs"), fields.flag("keepGoing"), fields.flag("claims"), fields.flag("credentials"),
            fields.flag("waits"),
            {key: entry for key, entry in entries.items() if entry is not None},
        )  # fmt: skip
