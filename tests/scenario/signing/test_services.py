"""Signing with certificates of Fulcio and a log of Rekor: what these services may do wrong."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from pyskopeo.signatures.sigstore_annotations import LOG_ENTRY_ANNOTATION
from tests.support.cli import fatal, pyskopeo_here, succeed
from tests.support.exchange import Response
from tests.support.images import build
from tests.support.keyless import CERTIFY, JSON, RECORD, given, signed, signer, words, write_parameters
from tests.support.outputs import write_dir
from tests.support.sigstore_authority import EMAIL, pem
from tests.support.sigstore_keys import write_sigstore_key
from tests.support.sigstore_services import SigstoreServices
from tests.support.tls import Authority

pytestmark = pytest.mark.usefixtures("no_machine_policy")


@pytest.mark.parametrize(
    ("claims", "whom"),
    [({}, EMAIL), ({"email_verified": "true"}, EMAIL), ({"email": "", "sub": "https://ci.example/job"}, "https://ci.example/job")],
)
def test_a_token_that_is_given(claims: dict[str, object], whom: str, services: SigstoreServices, source: Path, tmp_path: Path) -> None:
    done = succeed(pyskopeo_here(*words(given(tmp_path, services, **claims), source)))
    assert signer(signed(tmp_path)) == [whom]
    assert LOG_ENTRY_ANNOTATION in signed(tmp_path).annotations
    assert f"an identity token is sent to {services.url} without TLS" in done.stderr


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"email_verified": False}, "parsing OIDC token: its e-mail address is not verified by identity provider"),
        ({"email": None, "sub": ""}, "parsing OIDC token: no subject found in claims"),
    ],
)
def test_tokens_of_nobody(claims: dict[str, object], message: str, services: SigstoreServices, source: Path, tmp_path: Path) -> None:
    assert fatal(pyskopeo_here(*words(given(tmp_path, services, **claims), source))) == message
    assert services.log == []
    assert not (tmp_path / "signed").exists()


def test_a_token_that_fulcio_refuses_is_not_repeated(services: SigstoreServices, source: Path, tmp_path: Path) -> None:
    parameters, token = given(tmp_path, services), services.token()
    parameters = write_parameters(tmp_path, services, oidcMode="staticToken", oidcIDToken=token)
    services.faults[CERTIFY] = [Response(401, (), f"the token {token} is not for you".encode())]
    message = fatal(pyskopeo_here(*words(parameters, source)))
    assert message == f"obtaining certificate from Fulcio: Fulcio at {services.url}: status 401: the token *** is not for you"
    assert services.log == [f"POST {CERTIFY}"]
    assert not (tmp_path / "signed").exists()


FULCIO_FAULTS = {
    "an error": (Response(400, (), b"<html>no\r\n\x1b[31m"), "status 400: <html>no [31m"),
    "a redirect": (Response(307, (("Location", "http://127.0.0.1:1/x?token=1"),)), "redirects to http://127.0.0.1:1/x?token=***, which is not followed"),
    "no certificate": (Response(201, (), b"hello"), "did not find a cert from Fulcio"),
    "nothing in it": (Response(201, (), b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "the answer is no certificate"),
    "without end": (Response(201, (), b"x" * (1024 * 1024 + 1)), "the answer is over the limit of 1048576 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FULCIO_FAULTS)
def test_what_fulcio_may_do_wrong(fault: str, services: SigstoreServices, source: Path, tmp_path: Path) -> None:
    answer, reason = FULCIO_FAULTS[fault]
    services.faults[CERTIFY] = [answer]
    message = fatal(pyskopeo_here(*words(given(tmp_path, services), source)))
    assert message.partition(f"Fulcio at {services.url}")[2].lstrip(": ") == reason
    assert not (tmp_path / "signed").exists()


def test_a_certificate_for_another_key(services: SigstoreServices, source: Path, tmp_path: Path) -> None:
    services.faults[CERTIFY] = [Response(201, (), pem(services.authority.root))]
    message = fatal(pyskopeo_here(*words(given(tmp_path, services), source)))
    assert message == f"Fulcio at {services.url}: the certificate is for another key"


def test_services_that_are_out_of_order_for_a_while(services: SigstoreServices, source: Path, tmp_path: Path) -> None:
    services.faults = {CERTIFY: [Response(503), Response(429, (("Retry-After", "0"),))], RECORD: [Response(502)]}
    succeed(pyskopeo_here(*words(given(tmp_path, services), source)))
    assert services.log == [f"POST {CERTIFY}"] * 3 + [f"POST {RECORD}"] * 2


def test_a_log_that_is_out_of_order(services: SigstoreServices, source: Path, tmp_path: Path) -> None:
    services.faults[RECORD] = [Response(500, (), b"sorry")] * 9
    message = fatal(pyskopeo_here(*words(given(tmp_path, services), source)))
    assert message == f"creating signature: Rekor at {services.url}: status 500: sorry"
    assert services.log == [f"POST {CERTIFY}"] + [f"POST {RECORD}"] * 5
    assert not (tmp_path / "signed").exists()


def test_services_with_tls(authority: Authority, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with registries, the system's authorities count, and those of ``SSL_CERT_FILE``; not the registry's own."""
    with SigstoreServices(tls=authority.server("services")) as services:
        command = words(given(tmp_path, services), source)
        certificates = tmp_path / "certificates"
        certificates.mkdir()
        (certificates / "ca.crt").write_bytes(authority.path.read_bytes())
        done = pyskopeo_here(command[0], f"--dest-cert-dir={certificates}", "--dest-tls-verify=false", *command[1:])
        assert "certificate" in fatal(done)
        assert services.log == []
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
        done = succeed(pyskopeo_here(*command))
        assert "without TLS" not in done.stderr
        assert signer(signed(tmp_path)) == [EMAIL]


def entry(**changes: object) -> bytes:
    whole = {"body": "e30=", "integratedTime": 1, "logID": "a", "logIndex": 0, "verification": {"signedEntryTimestamp": "a"}}
    return json.dumps({"uuid": whole | changes}).encode()


REKOR_FAULTS = {
    "an error": (Response(400, JSON, b'{"code": 400, "message": "no"}'), 'status 400: {"code": 400, "message": "no"}'),
    "no JSON": (Response(201, (), b"<html>"), "the answer is not valid JSON: it begins with <, as HTML and XML do"),
    "no entry": (Response(201, JSON, b"{}"), "expected 1 Rekor entry, got 0"),
    "two of them": (Response(201, JSON, b'{"a": {}, "b": {}}'), "expected 1 Rekor entry, got 2"),
    "a number in its place": (Response(201, JSON, b'{"a": 1}'), "invalid Rekor entry (missing data): want body, time, index and signature"),
    "no signature": (Response(201, JSON, entry(verification={})), "invalid Rekor entry (missing data): want body, time, index and signature"),
    "no time": (Response(201, JSON, entry(integratedTime=True)), "invalid Rekor entry (missing data): want body, time, index and signature"),
    "another one": (Response(201, JSON, entry()), "the entry is that of another signature"),
    "no body": (Response(201, JSON, entry(body="!")), "the entry is that of another signature"),
    "it knows it, not where": (Response(409, JSON, b"{}"), "status 409: {}"),
    "it knows it elsewhere": (Response(409, (("Location", "/api/v1/log/entries/../x"),), b""), 'status 404: {"code": 404, "message": "no such entry"}'),
}  # fmt: skip


@pytest.mark.parametrize("fault", REKOR_FAULTS)
def test_what_rekor_may_do_wrong(fault: str, services: SigstoreServices, source: Path, tmp_path: Path) -> None:
    answer, reason = REKOR_FAULTS[fault]
    services.faults[RECORD] = [answer]
    message = fatal(pyskopeo_here(*words(given(tmp_path, services), source)))
    assert message == f"creating signature: Rekor at {services.url}: {reason}"
    assert not (tmp_path / "signed").exists()


def test_an_entry_whose_first_answer_got_lost(services: SigstoreServices, source: Path, tmp_path: Path) -> None:
    record = services._record

    def record_and_lose(document: dict[str, object]) -> Response:
        services._record = record  # type: ignore[method-assign]  # the next time all is well
        record(document)
        return Response(504)

    services._record = record_and_lose  # type: ignore[method-assign]  # see above
    succeed(pyskopeo_here(*words(given(tmp_path, services), source)))
    assert [line.partition(" ")[0] for line in services.log[1:]] == ["POST", "POST", "GET"]
    assert len(services.log_of_signatures.entries) == 1


def test_a_certificate_is_renewed_before_it_expires(services: SigstoreServices, source: Path, tmp_path: Path) -> None:
    services.lifetime = timedelta(seconds=30)  # less than is left of one that is used
    succeed(pyskopeo_here(*words(given(tmp_path, services), source)))
    assert services.log == [f"POST {CERTIFY}"] * 2 + [f"POST {RECORD}"]


def test_several_images_are_signed_with_one_certificate(services: SigstoreServices, tmp_path: Path) -> None:
    source = write_dir(build("oci-index"), tmp_path / "list")
    command, *rest = words(given(tmp_path, services), source)
    succeed(pyskopeo_here(command, "--all", *rest))
    signatures = len(list((tmp_path / "signed").glob("*signature-1")))
    assert signatures > 1
    assert services.log == [f"POST {CERTIFY}"] + [f"POST {RECORD}"] * signatures


def test_offline_nothing_is_asked(services: SigstoreServices, source: Path, tmp_path: Path) -> None:
    done = pyskopeo_here("--offline", *words(given(tmp_path, services), source))
    assert f"POST {services.url}{CERTIFY}: this needs a request, and --offline allows none" in fatal(done, 3)
    assert services.log == []


@pytest.mark.parametrize(("fulcio", "name"), [(True, "Rekor"), (False, "Fulcio")])
def test_services_that_cannot_be_reached(fulcio: bool, name: str, services: SigstoreServices, source: Path, tmp_path: Path) -> None:
    parameters = given(tmp_path, services)
    document = json.loads(parameters.read_text())
    if fulcio:
        document["rekorURL"] = "http://127.0.0.1:1"
    else:
        document["fulcio"]["fulcioURL"] = "http://127.0.0.1:1"
    parameters.write_text(json.dumps(document))
    message = fatal(pyskopeo_here(*words(parameters, source)))
    assert message.removeprefix("creating signature: ") == f"{name}: 127.0.0.1:1: connection refused"


@pytest.mark.parametrize("url", ["ftp://a.example", "https://user:secret@a.example", "nonsense"])
def test_addresses_that_are_none(url: str, source: Path, tmp_path: Path) -> None:
    keys = write_sigstore_key(tmp_path)
    path = tmp_path / "parameters.yaml"
    path.write_text(json.dumps({"privateKeyFile": str(keys.private), "privateKeyPassphraseFile": str(keys.passphrase), "rekorURL": url}))
    message = fatal(pyskopeo_here(*words(path, source)))
    assert message.startswith("Error using --sign-by-sigstore: Rekor at: ")
    assert "secret" not in message
