"""Where we let a registry send us, as tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyskopeo.errors import UnsafeAddress
from pyskopeo.http.origin import (
    Origin,
    is_public,
    may_have_credentials,
    redact_url,
    resolve_redirect,
    resolve_url,
    same_site,
)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.com", ("https", "example.com", 443)),
        ("https://example.com/a?b#c", ("https", "example.com", 443)),
        ("HTTPS://EXAMPLE.com:443/", ("https", "example.com", 443)),
        ("http://example.com", ("http", "example.com", 80)),
        ("https://example.com:80", ("https", "example.com", 80)),
        ("http://127.0.0.1:5000/v2/", ("http", "127.0.0.1", 5000)),
        ("http://[::1]:5000", ("http", "::1", 5000)),
        ("https://example.com:/", ("https", "example.com", 443)),
    ],
)
def test_origins(url: str, expected: tuple[str, str, int]) -> None:
    origin = Origin.of(url)
    assert (origin.scheme, origin.host, origin.port) == expected
    assert Origin.of(str(origin)) == origin


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "//example.com",
        "/path",
        "ftp://example.com",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://",
        "https:///path",
        "https://example.com:99999",
        "https://example.com:x",
        "https://[::1",
        "https://user@example.com",
        "https://user:hunter2@example.com",
        "https://:@example.com",
        r"https://example.com\@evil.example",
        "https://example.com:hunter2@evil.example/?a=b",
        "ftp://user:hunter2@example.com/?signature=hunter2",
    ],
)
def test_no_origins(url: str) -> None:
    with pytest.raises(UnsafeAddress) as caught:
        Origin.of(url)
    assert "hunter2" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_origins_differ_in_scheme_host_and_port() -> None:
    urls = ["https://a", "http://a", "https://b", "https://a:444", "https://a.", "https://x.a"]
    assert len({Origin.of(url) for url in urls}) == len(urls)
    assert Origin.of("https://a:443") == Origin.of("https://A/")


@pytest.mark.parametrize(
    ("current", "location", "expected"),
    [
        ("https://a/v2/x/blobs/d", "https://b/c?d=e%2Ff&g", "https://b/c?d=e%2Ff&g"),
        ("https://a/v2/x/blobs/d", "/c", "https://a/c"),
        ("https://a/v2/x/blobs/d", "c", "https://a/v2/x/blobs/c"),
        ("https://a/v2/x/blobs/d", "?e", "https://a/v2/x/blobs/d?e"),
        ("https://a/v2", "//b/c", "https://b/c"),
        ("http://a/v2", "//b/c", "http://b/c"),
        ("http://a/v2", "https://b/c", "https://b/c"),
        ("http://a/v2", "http://b/c", "http://b/c"),
        ("https://a/v2", "https://a/c#fragment", "https://a/c"),
        ("https://a/v2", "../../../etc", "https://a/etc"),
    ],
)
def test_follow(current: str, location: str, expected: str) -> None:
    assert resolve_redirect(current, location) == expected


@pytest.mark.parametrize(
    "location",
    [
        "http://a/c",
        "http://b/c",
        "HTTP://a/c",
        "ftp://a/c",
        "file:///etc/passwd",
        "https://user:hunter2@a/c",
        "https://a b/?s=hunter2",
        "https://a/\x00",
        "https://a/\x7f",
        "https://[::1",
        "data:,x",
        "https://a:1:2/",
    ],
)
def test_follow_refuses(location: str) -> None:
    with pytest.raises(UnsafeAddress) as caught:
        resolve_redirect("https://a/v2", location)
    assert "hunter2" not in str(caught.value)


@given(st.text())
def test_follow_fails_in_one_way(location: str) -> None:
    try:
        target = resolve_redirect("https://a/v2", location)
    except UnsafeAddress:
        return
    assert Origin.of(target).scheme == "https"
    assert not any(character <= " " for character in target)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::"]
)
def test_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2002:a00:1::1",
    ],
)
def test_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("text", ["localhost", "example.com", "", "2130706433", "127.1"])
def test_names_are_no_addresses(text: str) -> None:
    with pytest.raises(ValueError):
        is_public(text)


@pytest.mark.parametrize(
    ("registry", "realm"),
    [
        ("docker.io", "auth.docker.io"),
        ("ghcr.io", "ghcr.io"),
        ("quay.io", "quay.io"),
        ("registry.gitlab.com", "gitlab.com"),
        ("registry.cn-hangzhou.aliyuncs.com", "dockerauth.cn-hangzhou.aliyuncs.com"),
        ("registry.example.co.uk", "auth.example.co.uk"),
        ("REGISTRY.example.com", "auth.Example.COM."),
        ("me.azurecr.io", "me.azurecr.io"),
        ("localhost", "localhost"),
        ("10.0.0.1", "10.0.0.1"),
        ("fe80::1", "fe80::1"),
        ("registry", "registry"),
    ],
)
def test_one_site(registry: str, realm: str) -> None:
    assert may_have_credentials(registry, realm)
    assert same_site(realm, registry)


@pytest.mark.parametrize(
    ("registry", "realm"),
    [
        ("docker.io", "evil.io"),
        ("docker.io", "docker.io.evil.com"),
        ("docker.io", "notdocker.io"),
        ("example.com", "evil.com"),
        ("registry.example.co.uk", "auth.evil.co.uk"),
        ("registry.example.com.au", "evil.com.au"),
        ("me.azurecr.io", "you.azurecr.io"),
        ("a.github.io", "b.github.io"),
        ("us-docker.pkg.dev", "evil.pkg.dev"),
        ("1.dkr.ecr.us-east-1.amazonaws.com", "evil.execute-api.us-east-1.amazonaws.com"),
        ("1.dkr.ecr.us-east-1.amazonaws.com", "2.dkr.ecr.us-east-1.amazonaws.com"),
        ("me.eastus.cloudapp.azure.com", "you.eastus.cloudapp.azure.com"),
        ("10.0.0.1", "10.0.0.2"),
        ("1.0.0.1", "2.0.0.1"),
        ("localhost", "127.0.0.1"),
        ("registry.internal", "evil"),
        ("com", "example.com"),
        ("a.com", "b.com"),
    ],
)
def test_two_sites(registry: str, realm: str) -> None:
    assert not may_have_credentials(registry, realm)
    assert not same_site(realm, registry)


ODD = ["http://\x9b31m.example/x", "http://exa\u202emple.org/", "http://a\u200bb.org/", "http://a\ud800b.org/"]


@pytest.mark.parametrize("url", ODD)
def test_a_host_that_cannot_be_printed_is_none(url: str) -> None:
    with pytest.raises(UnsafeAddress) as caught:
        Origin.of(url)
    assert str(caught.value).isprintable()
    with pytest.raises(UnsafeAddress):
        resolve_url("http://example.org/", url)
    with pytest.raises(UnsafeAddress):
        resolve_url("http://example.org/", "/path/" + url[7:])


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://r.example/v2/a/manifests/b", "https://r.example/v2/a/manifests/b"),
        ("https://user:s3cr3t@r.example/v2/", "https://r.example/v2/"),
        ("https://s.example/b?X-Amz-Signature=s3cr3t&X-Amz-Date=1", "https://s.example/b?X-Amz-Signature=***&X-Amz-Date=***"),
        ("https://s.example/b?s3cr3t", "https://s.example/b?***"),
        ("https://s.example/b?=s3cr3t#s3cr3t", "https://s.example/b?=***"),
        ("https://t.example/t?service=r&scope=repository:a:pull&account=u", "https://t.example/t?service=r&scope=repository:a:pull&account=***"),
        ("https://r.example/v2/a/blobs/uploads/?mount=sha256:1&from=b", "https://r.example/v2/a/blobs/uploads/?mount=sha256:1&from=b"),
        ("https://[s3cr3t@x?s3cr3t", "'https://...@x'"),
    ],
)  # fmt: skip
def test_what_is_shown_of_a_url(url: str, expected: str) -> None:
    assert redact_url(url) == expected
    assert "s3cr3t" not in redact_url(url)
