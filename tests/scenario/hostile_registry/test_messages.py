"""No message, event or representation shows a secret, whatever a registry does."""

from __future__ import annotations

import base64
import json
import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pyskopeo.credentials.authfile import Credentials
from pyskopeo.errors import (
    AccessDenied,
    ConnectionFailed,
    ContentMismatch,
    InvalidContent,
    NetworkError,
    PyskopeoError,
    RegistryError,
    Stalled,
    TooLarge,
    UnsafeAddress,
)
from pyskopeo.http.retry import Retry
from pyskopeo.model.events import Event, to_json
from tests.scenario.hostile_registry.images import IMAGE, LARGE, OCI, ONE_LOOP
from tests.support import faults as f
from tests.support.access import access_for
from tests.support.exchange import Request, Response
from tests.support.pulling import Pull
from tests.support.simulator import BasicGate, BearerGate, Simulator
from tests.support.token_server import TokenRules, TokenServer

pytestmark = pytest.mark.anyio

SECRETS = ("hunter2", "SIGNATURE")


class Speech:
    """Everything that anybody could read of a pull: errors, their chains, logs, events, representations."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self.parts: list[str] = []
        self.caplog = caplog
        caplog.set_level(logging.DEBUG)

    def error(self, error: BaseException) -> None:
        chain: BaseException | None = error
        while chain is not None:
            self.parts += [str(chain), repr(chain), repr(getattr(chain, "__dict__", {}))]
            chain = chain.__cause__ or chain.__context__
        self.parts += traceback.format_exception(error)

    def event(self, event: Event) -> None:
        self.parts += [repr(event), json.dumps(to_json(event))]

    def check(self, *secrets: str) -> None:
        text = "\n".join((*self.parts, self.caplog.text))
        assert text
        for secret in (*SECRETS, *secrets):
            assert secret not in text, text[max(0, text.index(secret) - 300) : text.index(secret) + 100]


class Echo:
    """Refuses, and repeats what it was sent."""

    def __init__(self, status: int) -> None:
        self.status = status

    def apply(self, request: Request, response: Response) -> Response:
        said = f"you sent {request.header('Authorization')}"
        body = json.dumps({"errors": [{"code": "DENIED", "message": said}]}).encode()
        return f.Refuse(self.status, body=body).apply(request, response)


def spoken(request: Request) -> str:
    """The password, or else the token, that came with a request; "" without one."""
    kind, _, value = (request.header("Authorization") or "").partition(" ")
    if kind == "Basic":
        return base64.b64decode(value).decode().partition(":")[2]
    return value


@dataclass(frozen=True)
class Say:
    """Repeats a secret, written as ``write`` does, in headers and body; ``{}`` is where."""

    write: Callable[[str], str]
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None
    status: int | None = None

    def apply(self, request: Request, response: Response) -> Response:
        said = self.write(spoken(request))
        for name, value in self.headers:
            response = response.with_header(name, value.replace("{}", said))
        if self.body is not None:
            response = replace(response, body=self.body.replace("{}", said).encode())
        return replace(response, status=self.status or response.status)


class Repeat:
    """Warns with what it was sent."""

    def apply(self, request: Request, response: Response) -> Response:
        return response.with_header("Warning", f'299 - "you sent {request.header("Authorization")}"')


WRITTEN: dict[str, Callable[[str], str]] = {
    "plain": str,
    "percent": lambda secret: "".join(f"%{byte:02x}" for byte in secret.encode()),
    "base64": lambda secret: base64.b64encode(f"user:{secret}".encode()).decode(),
    "within base64": lambda secret: base64.urlsafe_b64encode(f'{{"pw":"{secret}"}}'.encode()).decode().rstrip("="),
    "hexadecimal": lambda secret: secret.encode().hex(),
    "JSON": lambda secret: "".join(f"\\u{ord(character):04x}" for character in secret),
}
# Where it is repeated; what of the registry's answers, headers, body, status.
PLACES: dict[str, tuple[str, tuple[tuple[str, str], ...], str | None, int | None]] = {
    "digest": ("manifest", (("Docker-Content-Digest", "sha256:{}"),), None, None),
    "algorithm": ("manifest", (("Docker-Content-Digest", "{}:abc"),), None, None),
    "content type": ("manifest", (("Content-Type", "application/{}"),), None, None),
    "encoding": ("manifest", (("Content-Encoding", "{}"),), None, None),
    "document": ("manifest", (), '{"schemaVersion":2,"mediaType":"{}","layers":[]}', None),
    "not a document": ("manifest", (), "{}", None),
    "no error format": ("manifest", (), "<h1>{}</h1>", 404),
    "error code": ("manifest", (), '{"errors":[{"code":"{}","message":"{}","detail":"{}"}]}', 400),
    "reason of a challenge": (
        "manifest", (("WWW-Authenticate", 'Bearer error="invalid_token",error_description="{}"'),), "", 403,
    ),
    "redirect's path": ("blob", (("Location", "/storage/{}"),), "", 307),
    "redirect's query": ("blob", (("Location", "/storage/x?digest={}&n={}"),), "", 307),
    "redirect's host": ("blob", (("Location", "http://{}.invalid/"),), "", 307),
    "redirect's scheme": ("blob", (("Location", "gopher://localhost/{}"),), "", 307),
    "redirect to nonsense": ("blob", (("Location", "http://localhost:{}/"),), "", 307),
    "blob's encoding": ("blob", (("Content-Encoding", "{}"),), None, None),
    "blob's range": ("blob", (("Content-Range", "bytes {}"),), None, 206),
    "warning": ("blob", (("Warning", '299 - "{}"'),), None, None),
}


@ONE_LOOP
@pytest.mark.parametrize("gate", ["basic", "bearer"])
@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("place", PLACES)
async def test_a_secret_is_not_said_however_a_registry_repeats_it(
    place: str, written: str, gate: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    what, headers, content, status = PLACES[place]
    said: list[str] = []

    def write(secret: str) -> str:
        said.append(WRITTEN[written](secret))
        return said[-1]

    speech = Speech(caplog)
    with TokenServer(tmp_path / "tokens", TokenRules(users={"user": "hunter2-password"})) as tokens:
        with Simulator(IMAGE) as registry:
            registry.gate = (
                BasicGate({"user": "hunter2-password"}) if gate == "basic" else BearerGate(tokens.realm, tokens.accepts)
            )
            fault = Say(write, headers, content, status)
            if what == "manifest":
                registry.on_manifest("latest", f.Only(fault))
            else:
                registry.on_blob(LARGE, f.Only(fault))
            access = replace(
                access_for(
                    tmp_path, credentials=Credentials("user", "hunter2-password"), stall_timeout=2.0,
                    retry=Retry(times=1, delay=0.01),
                ),
                report=speech.event,
            )  # fmt: skip
            running = Pull(registry, IMAGE, tmp_path / "layout", access)
            try:
                await running.run()
            except PyskopeoError as error:
                speech.error(error)
            for event in running.events:
                speech.event(event)
    assert said
    speech.check(*said)


SIGNED = "{url}/storage/{name}?X-Signature=SIGNATURE"


def signed(*faults: f.Fault) -> Callable[[Simulator, Simulator], None]:
    """Blobs are elsewhere, by a URL that is a secret itself, and there these faults happen."""

    def set_up(registry: Simulator, elsewhere: Simulator) -> None:
        registry.on_blob(LARGE, f.Redirect(SIGNED.replace("{url}", elsewhere.url)))
        elsewhere.on("/storage/*", *faults)

    return set_up


def blob(*faults: f.Fault) -> Callable[[Simulator, Simulator], None]:
    return lambda registry, elsewhere: registry.on_blob(LARGE, *faults)


def manifest(*faults: f.Fault) -> Callable[[Simulator, Simulator], None]:
    return lambda registry, elsewhere: registry.on_manifest("latest", *faults)


def moved(location: str) -> Callable[[Simulator, Simulator], None]:
    return blob(f.Redirect(location))


SCENES: dict[str, tuple[Callable[[Simulator, Simulator], None], type[PyskopeoError] | None]] = {
    "nothing": (blob(), None),
    "warning": (blob(f.Only(Repeat())), None),
    "dropped": (blob(f.Drop()), ConnectionFailed),
    "cut": (blob(f.Cut(10)), ConnectionFailed),
    "stalled": (blob(f.Stall(10)), Stalled),
    "refused": (blob(f.Only(Echo(403))), AccessDenied),
    "refused for now": (blob(f.Only(Echo(503))), RegistryError),
    "no manifest": (manifest(f.Only(Echo(404))), RegistryError),
    "never enough": (manifest(f.Challenge(('Basic realm="x"',))), AccessDenied),
    "other bytes": (blob(f.Flip(3)), ContentMismatch),
    "size": (blob(f.Short()), ContentMismatch),
    "encoded": (blob(f.Gzipped()), InvalidContent),
    "ambiguous": (manifest(f.SetHeaders({"Content-Type": f"{OCI}.index.v1+json"})), InvalidContent),
    "too large": (manifest(f.Endless()), TooLarge),
    "nonsense": (moved("http://user:hunter2@a b/?X-Signature=SIGNATURE"), UnsafeAddress),
    "userinfo": (moved("http://user:hunter2@localhost/?s=SIGNATURE"), UnsafeAddress),
    "not http": (moved("ftp://localhost/?s=SIGNATURE"), UnsafeAddress),
    "not a URL": (moved("http://999.1.1.1/?s=SIGNATURE"), InvalidContent),
    "no host": (moved("http://[::1?s=SIGNATURE"), UnsafeAddress),
    "circle": (moved("?s=SIGNATURE"), InvalidContent),
    "signed": (signed(), None),
    "signed, refused": (signed(f.Refuse(403, body=b"denied")), AccessDenied),
    "signed, missing": (signed(f.Refuse(404, body=b"")), RegistryError),
    "signed, dropped": (signed(f.Drop()), ConnectionFailed),
    "signed, cut": (signed(f.Cut(50)), ConnectionFailed),
    "signed, stalled": (signed(f.Stall(50)), Stalled),
    "signed, in trouble": (signed(f.Refuse(500)), RegistryError),
    "signed, and on": (signed(f.Redirect("gopher://x/?X-Signature=SIGNATURE")), UnsafeAddress),
    "signed, other bytes": (signed(f.Flip(50)), ContentMismatch),
}


@ONE_LOOP
@pytest.mark.parametrize("gate", ["basic", "bearer", "identity", "given"])
@pytest.mark.parametrize("scene", SCENES)
async def test_no_secret_is_ever_said(
    scene: str, gate: str, elsewhere: Simulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """GHSA-5jhf-2qmf-m8c5."""
    set_up, expected = SCENES[scene]
    speech = Speech(caplog)
    rules = TokenRules(users={"user": "hunter2-password"}, refresh_tokens={"hunter2-identity": "user"})
    with TokenServer(tmp_path / "tokens", rules) as tokens, Simulator(IMAGE) as registry:
        given = tokens.token_for("repository:test/image:pull") if gate == "given" else ""
        registry.gate = (
            BasicGate({"user": "hunter2-password"}) if gate == "basic" else BearerGate(tokens.realm, tokens.accepts)
        )
        set_up(registry, elsewhere)
        who = Credentials(identity_token="hunter2-identity") if gate == "identity" else None
        access = replace(
            access_for(
                tmp_path,
                credentials=None if given else who or Credentials("user", "hunter2-password"),
                registry_token=given,
                stall_timeout=0.2,
                response_timeout=20.0,
                retry=Retry(times=1, delay=0.01),
            ),
            report=speech.event,
        )
        running = Pull(registry, IMAGE, tmp_path / "layout", access)
        if expected is None:
            await running.run()
        else:
            with pytest.raises(expected) as caught:
                await running.run()
            speech.error(caught.value)
        for event in running.events:
            speech.event(event)
        speech.parts += [repr(access), str(access), repr(access.keychain)]
        sent = {value.partition(" ")[2] for value in registry.secrets_seen}
        assert sent or gate == "identity"  # which is of no use to a registry that wants a password
        speech.check(*sent)


@ONE_LOOP
@pytest.mark.parametrize(
    "fault", [f.Refuse(401), f.Body(b"{}"), f.Drop(), f.Padded(200_000), f.Redirect("/?s=SIGNATURE"), Echo(400)]
)
async def test_no_secret_is_said_of_token_servers(
    fault: f.Fault, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    speech = Speech(caplog)
    with TokenServer(tmp_path / "tokens", TokenRules(users={"user": "hunter2-password"})) as tokens:
        tokens.faults += [fault] * 20
        with Simulator(IMAGE, gate=BearerGate(tokens.realm, tokens.accepts)) as registry:
            access = access_for(
                tmp_path, credentials=Credentials("user", "hunter2-password"), retry=Retry(times=1, delay=0.01)
            )
            running = Pull(registry, IMAGE, tmp_path / "layout", access)
            with pytest.raises((NetworkError, InvalidContent)) as caught:
                await running.run()
            speech.error(caught.value)
            for event in running.events:
                speech.event(event)
        speech.check(*(value.partition(" ")[2] for value in tokens.secrets_seen))
