"""How a user signs in for a certificate: on another device, in a browser, or with a code."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.cli import Done, fatal, pyskopeo_here, succeed
from tests.support.commands import PYSKOPEO, environment, pyskopeo, started
from tests.support.exchange import Response
from tests.support.keyless import CERTIFY, JSON, signed, signer, words, write_parameters
from tests.support.sigstore_authority import EMAIL
from tests.support.sigstore_services import CLIENT, SigstoreServices

pytestmark = pytest.mark.usefixtures("no_machine_policy")


def device(folder: Path, services: SigstoreServices, **more: str) -> Path:
    return write_parameters(folder, services, oidcMode="deviceGrant", oidcIssuerURL=services.url, oidcClientID=CLIENT, **more)


def test_another_device(services: SigstoreServices, source: Path, tmp_path: Path) -> None:
    services.rules.pending = 2
    done = succeed(pyskopeo_here(*words(device(tmp_path, services), source)))
    assert signer(signed(tmp_path)) == [EMAIL]
    assert [line for line in done.lines if "level=" not in line] == [
        f"Enter the verification code ABCD-EFGH in your browser at: {services.url}/enter?user_code=ABCD-EFGH",
        "Code will be valid for 300 seconds",
        "Token received!",
    ]
    assert services.log.count("POST /token") == 3


def test_an_interrupt_while_the_user_is_waited_for(services: SigstoreServices, source: Path, tmp_path: Path) -> None:
    services.rules.pending, services.rules.interval = 10**6, 30
    with started(*words(device(tmp_path, services), source)) as process:
        assert process.stderr is not None
        while b"Code will be valid" not in (line := process.stderr.readline()):
            assert line
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
    assert not (tmp_path / "signed").exists()


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"device_error": "access_denied"}, "error obtaining token: access_denied"),
        ({"device_error": "expired_token"}, "error obtaining token: expired_token"),
        ({"device_error": "server_error"}, "unexpected error in device flow: server_error"),
        ({"methods": ("plain",)}, "OIDC issuer {}: PKCE is not supported by OIDC provider"),
        ({"claims": {"aud": "other"}}, "OIDC issuer {}: expected audience 'sigstore' not in the token"),
        ({"claims": {"iss": "https://other"}}, "OIDC issuer {}: the token was issued by another one"),
        ({"claims": {"exp": 1}}, "OIDC issuer {}: the token has expired"),
        ({"claims": {"email_verified": False}}, "OIDC issuer {}: parsing OIDC token: its e-mail address is not verified by identity provider"),
    ],
)  # fmt: skip
def test_no_token_for_a_device(rules: dict[str, object], message: str, services: SigstoreServices, source: Path, tmp_path: Path) -> None:
    for name, value in rules.items():
        setattr(services.rules, name, value)
    assert fatal(pyskopeo_here(*words(device(tmp_path, services), source))) == message.format(services.url)
    assert f"POST {CERTIFY}" not in services.log
    assert not (tmp_path / "signed").exists()


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"<html>", "its configuration is not valid JSON: it begins with <, as HTML and XML do"),
        (b'{"issuer": "https://other"}', "issuer did not match the issuer returned by provider, expected '{}' got 'https://other'"),
    ],
)
def test_what_is_no_issuer(document: bytes, reason: str, services: SigstoreServices, source: Path, tmp_path: Path) -> None:
    services.faults["/.well-known/openid-configuration"] = [Response(200, JSON, document)]
    message = fatal(pyskopeo_here(*words(device(tmp_path, services), source)))
    assert message == f"OIDC issuer {services.url}: {reason.format(services.url)}"


CONFIGURATION = "/.well-known/openid-configuration"


def configured(services: SigstoreServices, **changes: object) -> Response:
    """The configuration of the issuer with something else in it."""
    endpoints = {f"{name}_endpoint": f"{services.url}/{path}" for name, path in (("token", "token"), ("device_authorization", "device"))}
    document = {"issuer": services.url, **endpoints, "code_challenge_methods_supported": ["S256"], **changes}
    return Response(200, JSON, json.dumps(document).encode())


ISSUER_FAULTS: dict[str, tuple[str, Callable[[SigstoreServices], Response], str]] = {
    "no configuration": (CONFIGURATION, lambda _: Response(404, (), b"nothing"), "OIDC issuer {}: status 404: nothing"),
    "no endpoint": (
        CONFIGURATION, lambda services: configured(services, device_authorization_endpoint=None),
        "OIDC issuer {}: device_authorization endpoint not returned by provider",
    ),
    "an endpoint that is none": (
        CONFIGURATION, lambda services: configured(services, device_authorization_endpoint="file:///etc/passwd"),
        "OIDC issuer {}: its device_authorization endpoint: OIDC issuer: not an http or https URL: 'file:///etc/passwd'",
    ),
    "a refusal": ("/device", lambda _: Response(401, JSON, b'{"error": "invalid_client"}'), 'OIDC issuer {}: status 401: {{"error": "invalid_client"}}'),
    "no code": ("/device", lambda _: Response(200, JSON, b"{}"), "OIDC issuer {}: the answer has no device_code"),
    "an error of the server": ("/token", lambda _: Response(404, (), b"gone"), "OIDC issuer {}: status 404: gone"),
    "no token at all": ("/token", lambda _: Response(200, JSON, b'{"id_token": 5}'), "OIDC issuer {}: id_token not present"),
    "no token": ("/token", lambda _: Response(200, JSON, b'{"id_token": "x"}'), "OIDC issuer {}: parsing OIDC token: compact JWS format must have three parts of base64url"),
    "no payload": ("/token", lambda _: Response(200, JSON, b'{"id_token": "a.a.a"}'), "OIDC issuer {}: parsing OIDC token: its payload is no JSON object in base64url"),
    "nothing in time": ("/device", lambda _: Response(200, JSON, b'{"device_code": "x", "expires_in": 0}'), "error obtaining token: nobody entered the code in time"),
}  # fmt: skip


@pytest.mark.parametrize("fault", ISSUER_FAULTS)
def test_what_an_issuer_may_do_wrong(fault: str, services: SigstoreServices, source: Path, tmp_path: Path) -> None:
    path, answer, message = ISSUER_FAULTS[fault]
    services.faults[path] = [answer(services)]
    assert fatal(pyskopeo_here(*words(device(tmp_path, services), source))) == message.format(services.url)
    assert f"POST {CERTIFY}" not in services.log


def test_an_issuer_that_asks_to_slow_down(services: SigstoreServices, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyskopeo.signing.device_grant._SLOWER", 0.01)
    services.rules.pending = 0
    services.faults["/token"] = [Response(400, JSON, b'{"error": "slow_down"}')] * 2
    succeed(pyskopeo_here(*words(device(tmp_path, services), source)))
    assert services.log.count("POST /token") == 3


def browser(folder: Path, services: SigstoreServices, **more: str) -> Path:
    return write_parameters(folder, services, oidcMode="interactive", oidcIssuerURL=services.url, oidcClientID=CLIENT, **more)


def follows(folder: Path) -> str:
    """A browser without a window, whose user agrees to everything."""
    path = folder / "browser"
    path.write_text(f"#!{sys.executable}\nimport sys, urllib.request\nurllib.request.urlopen(sys.argv[1], timeout=20).read()\n")
    path.chmod(0o755)
    return str(path)


def without_desktop(more: Mapping[str, str]) -> dict[str, str]:
    known = environment(more)
    return {name: value for name, value in known.items() if name in more or name not in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")}


def test_others_who_come_to_the_port_of_the_browser(services: SigstoreServices, source: Path, tmp_path: Path) -> None:
    """What has not the state of this login is refused, and the login goes on."""
    path = tmp_path / "browser"
    path.write_text(f"""#!{sys.executable}
import socket, sys, urllib.error, urllib.parse, urllib.request
query = urllib.parse.parse_qs(urllib.parse.urlsplit(sys.argv[1]).query)
callback = query["redirect_uri"][0].replace("localhost", "127.0.0.1")
for tail in ("?code=forged&state=wrong", "?code=forged", "?state=" + query["state"][0], "/other?code=x&state=" + query["state"][0]):
    try:
        urllib.request.urlopen(callback + tail, timeout=20)
        sys.exit("it was accepted")
    except urllib.error.HTTPError as error:
        assert error.code == 400
port = urllib.parse.urlsplit(callback).port
for junk in (b"", b"nonsense\\r\\n\\r\\n", b"GET " + b"x" * 20000):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(junk)
urllib.request.urlopen(sys.argv[1], timeout=20).read()
""")
    path.chmod(0o755)
    succeed(pyskopeo(*words(browser(tmp_path, services), source), env={"BROWSER": str(path)}, timeout=60))
    assert signer(signed(tmp_path)) == [EMAIL]


def test_a_browser_that_cannot_be_opened(services: SigstoreServices, source: Path, tmp_path: Path) -> None:
    done = pyskopeo(*words(browser(tmp_path, services), source), env={"BROWSER": "/bin/false"}, timeout=60)
    assert fatal(done) == "Enter verification code: standard input is not a TTY; oidcMode staticToken needs no user"
    assert "The browser could not be opened" in done.stderr


@pytest.mark.parametrize("secret", ["", "s3cret with blanks"])
def test_a_browser(secret: str, services: SigstoreServices, source: Path, tmp_path: Path) -> None:
    services.rules.secret = secret
    parameters = browser(tmp_path, services, **({"oidcClientSecret": secret} if secret else {}))
    done = succeed(pyskopeo(*words(parameters, source), env={"BROWSER": follows(tmp_path)}, timeout=60))
    assert signer(signed(tmp_path)) == [EMAIL]
    assert "Your browser will now be opened to:" in done.stderr
    assert re.search(rf"{services.url}/auth\?client_id=sigstore&scope=openid\+email&response_type=code&redirect_uri=http", done.stderr)
    assert secret not in done.stderr or not secret


def test_a_wrong_secret_of_the_client(services: SigstoreServices, source: Path, tmp_path: Path) -> None:
    services.rules.secret = "right"
    parameters = browser(tmp_path, services, oidcClientSecret="wrong-one")
    done = pyskopeo(*words(parameters, source), env={"BROWSER": follows(tmp_path)}, timeout=60)
    assert fatal(done) == "error obtaining token: invalid_client"


def test_without_a_browser_a_code_is_entered(services: SigstoreServices, source: Path, tmp_path: Path) -> None:
    import pty
    import urllib.request

    ours, theirs = pty.openpty()
    command = [*PYSKOPEO, *map(str, words(browser(tmp_path, services), source))]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, env=without_desktop({}))
    os.close(theirs)
    assert process.stderr is not None
    shown = ""
    while "Enter verification code: " not in shown:
        line = process.stderr.readline().decode()
        assert line, shown
        shown += line
        if found := re.match(rf"{services.url}/auth\S+oob\S+", line):
            page = urllib.request.urlopen(found[0], timeout=20).read()
    os.write(ours, page + b"\n")
    _, rest = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0, shown + rest.decode()
    assert signer(signed(tmp_path)) == [EMAIL]


def test_without_a_browser_and_a_terminal(services: SigstoreServices, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    done: Done = pyskopeo_here(*words(browser(tmp_path, services), source))
    assert fatal(done) == "Enter verification code: standard input is not a TTY; oidcMode staticToken needs no user"


def test_who_has_signed_in_is_asked_again_when_the_token_has_expired(
    services: SigstoreServices, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.rules.pending, services.lifetime = 0, timedelta(seconds=30)  # the certificate is renewed at once
    monkeypatch.setattr("pyskopeo.signing.fulcio.IdentityToken.has_expired", lambda token: True)
    succeed(pyskopeo_here(*words(device(tmp_path, services), source)))
    assert services.log.count("POST /device") == services.log.count(f"POST {CERTIFY}") == 2
