"""Proxies by Go's rules (golang.org/x/net/http/httpproxy), and ALL_PROXY after them."""

from __future__ import annotations

import pytest

from pyskopeo.config.proxies import Proxies
from pyskopeo.errors import InvalidInput

BOTH = {"HTTP_PROXY": "http://h:1", "HTTPS_PROXY": "http://s:2"}


def proxied(no_proxy: str, host: str, port: int | None = None, scheme: str = "https") -> bool:
    return Proxies.from_environ({**BOTH, "NO_PROXY": no_proxy}).for_url(scheme, host, port) is not None


def test_each_scheme_has_its_own() -> None:
    assert Proxies.from_environ({}).for_url("https", "quay.io", 443) is None
    assert Proxies.from_environ(BOTH).for_url("http", "quay.io", 80) == "http://h:1"
    assert Proxies.from_environ(BOTH).for_url("https", "quay.io", 443) == "http://s:2"
    assert Proxies.from_environ({"HTTP_PROXY": "h"}).for_url("https", "quay.io", 443) is None
    assert Proxies.from_environ({"HTTPS_PROXY": "h"}).for_url("http", "quay.io", 80) is None


def test_upper_case_first_and_empty_is_unset() -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        scheme = "http" if name == "HTTP_PROXY" else "https"
        assert Proxies.from_environ({name: "http://up", name.lower(): "http://low"}).for_url(scheme, "q.io") == "http://up"
        assert Proxies.from_environ({name: " ", name.lower(): "http://low"}).for_url(scheme, "q.io") == "http://low"
    assert not Proxies.from_environ({**BOTH, "NO_PROXY": "", "no_proxy": "q.io"}).for_url("https", "q.io")
    assert Proxies.from_environ({**BOTH, "NO_PROXY": "x", "no_proxy": "q.io"}).for_url("https", "q.io")


def test_all_proxy_comes_last() -> None:
    proxies = Proxies.from_environ({"ALL_PROXY": "socks5://a:3", "HTTPS_PROXY": "http://s:2", "NO_PROXY": "in"})
    assert proxies.for_url("https", "quay.io") == "http://s:2"
    assert proxies.for_url("http", "quay.io") == "socks5://a:3"
    assert proxies.for_url("http", "x.in") is None


def test_a_cgi_program_does_not_believe_http_proxy() -> None:
    environ = {**BOTH, "http_proxy": "http://h:1", "REQUEST_METHOD": "GET"}
    assert Proxies.from_environ(environ).for_url("http", "quay.io") is None
    assert Proxies.from_environ(environ).for_url("https", "quay.io") == "http://s:2"


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("proxy:3128", "http://proxy:3128"),
        ("proxy", "http://proxy"),
        ("u:p@proxy:3128", "http://u:p@proxy:3128"),
        ("https://proxy", "https://proxy"),
        ("HTTP://proxy", "HTTP://proxy"),
        ("socks5://proxy:1", "socks5://proxy:1"),
        ("socks5h://proxy:1", "socks5h://proxy:1"),
        ("http://[::1]:3128", "http://[::1]:3128"),
    ],
)
def test_a_proxy_without_scheme_is_http(value: str, wanted: str) -> None:
    assert Proxies.from_environ({"HTTPS_PROXY": value}).for_url("https", "quay.io") == wanted


@pytest.mark.parametrize("value", ["ftp://u:hunter2@x", "http://u:hunter2@x:port", "http://u:hunter2@", "u:hunter2@x:99999", "http://[u:hunter2"])
def test_a_proxy_that_cannot_be_used_is_an_error_when_it_applies(value: str) -> None:
    proxies = Proxies.from_environ({"https_proxy": value, "no_proxy": "in"})
    assert proxies.for_url("https", "x.in") is None
    assert proxies.for_url("http", "quay.io") is None
    with pytest.raises(InvalidInput, match="^https_proxy is not a proxy's address") as caught:
        proxies.for_url("https", "quay.io")
    assert "hunter2" not in str(caught.value)


def test_repr_hides_passwords() -> None:
    proxies = Proxies.from_environ({"HTTP_PROXY": "u:hunter2@a", "HTTPS_PROXY": "u:hunter2@a", "ALL_PROXY": "u:hunter2@a"})
    assert "hunter2" not in repr(proxies)


@pytest.mark.parametrize(
    ("host", "wanted"),
    [
        ("localhost", False),
        ("LOCALHOST", False),
        ("localhost.", False),
        ("127.0.0.1", False),
        ("127.9.9.9", False),
        ("::1", False),
        ("[::1]", False),
        ("::ffff:127.0.0.1", False),
        ("128.0.0.1", True),
        ("localhost.example", True),
        ("mylocalhost", True),
        ("10.0.0.1", True),
    ],
)
def test_this_machine_is_never_proxied(host: str, wanted: bool) -> None:
    assert proxied("", host, 5000) is wanted


@pytest.mark.parametrize(
    ("no_proxy", "host", "port", "wanted"),
    [
        ("*", "quay.io", 443, False),
        ("a, * ,b", "10.0.0.1", 443, False),
        ("foo.com", "foo.com", 443, False),
        ("foo.com", "bar.foo.com", 443, False),
        ("foo.com", "FOO.com", 443, False),
        ("Foo.COM", "foo.com.", 443, False),
        ("foo.com", "barfoo.com", 443, True),
        ("foo.com", "foo.com.evil", 443, True),
        (".foo.com", "foo.com", 443, True),
        (".foo.com", "a.foo.com", 443, False),
        ("*.foo.com", "foo.com", 443, True),
        ("*.foo.com", "a.b.foo.com", 443, False),
        ("foo.com:443", "foo.com", 443, False),
        ("foo.com:443", "foo.com", None, False),
        ("foo.com:443", "a.foo.com", 443, False),
        ("foo.com:443", "foo.com", 5000, True),
        ("foo.com:", "foo.com", 5000, False),
        ("foo.com:x", "foo.com", 443, True),
        (":443", "foo.com", 443, True),
        (",, ", "foo.com", 443, True),
        ("x.com,foo.com ", "foo.com", 443, False),
        ("10.0.0.1", "10.0.0.1", 443, False),
        ("10.0.0.1", "10.0.0.2", 443, True),
        ("10.0.0.1:80", "10.0.0.1", 443, True),
        ("10.0.0.1:443", "10.0.0.1", 443, False),
        ("10.0.0.0/8", "10.200.3.4", 5000, False),
        ("10.1.2.3/8", "10.200.3.4", 5000, False),
        ("10.0.0.0/8", "11.0.0.1", 5000, True),
        ("10.0.0.0/8", "10.example.com", 5000, True),
        ("10.0.0.0/8", "::ffff:10.0.0.1", 5000, False),
        ("10.0.0.0/99", "10.0.0.1", 443, True),
        ("2001:db8::/32", "2001:db8::1", 443, False),
        ("2001:db8::/32", "[2001:db8::1]", 443, False),
        ("2001:db8::/32", "10.0.0.1", 443, True),
        ("2001:db8::1", "2001:db8:0::1", 443, False),
        ("[2001:db8::1]", "2001:db8::1", 443, False),
        ("[2001:db8::1]:443", "2001:db8::1", 443, False),
        ("[2001:db8::1]:444", "2001:db8::1", 443, True),
        ("bücher.example", "xn--bcher-kva.example", 443, False),
        ("xn--bcher-kva.example", "bücher.example", 443, False),
    ],
)
def test_no_proxy(no_proxy: str, host: str, port: int | None, wanted: bool) -> None:
    assert proxied(no_proxy, host, port) is wanted
