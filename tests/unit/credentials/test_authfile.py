"""Files of credentials: what matches, in which order, and what no error ever shows."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from pyskopeo.credentials.authfile import AuthFile, Credentials, Helper, locations
from pyskopeo.errors import CredentialsFailed

HUB = "https://index.docker.io/v1/"


def auth(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def lookup(document: object, registry: str = "quay.io", repository: str = "a/b/c") -> Credentials | Helper | None:
    return AuthFile.parse(json.dumps(document), "auth.json").lookup(registry, repository)


def user_of(document: object, registry: str = "quay.io", repository: str = "a/b/c") -> str | None:
    found = lookup(document, registry, repository)
    assert not isinstance(found, Helper)
    return found.username if found else None


@pytest.mark.parametrize("text", ["", "  \n", "\ufeff", "{}", '\ufeff{"auths": {}}', '{"auths": null}'])
def test_a_file_with_nothing_in_it_is_no_error(text: str) -> None:
    assert AuthFile.parse(text, "auth.json").lookup("quay.io", "a") is None
    assert AuthFile.legacy("\ufeff", ".dockercfg").lookup("quay.io", "a") is None


def test_unknown_fields_and_other_peoples_damage_do_not_matter() -> None:
    document = {
        "auths": {"quay.io": {**auth("u", "p"), "email": "x", "new": 1}, "other": {"auth": "***"}},
        "HttpHeaders": {"User-Agent": "x"},
        "proxies": [],
    }
    assert lookup(document) == Credentials("u", "p")


def test_names_of_fields_match_in_any_case() -> None:
    assert lookup({"AUTHS": {"quay.io": {"Auth": auth("u", "p")["auth"]}}}) == Credentials("u", "p")
    assert lookup({"credhelpers": {"quay.io": "x"}}) == Helper("x", ("quay.io",))


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        (["quay.io", "quay.io/a", "quay.io/a/b", "quay.io/a/b/c"], "quay.io/a/b/c"),
        (["quay.io", "quay.io/a", "quay.io/a/b"], "quay.io/a/b"),
        (["quay.io", "quay.io/a"], "quay.io/a"),
        (["https://quay.io/v2/", "quay.io"], "quay.io"),
        (["quay.io/a/b/c/d", "quay.io/ab", "quay.io/x", "quay.io.evil", "xquay.io", "quay.io:443"], None),
        (["https://quay.io"], "https://quay.io"),
        (["http://quay.io/v1/"], "http://quay.io/v1/"),
        (["https://QUAY.io/some/path"], "https://QUAY.io/some/path"),
        (["quay.io/v2/"], "quay.io/v2/"),
        (["quay.io/"], "quay.io/"),
        # A namespace is no address: its password is not for its neighbours.
        (["quay.io/v2"], None),
        (["quay.io/other"], None),
        (["https://quay.io.evil/quay.io"], None),
    ],
)
def test_the_longest_namespace_wins_and_then_addresses(keys: list[str], wanted: str | None) -> None:
    assert user_of({"auths": {key: auth(key.replace(":", ""), "p") for key in keys}}) == (
        wanted.replace(":", "") if wanted else None
    )


@pytest.mark.parametrize(
    "key", ["docker.io", HUB, "index.docker.io", "registry-1.docker.io", "https://registry-1.docker.io/v2/", "index.docker.io/v1/"]
)
@pytest.mark.parametrize("registry", ["docker.io", "index.docker.io", "registry-1.docker.io"])
def test_docker_hub_has_many_names(key: str, registry: str) -> None:
    assert user_of({"auths": {"https://docker.io.evil": auth("no", "no"), key: auth("u", "p")}}, registry, "library/x") == "u"


def test_a_namespace_of_docker_hub() -> None:
    document = {"auths": {HUB: auth("all", "p"), "docker.io/library": auth("lib", "p")}}
    assert user_of(document, "docker.io", "library/x") == "lib"
    assert user_of(document, "registry-1.docker.io", "library/x") == "lib"
    assert user_of(document, "docker.io", "team/x") == "all"


def test_ports_count() -> None:
    document = {"auths": {"localhost:5000": auth("u", "p")}}
    assert user_of(document, "localhost:5000", "a") == "u"
    assert user_of(document, "localhost:5001", "a") is None
    assert user_of(document, "localhost", "a") is None


def test_a_whole_registry() -> None:
    assert user_of({"auths": {"quay.io/a": auth("no", "p"), "quay.io": auth("u", "p")}}, repository="") == "u"


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        (auth("u", "p:a:s"), Credentials("u", "p:a:s")),
        (auth("u", "pä"), Credentials("u", "pä")),
        (auth("u", "p\0\0"), Credentials("u", "p")),
        ({"auth": auth("u", "p" * 80)["auth"][:40] + "\r\n" + auth("u", "p" * 80)["auth"][40:]}, Credentials("u", "p" * 80)),
        ({"username": "u", "password": "p"}, Credentials("u", "p")),
        ({**auth("u", "p"), "username": "x", "password": "y"}, Credentials("u", "p")),
        ({"auth": "", "username": "u", "password": "p"}, Credentials("u", "p")),
        ({"auth": base64.b64encode(b"u").decode(), "password": "p", "username": "u"}, Credentials("u", "p")),
        ({"identitytoken": "t"}, Credentials(identity_token="t")),
        ({**auth("u", ""), "identitytoken": "t"}, Credentials("u", "", "t")),
        ({**auth("u", "p"), "identitytoken": "t"}, Credentials("u", "p", "t")),
        ({}, None),
        (None, None),
        ({"auth": None, "email": "x"}, None),
        (auth("u", ""), None),
        (auth("", "p"), None),
        ({"auth": base64.b64encode(b"no colon").decode()}, None),
        ({"username": "u"}, None),
        ({"password": "p"}, None),
    ],
)
def test_what_an_entry_may_look_like(entry: object, wanted: Credentials | None) -> None:
    assert lookup({"auths": {"quay.io": entry}}) == wanted
    assert AuthFile.legacy(json.dumps({"https://quay.io/v1/": entry}), "x").lookup("quay.io", "a/b") == wanted


def test_an_entry_without_anything_lets_the_next_one_match() -> None:
    assert user_of({"auths": {"quay.io/a/b": {}, "quay.io": auth("u", "p")}}) == "u"
    assert user_of({"auths": {"quay.io": {}, "https://quay.io": auth("u", "p")}}) == "u"


def test_a_helper_for_the_host_comes_first() -> None:
    document = {"auths": {"quay.io/a/b/c": auth("u", "p")}, "credHelpers": {"quay.io": "ecr-login"}, "credsStore": "s"}
    assert lookup(document) == Helper("ecr-login", ("quay.io",))
    assert lookup(document, "ghcr.io") == Helper("s", ("ghcr.io",))


@pytest.mark.parametrize("key", ["docker.io", "index.docker.io", HUB])
def test_docker_hub_is_asked_for_by_dockers_key_first(key: str) -> None:
    assert lookup({"credHelpers": {key: "x"}}, "docker.io") == Helper("x", (HUB, "docker.io"))


@pytest.mark.parametrize("auths", [{}, {"quay.io": {}}, {"ghcr.io": auth("u", "p")}])
def test_the_store_comes_last(auths: dict[str, Any]) -> None:
    assert lookup({"auths": auths, "credsStore": "desktop"}) == Helper("desktop", ("quay.io",))


def test_an_entry_beats_the_store() -> None:
    assert user_of({"auths": {"quay.io": auth("u", "p")}, "credsStore": "desktop"}) == "u"


def test_an_empty_helper_exempts_a_host_from_the_store() -> None:
    document = {"auths": {"quay.io": auth("u", "p")}, "credHelpers": {"quay.io": "", "ghcr.io": ""}, "credsStore": "s"}
    assert user_of(document) == "u"
    assert lookup(document, "ghcr.io") is None


def test_the_legacy_format_knows_no_namespaces() -> None:
    file = AuthFile.legacy(json.dumps({"quay.io/a": auth("u", "p"), "auths": {}}), ".dockercfg")
    assert file.lookup("quay.io", "z") == Credentials("u", "p")
    assert file.lookup("ghcr.io", "a") is None
    file = AuthFile.legacy(json.dumps({"quay.io/a": auth("no", "p"), "quay.io": auth("u", "p")}), ".dockercfg")
    assert file.lookup("quay.io", "a") == Credentials("u", "p")


SECRET = "hunter2hunter2"


@pytest.mark.parametrize(
    "text",
    [
        f'{{"auths": {{"quay.io": {{"auth": "{SECRET}',
        f'"{SECRET}"',
        f'["{SECRET}"]',
        f'{{"auths": "{SECRET}"}}',
        f'{{"auths": {{"{SECRET}": "{SECRET}"}}}}',
        f'{{"auths": {{"{SECRET}": {{"auth": ["{SECRET}"]}}}}}}',
        f'{{"auths": {{"{SECRET}": {{"identitytoken": {{"{SECRET}": 1}}}}}}}}',
        f'{{"credHelpers": ["{SECRET}"]}}',
        f'{{"credHelpers": {{"{SECRET}": 5}}}}',
        f'{{"credsStore": ["{SECRET}"]}}',
        "[" * 100_000,
        '{"x": ' + "9" * 5000 + "}",
    ],
)
def test_a_damaged_file_is_named_and_not_quoted(text: str) -> None:
    with pytest.raises(CredentialsFailed) as caught:
        AuthFile.parse(text, "/home/u/auth.json")
    message = str(caught.value)
    assert message.startswith("/home/u/auth.json: ")
    assert "\n" not in message
    assert SECRET not in message
    assert len(message) < 200
    assert caught.value.__context__ is None or caught.value.__suppress_context__


@pytest.mark.parametrize(
    "entry",
    [
        {"auth": f"***{SECRET}"},
        {"auth": SECRET[:-1]},
        {"auth": "*" + auth("u", SECRET)["auth"]},
        {"auth": base64.b64encode(b"u:\xff\xfe" + SECRET.encode()).decode()},
        {"username": "u", "password": f"\ud800{SECRET}"},
    ],
)
def test_a_damaged_entry_is_an_error_for_its_host_alone(entry: dict[str, str]) -> None:
    document = {"auths": {"quay.io": entry, "ghcr.io": auth("u", "p")}}
    assert user_of(document, "ghcr.io") == "u"
    with pytest.raises(CredentialsFailed, match=r"^auth\.json: the entry for quay\.io: ") as caught:
        lookup(document)
    assert SECRET not in str(caught.value)


def test_no_repr_shows_a_secret() -> None:
    found = Credentials("u", SECRET, SECRET)
    assert repr(found) == "Credentials(username='u', password=<hidden>, identity_token=<hidden>)"
    assert repr(Credentials("u")) == "Credentials(username='u')"
    document = {"auths": {SECRET: {"username": SECRET, "password": SECRET, "auth": SECRET}}}
    file = AuthFile.parse(json.dumps(document), "x")
    assert SECRET not in repr(file)
    assert all(SECRET not in repr(entry) for entry in file.entries.values())


HOME = Path("/home/u")


@pytest.mark.parametrize(
    ("environ", "platform", "wanted"),
    [
        ({}, "linux", ["/run/containers/7/auth.json", ".config/containers/auth.json", ".docker/config.json", ".dockercfg"]),
        (
            {"XDG_RUNTIME_DIR": "/r", "XDG_CONFIG_HOME": "/c", "DOCKER_CONFIG": "/d"},
            "linux",
            ["/r/containers/auth.json", "/c/containers/auth.json", "/d/config.json", ".dockercfg"],
        ),
        (
            {"XDG_RUNTIME_DIR": "", "XDG_CONFIG_HOME": "", "DOCKER_CONFIG": ""},
            "linux",
            ["/run/containers/7/auth.json", ".config/containers/auth.json", ".docker/config.json", ".dockercfg"],
        ),
        ({"XDG_RUNTIME_DIR": "/r"}, "darwin", [".config/containers/auth.json", ".docker/config.json", ".dockercfg"]),
        (
            {"XDG_CONFIG_HOME": "/c", "REGISTRY_AUTH_FILE": "/no"},
            "darwin",
            [".config/containers/auth.json", "/c/containers/auth.json", ".docker/config.json", ".dockercfg"],
        ),
    ],
)
def test_where_credentials_are_kept(environ: dict[str, str], platform: str, wanted: list[str]) -> None:
    assert locations(environ, HOME, 7, platform) == tuple(HOME / path for path in wanted)
