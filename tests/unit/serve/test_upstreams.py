"""Which repository of which upstream a client of a proxy means."""

from __future__ import annotations

import pytest

from pyskopeo.config.registries import Mirror, Registries, Registry
from pyskopeo.errors import InvalidName, RegistryError
from pyskopeo.model.reference import Reference
from pyskopeo.serve.upstreams import Upstream, Upstreams

HUB, QUAY = Upstream("docker.io"), Upstream("quay.io")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("docker.io", HUB),
        ("index.docker.io", HUB),
        ("registry.example.com:5000", Upstream("registry.example.com:5000")),
        ("localhost:5000", Upstream("localhost:5000")),
        ("localhost", Upstream("localhost")),
        ("docker.io=https://mirror.example.com", Upstream("docker.io", "mirror.example.com")),
        ("docker.io=https://mirror.example.com/hub/", Upstream("docker.io", "mirror.example.com/hub")),
        ("docker.io=http://127.0.0.1:5000", Upstream("docker.io", "127.0.0.1:5000", insecure=True)),
        ("docker.io=https://registry-1.docker.io", Upstream("docker.io", "registry-1.docker.io")),
    ],
)
def test_an_upstream(text: str, expected: Upstream) -> None:
    assert Upstream.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "=", "docker", "docker.io=", "docker.io=mirror.example.com", "docker.io=ftp://x.example", "docker.io/library",
     "docker.io=https://", "docker.io=https://mirror", "docker.io=https://x.example/a:b", "docker.io=https://x.example/a@b",
     "https://docker.io", "docker.io=https://user:secret@x.example", "a b", "docker.io=https://x.example/A"],
)  # fmt: skip
def test_what_is_no_upstream(text: str) -> None:
    with pytest.raises(InvalidName, match=r"want HOST or HOST=URL, as in docker\.io$"):
        Upstream.parse(text)


@pytest.mark.parametrize("given", [[], [HUB, HUB]])
def test_each_once_and_at_least_one(given: list[Upstream]) -> None:
    with pytest.raises(InvalidName):
        Upstreams(given)


@pytest.mark.parametrize(
    ("path", "namespace", "expected"),
    [
        ("library/alpine", None, "docker.io/library/alpine"),
        ("alpine", None, "docker.io/library/alpine"),
        ("team/tool/x", None, "docker.io/team/tool/x"),
        ("docker.io/library/alpine", None, "docker.io/library/alpine"),
        ("index.docker.io/alpine", None, "docker.io/library/alpine"),
        ("quay.io/team/tool", None, "quay.io/team/tool"),
        ("library/alpine", "docker.io", "docker.io/library/alpine"),
        ("team/tool", "quay.io", "quay.io/team/tool"),
        ("quay.io/tool", "quay.io", "quay.io/quay.io/tool"),
        ("team/tool", "ghcr.io", 404),
        ("team/tool", "", 404),
        ("ghcr.io/team/tool", None, "docker.io/ghcr.io/team/tool"),
        ("quay.io", None, "docker.io/library/quay.io"),
        ("quay.io/", None, 400),
        ("Team/tool", None, 400),
        ("team/tool:x", None, 400),
        ("a/../b", None, 400),
        ("", None, 400),
    ],
)
def test_names(path: str, namespace: str | None, expected: str | int) -> None:
    upstreams = Upstreams([HUB, QUAY])
    if isinstance(expected, str):
        assert str(upstreams.reference(path, namespace)) == expected
        return
    with pytest.raises(RegistryError) as caught:
        upstreams.reference(path, namespace)
    assert caught.value.status == expected


def test_rules_mean_the_first_one_without_its_host() -> None:
    upstreams = Upstreams([HUB, QUAY])
    assert upstreams.names_of(Reference("docker.io", "library/x")) == ("docker.io/library/x", "library/x")
    assert upstreams.names_of(Reference("quay.io", "library/x")) == ("quay.io/library/x",)


def test_the_users_configuration_counts_but_not_its_mirrors() -> None:
    """This is a mirror itself, perhaps the very one that is configured."""
    configured = Registries((
        Registry("docker.io", insecure=True, mirrors=(Mirror("127.0.0.1:5000", insecure=True),)),
        Registry("quay.io", location="elsewhere.example", blocked=True),
        Registry("quay.io/team", location="team.example"),
    ))
    found = Upstreams([HUB, Upstream("quay.io", "given.example/q")]).registries(configured)
    (hub,) = found.endpoints(Reference.parse("docker.io/library/x"))
    assert (str(hub.reference), hub.insecure) == ("docker.io/library/x:latest", True)
    for name in ("x", "team/x"):
        (quay,) = found.endpoints(Reference.parse(f"quay.io/{name}"))
        assert (str(quay.reference), quay.insecure) == (f"given.example/q/{name}:latest", False)


def test_whose_address_it_is() -> None:
    upstreams = Upstreams([HUB, Upstream("quay.io", "127.0.0.1:5000/q")])
    assert [upstreams.name_at(host) for host in ("docker.io", "127.0.0.1:5000", "x.example")] == [
        "docker.io", "quay.io", "x.example",
    ]  # fmt: skip
