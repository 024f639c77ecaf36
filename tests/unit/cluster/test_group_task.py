"""What goes to a worker: no secrets, no paths, and the same after the way through JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pyskopeo.access import Access, Ranges
from pyskopeo.cluster.group_task import GroupTask
from pyskopeo.cluster.settings import SideSettings, WorkerSettings
from pyskopeo.credentials.authfile import Credentials
from pyskopeo.engine.selection import Selection
from pyskopeo.errors import InvalidContent
from pyskopeo.http.retry import Retry
from pyskopeo.model.choice import Choice
from pyskopeo.model.digest import Digest
from pyskopeo.model.events import ignore
from pyskopeo.syncing.plan_file import PlanHeader, PlannedImage
from pyskopeo.syncing.plan_options import PlanOptions
from pyskopeo.syncing.record import Entry

DIGEST = Digest.parse("sha256:" + "a" * 64)
SETTINGS = WorkerSettings(
    SideSettings(True, False), SideSettings(None, True), Retry(2, 1.5, fixed=True, max_retry_after=9.0), 10.0, 20.0,
    replace(Ranges(), parts=3, size=1024), resume=False, require_signed=True,
)  # fmt: skip
TASK = GroupTask(
    "run", 3, PlanHeader("docker://a", "docker://b", PlanOptions(Selection(Choice(), "all"))),
    {7: PlannedImage("docker://a/x:1", "docker://b/x:1", DIGEST, 5, 6, "base", whole=True)},
    SETTINGS, 4, keep_going=True, claims=True, credentials=True, waits=True,
    records={"b/x:1": Entry("docker://a/x:1", DIGEST, DIGEST, "all")},
)  # fmt: skip


@pytest.mark.parametrize("task", [TASK, replace(TASK, settings=WorkerSettings(), records={}, keep_going=False)])
def test_there_and_back(task: GroupTask) -> None:
    assert GroupTask.parse(task.to_text()) == task


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"new": 1}, "unknown field 'new'"),
        ({"images": []}, "want JSON objects"),
        ({"images": {"1": {"source": 1}}}, "source: want a string"),
        ({"settings": None}, "want a JSON object"),
        ({"settings": {"source": 5}}, "want a JSON object"),
        ({"jobs": "x"}, "jobs: want a whole number"),
        ({"header": {"pyskopeoPlan": 99}}, "version 99"),
    ],
)
def test_what_is_no_task(change: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidContent) as refused:
        GroupTask.parse(json.dumps(json.loads(TASK.to_text()) | change))
    assert said in str(refused.value)


def test_settings_of_accesses() -> None:
    secret = Credentials("me", "secret")
    access = Access.from_environ({}, registries_conf=Path("/own/registries.conf"))
    access = replace(
        access, keychain=replace(access.keychain, credentials=secret, anonymous=True),
        network=replace(access.network, retry=SETTINGS.retry),
    )  # fmt: skip
    found = WorkerSettings.of(access, replace(access, trust=replace(access.trust, insecure=True)))
    assert (found.source, found.destination) == (SideSettings(None, True), SideSettings(True, True))
    text = json.dumps(found.to_json())
    assert "secret" not in text
    assert "/own" not in text
    source, destination = found.accesses(ignore)
    assert (source.trust.insecure, destination.trust.insecure) == (None, True)
    assert source.keychain.anonymous
    assert source.keychain.credentials is None
    assert destination.network.retry == SETTINGS.retry
