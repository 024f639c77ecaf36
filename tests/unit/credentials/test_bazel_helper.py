"""Which of Bazel's credential helpers is asked."""

from __future__ import annotations

import pytest

from pyskopeo.credentials.bazel_helper import HeaderHelper, select_helper
from pyskopeo.errors import InvalidInput

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("text", "pattern", "path"),
    [
        ("/opt/helper", "", "/opt/helper"),
        ("helper", "", "helper"),
        ("example.com=/opt/helper", "example.com", "/opt/helper"),
        ("*.example.com=helper", "*.example.com", "helper"),
        ("EXAMPLE.com=helper", "example.com", "helper"),
        ("example.com=/opt/a=b", "example.com", "/opt/a=b"),
        ("127.0.0.1=helper", "127.0.0.1", "helper"),
        ("localhost=helper", "localhost", "helper"),
    ],
)
def test_helpers_on_the_command_line(text: str, pattern: str, path: str) -> None:
    assert HeaderHelper.parse(text) == HeaderHelper(pattern, path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no path"),
        ("example.com=", "is no path"),
        ("=helper", "is no pattern"),
        ("*=helper", "is no pattern"),
        ("a.*.com=helper", "is no pattern"),
        ("example.com:5000=helper", "without a port"),
        ("https://example.com=helper", "is no pattern"),
        ("%workspace%/tools/helper", "%workspace% stands for a Bazel workspace"),
        ("example.com=%workspace%/tools/helper", "%workspace% stands for a Bazel workspace"),
        ("tools/helper", "want an absolute one, or a name in PATH"),
        ("./helper", "want an absolute one, or a name in PATH"),
        ("/opt/\nhelper", "is no path"),
    ],
)
def test_what_is_no_helper(text: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=f"^--credential-helper: .*{message}"):
        HeaderHelper.parse(text)


@pytest.mark.parametrize(
    ("host", "chosen"),
    [
        ("example.com", "exact"),
        ("EXAMPLE.com", "exact"),
        ("foo.example.com", "wild"),
        ("a.b.foo.example.com", "wild"),
        ("bar.example.com", "deep"),
        ("x.bar.example.com", "deep"),
        ("wild.org", "wild.org"),
        ("x.wild.org", "wild.org"),
        ("notexample.com", "all"),
        ("com", "all"),
    ],
)
def test_the_nearest_pattern_wins(host: str, chosen: str) -> None:
    """As Bazel does it: a wildcard is for the domain itself, too, and an exact host not for what is below it."""
    flags = ("old", "*.example.com=wild", "example.com=exact", "*.bar.example.com=deep", "*.wild.org=wild.org", "all")
    for order in (flags, ("old", *reversed(flags[1:-1]), "all")):
        found = select_helper(map(HeaderHelper.parse, order), host)
        assert found is not None
        assert found.path == chosen


def test_an_exact_host_is_not_for_what_is_below_it() -> None:
    helpers = [HeaderHelper.parse("example.com=helper")]
    assert select_helper(helpers, "foo.example.com") is None
    assert select_helper(helpers, "example.com.evil.net") is None
    assert select_helper([], "example.com") is None


@pytest.mark.parametrize("pattern", ["docker.io", "index.docker.io", "registry-1.docker.io", "*.docker.io"])
def test_docker_hub_by_any_of_its_names(pattern: str) -> None:
    helpers = [HeaderHelper.parse("other"), HeaderHelper.parse(f"{pattern}=hub")]
    for host in ("docker.io", "index.docker.io", "registry-1.docker.io"):
        found = select_helper(helpers, host)
        assert found is not None
        assert found.path == "hub"
