"""Which host names belong together: whose credentials a token server may have."""

from __future__ import annotations

import sys

import pytest

from pyskopeo.http.site import may_have_credentials, same_site


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


@pytest.mark.parametrize(
    "suffix",
    [
        # Of registries.
        "me.uk", "org.uk", "co.jp", "com.br", "kyoto.jp", "ltd.uk", "asso.fr", "eu.org", "k12.ca.us", "priv.no",
        # Of companies, in the private section of the list.
        "fly.dev", "appspot.com", "github.io", "gitlab.io", "herokuapp.com", "netlify.app", "vercel.app", "web.app",
        "run.app", "a.run.app", "pages.dev", "workers.dev", "ondigitalocean.app", "onrender.com", "blogspot.com",
        "s3.amazonaws.com", "cloudfront.net", "azurewebsites.net", "azurecr.io", "ngrok.io", "trycloudflare.com",
        "duckdns.org", "dyndns.org", "no-ip.org", "pythonanywhere.com", "firebaseapp.com", "repl.co",
    ],
)  # fmt: skip
def test_names_below_a_shared_suffix(suffix: str) -> None:
    """Anyone can have one: ``me.uk`` is no owner, as ``co.uk`` is none."""
    assert not may_have_credentials(f"registry.{suffix}", f"evil.{suffix}")
    assert not may_have_credentials(suffix, f"evil.{suffix}")
    assert not same_site(f"a.registry.{suffix}", f"b.evil.{suffix}")
    assert same_site(f"registry.{suffix}", f"registry.{suffix}.")


@pytest.mark.parametrize("suffix", ["me.uk", "co.uk", "com", "io", "fly.dev", "gitlab.io", "corp", "lan", "internal"])
def test_names_of_one_owner(suffix: str) -> None:
    assert may_have_credentials(f"registry.example.{suffix}", f"auth.example.{suffix}")
    assert may_have_credentials(f"example.{suffix}", f"auth.example.{suffix}")


@pytest.mark.parametrize("one", ["\u4f8b\u3048.jp", "xn--r8jz45g.jp"])
@pytest.mark.parametrize("other", ["auth.\u4f8b\u3048.jp", "auth.xn--r8jz45g.jp"])
def test_international_names(one: str, other: str) -> None:
    assert same_site(one, other)
    assert not same_site(one, "auth.evil.jp")
    assert not same_site("a" * 64 + ".jp", "b." + "a" * 64 + ".jp")


def test_the_list_is_loaded_for_other_hosts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes time; the largest registries and most others need none."""
    monkeypatch.setitem(sys.modules, "publicsuffixlist", None)
    monkeypatch.setattr("pyskopeo.http.site._public_suffixes", lambda: __import__("publicsuffixlist"))
    assert may_have_credentials("docker.io", "auth.docker.io")
    assert may_have_credentials("ghcr.io", "ghcr.io")
    assert not may_have_credentials("10.0.0.1", "10.0.0.2")
    with pytest.raises(ImportError):
        may_have_credentials("a.example.com", "b.example.com")


def test_without_the_list_other_hosts_get_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    from pyskopeo.http import site

    monkeypatch.setitem(sys.modules, "publicsuffixlist", None)
    site._public_suffixes.cache_clear()
    try:
        assert may_have_credentials("docker.io", "auth.docker.io")
        assert may_have_credentials("ghcr.io", "ghcr.io")
        assert not may_have_credentials("registry.example.com", "auth.example.com")
    finally:
        site._public_suffixes.cache_clear()
