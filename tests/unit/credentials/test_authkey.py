"""The keys of files of credentials."""

from __future__ import annotations

import pytest

from pyskopeo.credentials.authkey import AuthKey
from pyskopeo.errors import InvalidName

HUB = "https://index.docker.io/v1/"


@pytest.mark.parametrize(
    ("text", "registry", "namespace", "host"),
    [
        ("quay.io", "quay.io", "", "quay.io"),
        ("quay.io/", "quay.io", "", "quay.io"),
        ("quay.io/org", "quay.io", "org", "quay.io"),
        ("quay.io/org/repo", "quay.io", "org/repo", "quay.io"),
        ("https://quay.io/v2/", "quay.io", "", "quay.io"),
        ("http://localhost:5000/any/thing", "localhost:5000", "", "localhost:5000"),
        (HUB, "index.docker.io", "", "docker.io"),
        ("docker.io/team", "docker.io", "team", "docker.io"),
        ("host", "host", "", "host"),
        ("host/org", "host", "org", "host"),
        ("[::1]:5000", "[::1]:5000", "", "[::1]:5000"),
        ("Quay.IO", "Quay.IO", "", "Quay.IO"),
    ],
)
def test_keys(text: str, registry: str, namespace: str, host: str) -> None:
    found = AuthKey.parse(text)
    assert (found.registry, found.namespace, found.host) == (registry, namespace, host)
    assert str(found) == (f"{registry}/{namespace}" if namespace else registry)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no registry"),
        ("https://", "is no registry"),
        ("a b", "is no registry"),
        ("quay.io:port", "is no registry"),
        ("-x", "is no registry"),
        ("quay.io\n", "is no registry"),
        ("https://[::1", "is no registry"),
        ("https://me:hunter2@quay.io", "is no registry"),
        ("quay.io/org:tag", 'reference "quay.io/org:tag" contains tag or digest'),
        (f"quay.io/org@sha256:{'0' * 64}", "contains tag or digest"),
        ("quay.io/Org", 'parse reference from "quay.io/Org": .*must be lowercase'),
        ("quay.io//org", "invalid reference format"),
        ("quay.io/../x", "invalid reference format"),
    ],
)
def test_what_is_no_key(text: str, message: str) -> None:
    with pytest.raises(InvalidName, match=message) as caught:
        AuthKey.parse(text)
    assert "hunter2" not in str(caught.value)
