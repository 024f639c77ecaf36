"""Files and directories of authorities: what can be read is used, what cannot is named once."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Any

import pytest

from pyskopeo.http.authorities import check_default_file, load_directory, load_file
from pyskopeo.http.client_context import completed, is_complete
from pyskopeo.http.tls import Trust
from tests.support.tls import Authority

BROKEN = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


@pytest.fixture
def context() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@pytest.fixture
def second(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("second"), "Second CA")


def names(context: ssl.SSLContext) -> set[str]:
    """The names of the authorities in ``context``."""
    found: set[str] = set()
    for certificate in context.get_ca_certs():
        subject: Any = certificate["subject"]
        found |= {value for part in subject for _, value in part}
    return found


def test_a_good_file(context: ssl.SSLContext, authority: Authority) -> None:
    load_file(context, authority.path, pytest.fail)
    assert names(context) == {"Test CA"}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "no PEM certificate in it"),
        (b"not a certificate\n", "no PEM certificate in it"),
        (b"\x30\x82\x01\x00", "no PEM certificate in it"),
        (BROKEN, "no PEM certificate in it can be read"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n", "no PEM certificate in it"),
    ],
)
def test_useless_files(context: ssl.SSLContext, content: bytes, problem: str, tmp_path: Path) -> None:
    path, warnings = tmp_path / "x.crt", list[str]()
    path.write_bytes(content)
    load_file(context, path, warnings.append)
    assert warnings == [f"certificate file {path} is not used: {problem}"]
    load_file(context, path, warnings.append)
    assert len(warnings) == 1
    assert names(context) == set()


def test_what_is_no_file(context: ssl.SSLContext, tmp_path: Path) -> None:
    warnings = list[str]()
    (tmp_path / "folder.crt").mkdir()
    os.mkfifo(tmp_path / "fifo.crt")  # which would be waited for if it were opened
    (tmp_path / "gone.crt").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.crt").symlink_to(tmp_path / "loop.crt")
    for path in sorted(tmp_path.iterdir()):
        load_file(context, path, warnings.append)
    assert [warning.rpartition(": ")[2] for warning in warnings] == [
        "it is not a regular file", "it is not a regular file", "No such file or directory", "Too many levels of symbolic links",
    ]  # fmt: skip


@pytest.mark.parametrize("place", ["before", "between", "after"])
def test_a_broken_certificate_among_good_ones(
    place: str, context: ssl.SSLContext, authority: Authority, second: Authority, tmp_path: Path
) -> None:
    parts = [authority.path.read_bytes(), b"# a comment\n", second.path.read_bytes()]
    parts.insert({"before": 0, "between": 1, "after": 3}[place], BROKEN)
    path, warnings = tmp_path / "x.crt", list[str]()
    path.write_bytes(b"".join(parts))
    load_file(context, path, warnings.append)
    assert names(context) == {"Test CA", "Second CA"}
    assert warnings == [f"certificate file {path} is used in part: 1 of its 3 certificates cannot be read"]


def test_a_directory_with_any_names(
    context: ssl.SSLContext, authority: Authority, second: Authority, tmp_path: Path
) -> None:
    (tmp_path / "company-root").symlink_to(authority.path)
    (tmp_path / "second.pem").write_bytes(b"\xef\xbb\xbf" + second.path.read_bytes())
    (tmp_path / "README").write_text("no certificate")
    (tmp_path / "java").mkdir()
    load_directory(context, tmp_path, pytest.fail)
    assert names(context) == {"Test CA", "Second CA"}


def test_what_openssl_finds_itself_is_not_read(
    context: ssl.SSLContext, authority: Authority, second: Authority, tmp_path: Path
) -> None:
    """So that a system's directory of 300 links takes no longer than before."""
    (tmp_path / "root.pem").write_bytes(authority.path.read_bytes())
    (tmp_path / "0a1b2c3d.0").symlink_to("root.pem")
    (tmp_path / "12345678.0").write_bytes(second.path.read_bytes())
    load_directory(context, tmp_path, pytest.fail)
    assert names(context) == set()


def test_bad_files_in_a_directory(context: ssl.SSLContext, authority: Authority, tmp_path: Path) -> None:
    warnings = list[str]()
    (tmp_path / "a.crt").touch()
    (tmp_path / "b.pem").symlink_to(authority.path)
    (tmp_path / "gone.pem").symlink_to("nowhere")
    load_directory(context, tmp_path, warnings.append)
    load_directory(context, tmp_path / "none", warnings.append)
    assert [warning.partition(" is not used: ")[0] for warning in warnings] == [
        f"certificate file {tmp_path}/a.crt",
        f"certificate file {tmp_path}/gone.pem",
        f"certificate directory {tmp_path}/none (SSL_CERT_DIR)",
    ]
    assert names(context) == {"Test CA"}


def test_the_default_file(authority: Authority, second: Authority, tmp_path: Path) -> None:
    context, warnings = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), list[str]()
    path = tmp_path / "bundle.pem"
    path.write_bytes(authority.path.read_bytes() + BROKEN + second.path.read_bytes())
    check_default_file(context, path, warnings.append)
    assert names(context) == {"Test CA", "Second CA"}
    check_default_file(context, tmp_path / "none.pem", warnings.append)
    assert [warning.rpartition(": ")[2] for warning in warnings] == [
        "1 of its 3 certificates cannot be read", "No such file or directory",
    ]  # fmt: skip


def test_a_default_file_that_openssl_has_read_is_not_read_again(
    context: ssl.SSLContext, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    context.load_verify_locations(authority.path)
    monkeypatch.setattr("pyskopeo.http.authorities.load_file", pytest.fail)
    check_default_file(context, authority.path, pytest.fail)


def test_all_of_a_broken_file_is_loaded_later(
    authority: Authority, second: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many authorities there are from elsewhere by then, as that of one registry, says nothing about the file."""
    path = tmp_path / "all.crt"
    path.write_bytes(BROKEN + second.path.read_bytes())
    (tmp_path / "00000000.0").write_bytes(BROKEN)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    third = Authority.create(tmp_path / "third", "Third CA")
    warnings = list[str]()
    context = Trust(authority_file=path).default_context(warnings.append, defer=True)
    assert not is_complete(context)
    for own in (authority, third):
        load_file(context, own.path, pytest.fail)
    assert warnings == []
    completed(context)
    assert names(context) == {"Test CA", "Second CA", "Third CA"}
    assert warnings == [f"certificate file {path} is used in part: 1 of its 2 certificates cannot be read"]
