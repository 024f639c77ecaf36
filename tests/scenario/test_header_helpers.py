"""The headers of credential helpers in Bazel's protocol: sent to the host asked about, and nowhere else."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import pyskopeo
from pyskopeo.access import Access
from pyskopeo.credentials.bazel_helper import HeaderHelper
from pyskopeo.errors import AccessDenied
from tests.support.access import access_for
from tests.support.exchange import Request
from tests.support.faults import Redirect, Refuse
from tests.support.gates import BearerGate
from tests.support.helper_programs import HelperPrograms
from tests.support.images import build
from tests.support.pulling import AMD64, Pull
from tests.support.simulator import Simulator

pytestmark = pytest.mark.anyio

IMAGE = build("oci")


class TokenGate(BearerGate):
    """Takes the tokens it is told of; nobody gives any."""

    def __init__(self, *tokens: str) -> None:
        super().__init__("http://127.0.0.1:1/token", lambda token, scope: token in self.taken)
        object.__setattr__(self, "taken", set(tokens))

    taken: set[str]


def access(root: Path, helpers: HelperPrograms, pattern: str = "127.0.0.1=") -> Access:
    base = access_for(root)
    keychain = replace(
        base.keychain,
        environ=helpers.environ,
        anonymous=False,
        header_helpers=(HeaderHelper.parse(f"{pattern}helper"),),
        helpers=tuple,
    )
    return replace(base, keychain=keychain)


def says(helpers: HelperPrograms, *answers: dict[str, object]) -> None:
    for number, answer in enumerate(answers, 1):
        (helpers.folder / f"answer{number}").write_text(json.dumps(answer))
    helpers.shell(
        "helper",
        "cat >> $OUT/asked; echo >> $OUT/asked; runs=$(wc -l < $OUT/asked); "
        f"[ $runs -gt {len(answers)} ] && runs={len(answers)}; cat $OUT/answer$runs",
    )


def bearer(token: str, **more: object) -> dict[str, object]:
    return {"headers": {"Authorization": [f"Bearer {token}"], "x-extra": ["hunter2-extra"]}, **more}


def asked(helpers: HelperPrograms) -> list[str]:
    return [json.loads(line)["uri"] for line in helpers.said("asked").splitlines()]


@pytest.fixture
def helpers(tmp_path: Path) -> HelperPrograms:
    return HelperPrograms(tmp_path / "helpers")


def extras(requests: tuple[Request, ...]) -> set[str | None]:
    return {request.header("X-Extra") for request in requests}


async def test_a_token_goes_along_from_the_first_request(helpers: HelperPrograms, tmp_path: Path) -> None:
    says(helpers, bearer("hunter2"))
    with Simulator(IMAGE, gate=TokenGate("hunter2")) as registry:
        pull = Pull(registry, IMAGE, tmp_path / "layout", access(tmp_path, helpers))
        await pull.run()
        # The first one asks whether there is https.
        seen = [request for request in registry.requests if request.path != "/v2/"]
        assert {request.header("Authorization") for request in seen} == {"Bearer hunter2"}
        assert extras(tuple(seen)) == {"hunter2-extra"}
    assert asked(helpers) == [f"http://{registry.host}/v2/test/image/manifests/latest"]


async def test_a_redirect_to_another_origin_gets_none_of_it(helpers: HelperPrograms, tmp_path: Path) -> None:
    """GHSA-whvf-jp7m-59f3; even one that the same helper would be asked about."""
    says(helpers, bearer("hunter2"))
    with Simulator(IMAGE, gate=TokenGate("hunter2")) as registry, Simulator(IMAGE) as storage:
        for digest in IMAGE.blobs:
            registry.on_blob(digest, Redirect(f"{storage.url}/storage/{digest}"))
        await Pull(registry, IMAGE, tmp_path / "layout", access(tmp_path, helpers)).run()
        assert len(storage.requests) == len(IMAGE.blobs)
        assert storage.secrets_seen == []
        assert extras(storage.requests) == {None}
    assert len(asked(helpers)) == 1


async def test_a_helper_for_another_host_is_not_asked(helpers: HelperPrograms, tmp_path: Path) -> None:
    says(helpers, bearer("hunter2"))
    with Simulator(IMAGE) as registry:
        await Pull(registry, IMAGE, tmp_path / "layout", access(tmp_path, helpers, "*.example.com=")).run()
        assert registry.secrets_seen == []
        assert extras(registry.requests) == {None}
    assert asked(helpers) == []


async def test_a_token_that_is_refused_is_asked_for_again(helpers: HelperPrograms, tmp_path: Path) -> None:
    says(helpers, bearer("old"), bearer("new"))
    with Simulator(IMAGE, gate=TokenGate("new")) as registry:
        await Pull(registry, IMAGE, tmp_path / "layout", access(tmp_path, helpers)).run()
        assert registry.secrets_seen.count("Bearer old") == 1
    assert len(asked(helpers)) == 2


async def test_a_token_that_expires_meanwhile(helpers: HelperPrograms, tmp_path: Path) -> None:
    gone = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    says(helpers, bearer("one", expires=gone), bearer("two"))
    with Simulator(IMAGE, gate=TokenGate("one", "two")) as registry:
        await Pull(registry, IMAGE, tmp_path / "layout", access(tmp_path, helpers)).run()
        assert set(registry.secrets_seen) == {"Bearer one", "Bearer two"}
    assert len(asked(helpers)) == 2


async def test_a_token_that_stays_refused(helpers: HelperPrograms, tmp_path: Path) -> None:
    says(helpers, bearer("hunter2"))
    with Simulator(IMAGE, gate=TokenGate("other")) as registry:
        with pytest.raises(AccessDenied, match="401, tried what the credential helper gave") as caught:
            await Pull(registry, IMAGE, tmp_path / "layout", access(tmp_path, helpers)).run()
        assert "hunter2" not in str(caught.value)
        assert len(registry.secrets_seen) == 1
    assert len(asked(helpers)) == 2


async def test_a_registry_that_repeats_what_it_was_sent(helpers: HelperPrograms, tmp_path: Path) -> None:
    says(helpers, bearer("hunter2"))
    body = b'{"errors":[{"code":"DENIED","message":"no: Bearer hunter2, hunter2, hunter2-extra"}]}'
    with Simulator(IMAGE) as registry:
        registry.on_manifest("latest", Refuse(403, body=body))
        with pytest.raises(AccessDenied, match=r"no: \*\*\*, \*\*\*, \*\*\*") as caught:
            await Pull(registry, IMAGE, tmp_path / "layout", access(tmp_path, helpers)).run()
        assert "hunter2" not in str(caught.value)


async def test_a_password_is_exchanged_where_tokens_are_wanted(helpers: HelperPrograms, tmp_path: Path) -> None:
    from tests.support.token_server import TokenServer

    basic = "Basic " + base64.b64encode(b"user:pass").decode()
    says(helpers, {"headers": {"Authorization": [basic]}})
    with TokenServer(tmp_path / "t") as tokens, Simulator(IMAGE, gate=BearerGate(tokens.realm, tokens.accepts)) as registry:
        await Pull(registry, IMAGE, tmp_path / "layout", access(tmp_path, helpers)).run()
        assert {value.partition(" ")[0] for value in registry.secrets_seen} == {"Bearer"}
        assert tokens.secrets_seen == [basic]
    assert len(asked(helpers)) == 1


async def test_a_push_as_a_helper_says(helpers: HelperPrograms, tmp_path: Path) -> None:
    says(helpers, bearer("hunter2"))
    with Simulator(IMAGE) as source, Simulator(gate=TokenGate("hunter2")) as registry:
        await pyskopeo.copy(
            source.name(),
            registry.name("pushed/image"),
            selection=AMD64,
            source_access=access_for(tmp_path),
            destination_access=access(tmp_path, helpers),
        )
        assert set(IMAGE.blobs) <= set(registry.blobs("pushed/image"))
        assert set(registry.secrets_seen) == {"Bearer hunter2"}
        assert source.secrets_seen == []
