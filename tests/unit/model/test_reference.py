"""Image references: Docker's normalisation, the distribution specification's grammar."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyskopeo.errors import InvalidName
from pyskopeo.model.digest import Digest
from pyskopeo.model.reference import Reference, parse_source

HEX = "0123456789abcdef" * 4
DIGEST = f"sha256:{HEX}"


@pytest.mark.parametrize(
    ("text", "full", "host"),
    [
        ("alpine", "docker.io/library/alpine:latest", "registry-1.docker.io"),
        ("alpine:3", "docker.io/library/alpine:3", "registry-1.docker.io"),
        ("org/app", "docker.io/org/app:latest", "registry-1.docker.io"),
        ("docker.io/alpine", "docker.io/library/alpine:latest", "registry-1.docker.io"),
        ("index.docker.io/alpine", "docker.io/library/alpine:latest", "registry-1.docker.io"),
        ("registry-1.docker.io/a/b", "docker.io/a/b:latest", "registry-1.docker.io"),
        ("docker.io/library/alpine:x", "docker.io/library/alpine:x", "registry-1.docker.io"),
        ("localhost/app", "localhost/app:latest", "localhost"),
        ("localhost:5000/app", "localhost:5000/app:latest", "localhost:5000"),
        # A name and a tag: nothing follows that could be a repository.
        ("localhost:5000", "docker.io/library/localhost:5000", "registry-1.docker.io"),
        ("quay.io/a/b/c/d:v1.2-x_y", "quay.io/a/b/c/d:v1.2-x_y", "quay.io"),
        ("127.0.0.1:5000/a", "127.0.0.1:5000/a:latest", "127.0.0.1:5000"),
        ("[::1]:5000/a:t", "[::1]:5000/a:t", "[::1]:5000"),
        ("[2001:db8::1]/a", "[2001:db8::1]/a:latest", "[2001:db8::1]"),
        ("Host.example/app", "Host.example/app:latest", "Host.example"),
        ("HOST:5000/app", "HOST:5000/app:latest", "HOST:5000"),
        (f"alpine@{DIGEST}", f"docker.io/library/alpine@{DIGEST}", "registry-1.docker.io"),
        (f"quay.io/a/b:t@{DIGEST}", f"quay.io/a/b:t@{DIGEST}", "quay.io"),
        ("a/b__c.d-e--f_g", "docker.io/a/b__c.d-e--f_g:latest", "registry-1.docker.io"),
        ("r.io/a:" + "t" * 128, "r.io/a:" + "t" * 128, "r.io"),
        (f"{HEX}:tag", f"docker.io/library/{HEX}:tag", "registry-1.docker.io"),
    ],
)
def test_parse(text: str, full: str, host: str) -> None:
    reference = Reference.parse(text)
    assert str(reference) == full
    assert reference.api_host == host
    assert Reference.parse(full) == reference


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "invalid reference format"),
        (":tag", "invalid reference format"),
        ("alpine:", "invalid tag"),
        ("alpine:.x", "invalid tag"),
        ("alpine:a:b", "invalid tag"),
        ("alpine:" + "t" * 129, "invalid tag"),
        ("alpine:tag\n", "invalid tag"),
        ("Alpine", "must be lowercase"),
        ("quay.io/Org/app", "must be lowercase"),
        # No host has a name like this.
        ("UPPER/x", "must be lowercase"),
        ("a//b", "invalid reference format"),
        ("/a", "invalid"),
        ("a/", "invalid reference format"),
        ("a/../b", "invalid reference format"),
        ("quay.io/a/./b", "invalid reference format"),
        ("a___b", "invalid reference format"),
        ("a..b/c", "invalid"),
        ("-a", "invalid reference format"),
        ("a_", "invalid reference format"),
        ("a b", "invalid reference format"),
        ("a\nb", "invalid reference format"),
        ("é/b", "invalid reference format"),
        ("bad_host.io/a", "invalid registry"),
        ("host:port/a", "invalid"),
        ("host:123456/a", "invalid registry"),
        ("user@host.io/a", "invalid"),
        ("https://quay.io/a", "invalid"),
        (HEX, "looks like an image ID"),
        ("alpine@", "invalid digest"),
        ("alpine@sha256:abc", "invalid digest"),
        (f"alpine@{DIGEST}@{DIGEST}", "invalid digest"),
        (f"@{DIGEST}", "invalid reference format"),
        (f"alpine@{DIGEST}:tag", "invalid digest"),
        ("r.io/" + "a" * 255, "more than 255"),
    ],
)
def test_parse_refuses(text: str, reason: str) -> None:
    with pytest.raises(InvalidName, match=reason) as caught:
        Reference.parse(text)
    assert "\n" not in str(caught.value)


def test_a_bare_repository() -> None:
    bare = Reference.parse("quay.io/a/b", default_tag="")
    assert (bare.tag, bare.digest, str(bare)) == ("", None, "quay.io/a/b")
    assert Reference.parse("quay.io/a/b:t", default_tag="").tag == "t"


def test_what_to_ask_a_registry_for() -> None:
    assert Reference.parse("a/b").manifest_name == "latest"
    both = Reference.parse(f"a/b:t@{DIGEST}")
    assert both.manifest_name == DIGEST
    assert both.digest == Digest.parse(DIGEST)


label = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?", fullmatch=True)
hosts = st.one_of(
    st.lists(label, min_size=2, max_size=3).map(".".join),
    st.just("localhost"),
    st.tuples(label, st.integers(1, 65535)).map(lambda pair: f"{pair[0]}:{pair[1]}"),
)
component = st.from_regex(r"[a-z0-9]+((\.|_|__|-{1,3})[a-z0-9]+){0,2}", fullmatch=True).filter(lambda c: len(c) < 40)
tags = st.one_of(st.just(""), st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}", fullmatch=True))
digests = st.one_of(st.none(), st.binary(max_size=4).map(Digest.of))


@given(hosts, st.lists(component, min_size=1, max_size=4), tags, digests)
def test_what_is_written_is_read_again(host: str, path: list[str], tag: str, digest: Digest | None) -> None:
    name = "/".join(path)
    text = f"{host}/{name}" + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    reference = Reference.parse(text)
    assert reference == Reference(host, name, tag or ("" if digest else "latest"), digest)
    assert Reference.parse(str(reference)) == reference


@given(st.text(alphabet=st.sampled_from("aZ0./:@-_[]é \n"), max_size=30))
def test_whatever_parses_is_stable_and_safe_in_an_address(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except InvalidName:
        return
    assert Reference.parse(str(reference)) == reference
    assert ".." not in reference.repository.split("/")
    assert not set(reference.repository) & set(" :@\n?#%")
    assert not set(reference.registry) & set(" @/\n?#%")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("team/app@example.com", "example.com/team/app"),
        ("app@localhost", "localhost/app"),
        ("library/alpine@docker.io", "docker.io/library/alpine"),
        ("a@127.0.0.1:5000", "127.0.0.1:5000/a"),
    ],
)
def test_other_sources(text: str, name: str) -> None:
    found = parse_source(text)
    assert (found.name, found.manifest_name) == (name, "")


@pytest.mark.parametrize("text", ["", "a", "a@", "@b.c", "a@host", "A@b.c", "a:tag@b.c", "a@sha256:" + "0" * 64, "a@b.c/d:e", "a@u@b.c"])
def test_what_is_no_source(text: str) -> None:
    with pytest.raises(InvalidName):
        parse_source(text)
