"""registries.conf: what all the files say together, and where an image is then to be had."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pyskopeo.config import registries_toml
from pyskopeo.config.registries import Endpoint, Mirror, Registries, RegistriesFile, Registry
from pyskopeo.errors import InvalidInput
from pyskopeo.model.reference import Reference
from tests.support.registries_conf import parse_registries

DIGEST = "sha256:" + "a1" * 32
OTHER = "sha256:" + "b2" * 32


def ref(text: str) -> Reference:
    return Reference.parse(text)


def conf(text: str) -> Registries:
    return parse_registries(text, "/etc/containers/registries.conf")


def of(*registries: Registry) -> Registries:
    return Registries.merge((RegistriesFile("F", registries),))


def tried(registries: Registries, text: str) -> list[str]:
    return [str(one.reference) for one in registries.endpoints(ref(text))]


# Which entry


@pytest.mark.parametrize(
    ("prefix", "name", "matches"),
    [
        ("example.com", "example.com/ns/img", True),
        ("example.com", "example.com:5000/ns/img", True),  # as skopeo has it
        ("example.com:5000", "example.com:5000/img", True),
        ("example.com:5000", "example.com/img", False),
        ("example.com:500", "example.com:5000/img", False),
        ("example.com", "example.com.evil.org/img", False),
        ("example.com", "www.example.com/img", False),
        ("example.com/ns", "example.com/ns/img", True),
        ("example.com/ns", "example.com/nsx/img", False),
        ("example.com/ns", "example.com/ns", True),
        ("example.com/ns/img", "example.com/ns/img:1.0", True),
        ("example.com/ns/img", f"example.com/ns/img@{DIGEST}", True),
        ("example.com/ns/img", "example.com/ns/img2", False),
        ("example.com/ns/img:1.0", "example.com/ns/img:1.0", True),
        ("example.com/ns/img:1.0", "example.com/ns/img:1.0.1", False),
        ("example.com/ns/img:latest", "example.com/ns/img", True),
        ("example.com/ns/img:1.0", f"example.com/ns/img:1.0@{DIGEST}", True),
        (f"example.com/img@{DIGEST}", f"example.com/img@{DIGEST}", True),
        (f"example.com/img@{DIGEST}", f"example.com/img:1.0@{DIGEST}", True),
        (f"example.com/img@{DIGEST}", f"example.com/img@{OTHER}", False),
        (f"example.com/img@{DIGEST}", "example.com/img:1.0", False),
        ("*.example.com", "a.example.com/img", True),
        ("*.example.com", "a.b.example.com/img", True),
        ("*.example.com", "a.example.com:5000/img", True),
        ("*.example.com", "a.example.com.example.com/img", True),
        ("*.example.com", "example.com/img", False),
        ("*.example.com", "badexample.com/img", False),
        ("*.example.com", "a.example.com.evil.org/img", False),
        ("*.example.com", "evil.org/a.example.com/img", False),
        ("*.com", "example.com/img", True),
        ("*", "example.com/img", False),
        ("*.", "example.com/img", False),
        ("a.*.com", "a.b.com/img", False),
        ("docker.io", "alpine", True),
        ("docker.io/library", "alpine", True),
        ("docker.io/library/alpine", "docker.io/alpine", True),
        ("docker.io/alpine", "alpine", False),
        ("docker.io/user", "user/img", True),
    ],
)
def test_what_a_prefix_covers(prefix: str, name: str, matches: bool) -> None:
    registries = of(Registry(prefix, "mirror.invalid"))
    found = registries.find(ref(name))
    assert (found is not None) is matches
    if found:
        assert found.prefix == prefix


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("example.com/ns/img:1", "example.com/ns/img:1"),
        ("example.com/ns/img:2", "example.com/ns/img"),
        ("example.com/ns/other", "example.com/ns"),
        ("example.com/other", "example.com"),
        ("www.example.com/x", "*.example.com"),
        ("a.b.example.com/x", "*.b.example.com"),
        ("a.example.com/x", "a.example.com"),  # as long as the wildcard
        ("www.example.com/ns/x", "www.example.com/ns"),
        ("elsewhere.org/x", None),
    ],
)
def test_the_longest_prefix_wins_in_whatever_order_they_come(name: str, expected: str | None) -> None:
    prefixes = [
        "example.com", "example.com/ns", "example.com/ns/img", "example.com/ns/img:1",
        "*.example.com", "*.b.example.com", "a.example.com", "www.example.com/ns",
    ]  # fmt: skip
    for rotation in range(len(prefixes)):
        turned = prefixes[rotation:] + prefixes[:rotation]
        found = of(*(Registry(prefix, "x.invalid") for prefix in turned)).find(ref(name))
        assert (found.prefix if found else None) == expected


def test_a_host_or_a_namespace_is_found_too() -> None:
    registries = of(Registry("example.com", "example.com", insecure=True), Registry("example.com/ns", "example.com/ns"))
    assert registries.is_insecure("example.com")
    assert registries.is_insecure("example.com:5000")
    assert registries.is_insecure("example.com/other")
    assert not registries.is_insecure("example.com/ns")
    assert not registries.is_insecure("elsewhere.org")


# Where from


def test_nothing_configured_leaves_everything_as_it_is() -> None:
    nothing = Registries()
    assert nothing == Registries.merge(())
    assert nothing.credential_helpers == ("containers-auth.json",)
    for name in ("alpine", "example.com/a:1", f"example.com/a@{DIGEST}", f"example.com/a:1@{DIGEST}"):
        assert nothing.find(ref(name)) is None
        assert nothing.endpoints(ref(name)) == (Endpoint(ref(name)),)
        assert nothing.direct(ref(name)) == Endpoint(ref(name))


def test_a_source_is_as_insecure_as_the_mirror_or_location_that_it_is() -> None:
    """As a lock file names them: `insecure` is that of the entry for the image, where the mirror has no entry itself."""
    mirrors = (Mirror("mirror.net:5000", insecure=True, pull="tag-only"), Mirror("safe.net"))
    registries = of(Registry("example.com", "internal.net", insecure=True, mirrors=mirrors))
    image = ref(f"example.com/img:1@{DIGEST}")
    for name, insecure in (
        ("mirror.net:5000/img", True), ("internal.net/img", True), ("safe.net/img", False),
        ("mirror.net:5000/other", False), ("mirror.net/img", False),
    ):  # fmt: skip
        source = ref(f"{name}@{DIGEST}")
        assert registries.endpoints(source) == (Endpoint(source),)
        assert registries.source_endpoints(source, image) == (Endpoint(source, insecure),)
        assert registries.source_endpoints(source, ref("elsewhere.org/img")) == (Endpoint(source),)
    assert [one.insecure for one in registries.source_endpoints(image, image)] == [False, True]


@pytest.mark.parametrize(
    ("prefix", "location", "name", "expected"),
    [
        ("example.com", "example.com", "example.com/img", "example.com/img:latest"),
        ("example.com/foo", "internal.net/bar", "example.com/foo/img:1", "internal.net/bar/img:1"),
        ("example.com/foo", "internal.net/bar", f"example.com/foo/img@{DIGEST}", f"internal.net/bar/img@{DIGEST}"),
        ("example.com/foo", "internal.net/bar", f"example.com/foo/img:1@{DIGEST}", f"internal.net/bar/img:1@{DIGEST}"),
        ("example.com", "internal.net:5000", "example.com/a/b/c", "internal.net:5000/a/b/c:latest"),
        ("example.com", "internal.net", "example.com:5000/img", "internal.net:5000/img:latest"),
        ("example.com", "localhost/x", "example.com/img", "localhost/x/img:latest"),
        ("example.com", "[::1]:5000", "example.com/img", "[::1]:5000/img:latest"),
        ("example.com/a/img", "internal.net/b", "example.com/a/img:1", "internal.net/b:1"),
        ("docker.io", "mirror.gcr.io", "alpine", "mirror.gcr.io/library/alpine:latest"),
        ("docker.io/library", "internal.net/hub", "alpine:3", "internal.net/hub/alpine:3"),
        ("example.com", "docker.io", "example.com/alpine", "docker.io/library/alpine:latest"),
        ("example.com", "docker.io/user", "example.com/alpine", "docker.io/user/alpine:latest"),
        ("example.com", "registry-1.docker.io", "example.com/u/alpine", "docker.io/u/alpine:latest"),
        ("*.example.com", "internal.net/x", "a.b.example.com/ns/img", "internal.net/x/ns/img:latest"),
        ("*.example.com", "internal.net", "a.example.com:5000/img", "internal.net:5000/img:latest"),
        ("*.example.com", "", "a.b.example.com/ns/img", "a.b.example.com/ns/img:latest"),
        ("example.com/img:1", "internal.net/img:2", "example.com/img:1", "internal.net/img:2"),
        ("example.com/img:1", "internal.net/img", "example.com/img:1", "internal.net/img:1"),
        ("example.com/img:1", "internal.net/img:2", f"example.com/img:1@{DIGEST}", f"internal.net/img:2@{DIGEST}"),
        (
            f"example.com/img@{DIGEST}",
            f"internal.net/i@{DIGEST}",
            f"example.com/img@{DIGEST}",
            f"internal.net/i@{DIGEST}",
        ),
        (f"example.com/img@{DIGEST}", "internal.net/i", f"example.com/img:1@{DIGEST}", f"internal.net/i:1@{DIGEST}"),
    ],
)
def test_the_location_takes_the_prefixs_place(prefix: str, location: str, name: str, expected: str) -> None:
    for insecure in (False, True):
        registries = of(Registry(prefix, location, insecure=insecure))
        assert [(str(one.reference), one.insecure, one.is_mirror) for one in registries.endpoints(ref(name))] == [
            (expected, insecure, False)
        ]
        # Nothing but reading goes there.
        assert registries.direct(ref(name)) == Endpoint(ref(name), insecure)


@pytest.mark.parametrize(
    ("prefix", "location", "name", "problem"),
    [
        ("example.com", "internal.net/x", "example.com:5000/img", "invalid reference format"),
        ("*.example.com", "internal.net:80", "a.example.com:5000/img", "invalid reference format"),
        ("example.com/img", "internal.net/img:1", "example.com/img:1", "invalid reference format"),
        ("example.com", "internal.net/UPPER", "example.com/img", "must be lowercase"),
        ("example.com", "a b", "example.com/img", "invalid reference format"),
        ("example.com", "a\nb.net", "example.com/img", "invalid reference format"),
        ("example.com", "internal", "example.com/img", "it has to begin with a registry"),
        ("example.com", "internal/x", "example.com/img", "it has to begin with a registry"),
        ("example.com/img", "internal.net", "example.com/img:1", "it has to begin with a registry"),
        ("example.com/img:1", "internal.net", "example.com/img:1", "it has to begin with a registry"),
        ("example.com", "internal.net/" + "x" * 250, "example.com/img", "not be more than 255"),
    ],
)
def test_a_location_that_makes_no_name_is_an_error(prefix: str, location: str, name: str, problem: str) -> None:
    for registry in (
        Registry(prefix, location, where="F"),
        Registry(prefix, prefix, mirrors=(Mirror(location),), where="F"),
    ):
        with pytest.raises(InvalidInput, match=problem) as caught:
            of(registry).endpoints(ref(name))
        message = str(caught.value)
        assert message.startswith(f"rewriting reference {ref(name)} as {location}".replace("\n", "\\n"))
        assert message.endswith(f'correct the location "{location}" for'.replace("\n", "\\n") + f" {prefix} in F")


def test_a_location_without_a_host_never_becomes_an_image_of_docker_hub() -> None:
    registries = of(Registry("example.com", "internal/cache"))
    with pytest.raises(InvalidInput):
        registries.endpoints(ref("example.com/img"))


MIRRORS = conf("""
[[registry]]
prefix = "example.com/foo"
location = "internal.net/bar"
insecure = true

[[registry.mirror]]
location = "both.local/m"

[[registry.mirror]]
location = "digest.local"
pull-from-mirror = "digest-only"
insecure = true

[[registry.mirror]]
location = "tag.local"
pull-from-mirror = "tag-only"

[[registry]]
location = "strict.com"
mirror-by-digest-only = true
[[registry.mirror]]
location = "strict.local"
""")


@pytest.mark.parametrize(
    ("name", "hosts"),
    [
        ("example.com/foo/img", ["both.local/m", "tag.local", "internal.net/bar"]),
        ("example.com/foo/img:1", ["both.local/m", "tag.local", "internal.net/bar"]),
        (f"example.com/foo/img@{DIGEST}", ["both.local/m", "digest.local", "internal.net/bar"]),
        (f"example.com/foo/img:1@{DIGEST}", ["both.local/m", "digest.local", "internal.net/bar"]),
        ("strict.com/img:1", ["strict.com"]),
        (f"strict.com/img@{DIGEST}", ["strict.local", "strict.com"]),
        (f"strict.com/img:1@{DIGEST}", ["strict.local", "strict.com"]),
    ],
)
def test_mirrors_come_first_those_that_may_serve_the_reference(name: str, hosts: list[str]) -> None:
    end = str(ref(name)).removeprefix("example.com/foo").removeprefix("strict.com")
    found = MIRRORS.endpoints(ref(name))
    assert [str(one.reference) for one in found] == [host + end for host in hosts]
    assert [one.is_mirror for one in found] == [True] * (len(hosts) - 1) + [False]
    insecure = {"digest.local", "internal.net/bar"}
    assert [one.insecure for one in found] == [host in insecure for host in hosts]


def test_a_bare_repository_goes_where_tags_go() -> None:
    found = MIRRORS.endpoints(Reference.parse("example.com/foo/img", default_tag=""))
    assert [str(one.reference) for one in found] == ["both.local/m/img", "tag.local/img", "internal.net/bar/img"]


# Blocked


def test_a_blocked_registry_is_refused_for_everything() -> None:
    registries = conf('[[registry]]\nlocation = "example.com/ns"\nblocked = true\n')
    message = "registry example.com/ns is blocked in one of /etc/containers/registries.conf"
    for attempt in (
        lambda: registries.endpoints(ref("example.com/ns/img")),
        lambda: registries.direct(ref("example.com/ns/img")),
        lambda: registries.is_insecure("example.com/ns"),
    ):
        with pytest.raises(InvalidInput) as caught:
            attempt()
        assert str(caught.value) == message
    assert tried(registries, "example.com/other/img") == ["example.com/other/img:latest"]


def test_of_several_files_the_one_that_blocks_is_named() -> None:
    first = RegistriesFile("A", (Registry("a.org", "a.org", where="A"),))
    second = RegistriesFile("B", (Registry("b.org", "b.org", blocked=True, where="B"),))
    with pytest.raises(InvalidInput, match=r"^registry b\.org is blocked in one of A, B: B says so$"):
        Registries.merge((first, second)).endpoints(ref("b.org/x"))


def test_a_more_precise_entry_opens_what_is_blocked() -> None:
    registries = of(Registry("example.com", "example.com", blocked=True), Registry("example.com/ok", "example.com/ok"))
    assert tried(registries, "example.com/ok/img") == ["example.com/ok/img:latest"]
    with pytest.raises(InvalidInput):
        registries.endpoints(ref("example.com/img"))


def test_a_blocked_registry_is_still_read_from_its_mirrors_alone() -> None:
    registries = of(
        Registry("example.com", "example.com", blocked=True, mirrors=(Mirror("m.local", pull="digest-only"),))
    )
    found = registries.endpoints(ref(f"example.com/img@{DIGEST}"))
    assert found == (Endpoint(ref(f"m.local/img@{DIGEST}"), is_mirror=True),)
    with pytest.raises(InvalidInput, match="blocked"):
        registries.endpoints(ref("example.com/img:1"))
    with pytest.raises(InvalidInput, match="blocked"):
        registries.direct(ref("example.com/img"))


def test_a_mirror_or_location_that_is_blocked_itself_is_left_out() -> None:
    registries = of(
        Registry("a.org", "b.org", mirrors=(Mirror("blocked.org"), Mirror("m.org"))),
        Registry("blocked.org", "blocked.org", blocked=True),
    )
    assert tried(registries, "a.org/x") == ["m.org/x:latest", "b.org/x:latest"]
    moved = of(Registry("a.org", "blocked.org"), Registry("blocked.org", "blocked.org", blocked=True))
    with pytest.raises(InvalidInput, match=r"registry blocked\.org is blocked"):
        moved.endpoints(ref("a.org/x"))


def test_blocked_counts_for_the_prefix_wherever_its_location_is() -> None:
    with pytest.raises(InvalidInput, match=r"registry a\.org is blocked"):
        of(Registry("a.org", "b.org", blocked=True)).endpoints(ref("a.org/x"))


# Several files


def test_later_files_replace_whole_registries_and_single_keys() -> None:
    main = registries_toml.parse(
        """
        unqualified-search-registries = ["a.org", "b.org"]
        credential-helpers = ["secretservice"]
        short-name-mode = "enforcing"
        [[registry]]
        location = "one.org"
        insecure = true
        [[registry.mirror]]
        location = "m.org"
        [[registry]]
        location = "two.org"
        [aliases]
        x = "a.org/x"
        y = "a.org/y"
        """,
        "main",
    )
    drop_in = registries_toml.parse(
        """
        credential-helpers = []
        [[registry]]
        location = "one.org"
        [[registry]]
        prefix = "nine.org"
        location = "one.org"
        [aliases]
        x = ""
        z = "a.org/z"
        """,
        "drop-in",
    )
    merged = Registries.merge((main, drop_in))
    assert merged.registries == (
        Registry("nine.org", "one.org", where="drop-in"),
        Registry("one.org", "one.org", where="drop-in"),
        Registry("two.org", "two.org", where="main"),
    )
    assert merged.unqualified_search == ("a.org", "b.org")
    assert merged.credential_helpers == ("containers-auth.json",)
    assert merged.short_name_mode == "enforcing"
    assert merged.aliases == {"y": "a.org/y", "z": "a.org/z"}
    assert merged.files == ("main", "drop-in")
    other_way = Registries.merge((drop_in, main))
    assert other_way.credential_helpers == ("secretservice",)
    assert other_way.aliases == {"x": "a.org/x", "y": "a.org/y", "z": "a.org/z"}
    assert other_way.find("one.org") == main.registries[0]


def test_an_empty_search_list_empties_an_earlier_one() -> None:
    first = registries_toml.parse('unqualified-search-registries = ["a.org"]', "A")
    for text, expected in (("unqualified-search-registries = []", ()), ("", ("a.org",)), ("bogus = 1", ("a.org",))):
        assert Registries.merge((first, registries_toml.parse(text, "B"))).unqualified_search == expected


# Laws

_HOSTS = ["example.com", "a.example.com", "b.a.example.com", "example.com:5000", "localhost"]
_PREFIXES = [
    *_HOSTS,
    "*.example.com",
    "*.a.example.com",
    "*.com",
    *(f"{host}/ns" for host in _HOSTS),
    "example.com/ns/img",
]
_REFERENCES = st.builds(
    lambda host, path, end: ref(f"{host}/{path}{end}"),
    st.sampled_from(_HOSTS),
    st.sampled_from(["img", "ns/img", "ns/img/x", "nsx/img"]),
    st.sampled_from(["", ":1", f"@{DIGEST}", f":1@{DIGEST}"]),
)
_MIRRORS = st.builds(
    Mirror,
    st.sampled_from(["m1.local/m", "m2.local/m/n"]),
    st.booleans(),
    st.sampled_from(["all", "digest-only", "tag-only"]),
)
_REGISTRIES = st.lists(
    st.builds(
        Registry,
        st.sampled_from(_PREFIXES),
        st.sampled_from(["r1.local/p", "r2.local:80/p/q"]),
        st.booleans(),
        st.just(False),
        st.booleans(),
        st.lists(_MIRRORS, max_size=4).map(tuple),
    ),
    max_size=6,
    unique_by=lambda one: one.prefix,
)


@given(_REGISTRIES, _REFERENCES)
def test_an_image_keeps_its_tag_and_digest_and_ends_with_the_registry_itself(
    entries: list[Registry], reference: Reference
) -> None:
    assume(":" not in reference.registry)  # skopeo's quirk: a prefix without the port makes no name of it
    registries = of(*entries)
    *mirrors, primary = registries.endpoints(reference)
    found = registries.find(reference)
    assert not primary.is_mirror
    assert all(one.is_mirror for one in mirrors)
    for one in (*mirrors, primary):
        assert (one.reference.tag, one.reference.digest) == (reference.tag, reference.digest)
    if found is None:
        assert (mirrors, primary) == ([], Endpoint(reference))
    else:
        assert primary.insecure is found.insecure
        locations = iter(mirror.location for mirror in found.mirrors)
        for one in mirrors:  # in the order of the file: what was passed is gone from the iterator
            assert any(one.reference.name.startswith(location) for location in locations)


@given(_REGISTRIES, _REFERENCES)
def test_what_is_found_does_not_depend_on_the_order_of_the_file(entries: list[Registry], reference: Reference) -> None:
    found = {of(*order).find(reference) for order in itertools.islice(itertools.permutations(entries), 24)}
    assert len(found) == 1


@given(st.lists(_REGISTRIES.map(lambda entries: RegistriesFile("F", tuple(entries))), max_size=4))
def test_merging_is_sorted_unique_and_the_last_word_counts(files: list[RegistriesFile]) -> None:
    merged = Registries.merge(files)
    prefixes = [one.prefix for one in merged.registries]
    assert prefixes == sorted(set(prefixes))
    for one in merged.registries:
        last = [entry for file in files for entry in file.registries if entry.prefix == one.prefix][-1]
        assert one is last
