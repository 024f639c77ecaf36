"""Addresses of Docker daemons."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pyskopeo.access import Access
from pyskopeo.errors import InvalidInput, Unsupported
from pyskopeo.transports.docker_daemon.address import DEFAULT, Address, certificate_directory, daemon_address


class TestAddress:
    @pytest.mark.parametrize(
        ("text", "certificates", "expected"),
        [
            ("unix:///run/d.sock", False, ("/run/d.sock", "", 0, "", False)),
            ("unix:///run/d.sock", True, ("/run/d.sock", "", 0, "", False)),
            ("unix://relative/d.sock", False, ("relative/d.sock", "", 0, "", False)),
            ("tcp://host", False, ("", "host", 2375, "", False)),
            ("tcp://host", True, ("", "host", 2376, "", True)),
            ("tcp://10.0.0.1:99/", True, ("", "10.0.0.1", 99, "", True)),
            ("tcp://[::1]:99", False, ("", "::1", 99, "", False)),
            ("http://host:1/some/where/", True, ("", "host", 1, "/some/where", False)),
            ("https://host", False, ("", "host", 443, "", True)),
            ("http://host", False, ("", "host", 80, "", False)),
        ],
    )
    def test_it_is_read(self, text: str, certificates: bool, expected: tuple[object, ...]) -> None:
        assert Address.parse(text, certificates=certificates) == Address(text, *expected)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "text",
        [
            "", "host", "host:2375", "/run/d.sock", "unix://", "tcp://", "tcp://:99", "tcp://h:x", "tcp://h:99999", "ftp://h",
            "tcp://h?a", "tcp://h#a", "tcp://ö", "tcp://[::1", "tcp://h\r\nX: y",
        ],
    )  # fmt: skip
    def test_what_is_none(self, text: str) -> None:
        with pytest.raises(InvalidInput, match="unable to parse docker host .*want unix:///PATH") as caught:
            Address.parse(text)
        assert str(caught.value).isprintable()

    def test_a_password_in_it_is_not_repeated(self) -> None:
        with pytest.raises(InvalidInput) as caught:
            Address.parse("tcp://user:secret@host")
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize("scheme", ["ssh", "npipe", "fd"])
    def test_what_only_dockers_client_has(self, scheme: str) -> None:
        with pytest.raises(Unsupported, match=f"{scheme}:// is not supported"):
            Address.parse(f"{scheme}://host")

    def test_the_header(self) -> None:
        assert Address.parse("tcp://[::1]:99").header == "[::1]:99"
        assert Address.parse("tcp://h").header == "h:2375"
        assert Address.parse(DEFAULT).header == "docker"

    @pytest.mark.parametrize(
        ("environ", "cert_dir", "directory", "tls"),
        [
            ({}, None, None, False),
            ({"DOCKER_CERT_PATH": "/c"}, None, None, False),
            ({"DOCKER_CERT_PATH": "/c", "DOCKER_TLS_VERIFY": ""}, None, None, False),
            ({"DOCKER_CERT_PATH": "/c", "DOCKER_TLS_VERIFY": "1"}, None, "/c", True),
            ({"DOCKER_TLS_VERIFY": "1", "HOME": "/h"}, None, "/h/.docker", True),
            ({"DOCKER_CERT_PATH": "/c", "DOCKER_TLS_VERIFY": "1"}, "/d", "/d", True),
            ({}, "/d", "/d", True),
        ],
    )
    def test_what_the_environment_says(
        self, environ: dict[str, str], cert_dir: str | None, directory: str | None, tls: bool
    ) -> None:
        found = Access.from_environ({"DOCKER_HOST": "tcp://h", **environ})
        trust = replace(found.trust, cert_dir=Path(cert_dir) if cert_dir else None)
        assert certificate_directory(trust) == (Path(directory) if directory else None)
        assert daemon_address(found.network, trust).tls is tls

    def test_without_a_word_it_is_the_usual_socket(self) -> None:
        for environ in ({}, {"DOCKER_HOST": ""}):
            found = Access.from_environ(environ)
            assert daemon_address(found.network, found.trust).socket == "/var/run/docker.sock"
