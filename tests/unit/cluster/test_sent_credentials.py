"""Credentials that are sent: those for the registries of a plan, in a wrapper that shows nothing."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from pyskopeo.access import Access
from pyskopeo.cluster.hidden_text import HiddenText
from pyskopeo.cluster.sent_credentials import SentCredentials, SideCredentials, collect_credentials
from pyskopeo.cluster.worker import forget_credentials, receive_credentials
from pyskopeo.credentials.authfile import Credentials
from pyskopeo.syncing.plan_file import PlannedImage

_ONE, _TWO, _OTHER = (Credentials(name, f"secret-{name}") for name in ("one", "two", "other"))
pytestmark = pytest.mark.anyio


def _access(**by_name: Credentials) -> Access:
    access = Access.from_environ({})
    names = {name.replace("__", "/").replace("_", "."): found for name, found in by_name.items()}
    return replace(access, keychain=replace(access.keychain, by_name=names))


async def test_only_those_of_the_plan() -> None:
    images = [
        PlannedImage("docker://a.example/x/y:1", "docker://b.example/p/q:1"),
        PlannedImage("docker://a.example/x/z:1", "docker://b.example/p/r:1"),
        PlannedImage("docker://nginx:1", "docker://b.example/r:1"),
    ]
    found = await collect_credentials(
        images,
        _access(a_example=_ONE, docker_io__library__nginx=_TWO, c_example=_OTHER),
        _access(b_example__p__q=_ONE, b_example=_TWO),
    )
    assert found.source.by_name == {"a.example": _ONE, "docker.io": _TWO}
    assert found.destination.by_name == {"b.example/p/q": _ONE, "b.example/p/r": _TWO, "b.example/r": _TWO}
    assert SentCredentials.parse(found.to_text()) == found
    assert "secret" not in repr(found)


def test_a_worker_keeps_and_forgets_them() -> None:
    from pyskopeo.cluster import worker

    sent = SentCredentials(SideCredentials({"a": _ONE}), SideCredentials({}, "token"))
    assert receive_credentials("run", HiddenText(sent.to_text()))
    assert worker._credentials["run"] == sent
    forget_credentials("run")
    assert "run" not in worker._credentials
    for wrong in (HiddenText("nothing"), HiddenText("{}"), HiddenText("[" * 100_000), None):
        assert not receive_credentials("run", wrong)  # type: ignore[arg-type]  # what must not raise, since Dask logs that
    for number in range(40):
        receive_credentials(str(number), HiddenText(sent.to_text()))
    assert len(worker._credentials) <= 16
    for number in range(40):
        forget_credentials(str(number))


def test_hidden_text() -> None:
    hidden = HiddenText("secret")
    assert "secret" not in f"{hidden!r} {hidden}"
    assert pickle.loads(pickle.dumps(hidden)).reveal() == "secret"
