"""Changing a file of credentials: what stays, what goes, and how it is written."""

from __future__ import annotations

import json

import pytest

from pyskopeo.credentials.authfile import AuthFile, Credentials
from pyskopeo.credentials.authfile_edit import AuthDocument
from pyskopeo.credentials.authkey import AuthKey
from pyskopeo.errors import CredentialsFailed, InvalidInput

USER = Credentials("user", "pass")
AUTH = "dXNlcjpwYXNz"
HUB = "https://index.docker.io/v1/"


def key(text: str = "quay.io") -> AuthKey:
    return AuthKey.parse(text)


def document(text: str = "", *, docker: bool = False) -> AuthDocument:
    return AuthDocument.parse(text, "auth.json", docker=docker)


def put(text: str, where: str, *, docker: bool = False, credentials: Credentials | None = USER) -> str:
    changed = document(text, docker=docker)
    changed.put(key(where), credentials)
    return changed.text()


# --- writing ---


def test_a_new_file_is_what_skopeo_writes() -> None:
    assert put("", "quay.io") == f'{{\n\t"auths": {{\n\t\t"quay.io": {{\n\t\t\t"auth": "{AUTH}"\n\t\t}}\n\t}}\n}}'
    assert put("\ufeff \n", "quay.io/org") == put("", "quay.io/org")


def test_entries_are_sorted_and_unknown_ones_stay() -> None:
    before = {
        "HttpHeaders": {"b": "<&>", "a": [1, 2.5, None, True]},
        "auths": {"z.io": {"email": "e", "auth": "YTpi"}, "a.io": {}, "m.io": None},
        "credHelpers": {"y.io": "y", "b.io": "b"},
    }
    after = put(json.dumps(before), "quay.io")
    assert json.loads(after) == {
        **before,
        "auths": {"z.io": {"email": "e", "auth": "YTpi"}, "a.io": {}, "m.io": {}, "quay.io": {"auth": AUTH}},
    }
    assert list(json.loads(after)) == ["auths", "credHelpers", "HttpHeaders"]
    assert list(json.loads(after)["auths"]) == ["a.io", "m.io", "quay.io", "z.io"]
    assert list(json.loads(after)["auths"]["z.io"]) == ["auth", "email"]
    assert list(json.loads(after)["credHelpers"]) == ["b.io", "y.io"]
    assert "\\u003c\\u0026\\u003e" in after
    assert not after.endswith("\n")
    # What is written is read again, and written the same.
    assert document(after).text() == after


def test_values_that_look_like_indentation_stay() -> None:
    text = json.dumps({"auths": {}, "x": "\n   two\n  lines", "  key": "  "})
    assert json.loads(document(text).text()) == json.loads(text)


def test_a_login_replaces_the_whole_entry() -> None:
    before = json.dumps({"auths": {"quay.io": {"auth": "YTpi", "identitytoken": "t", "email": "e"}}})
    assert json.loads(put(before, "quay.io"))["auths"] == {"quay.io": {"auth": AUTH}}


def test_an_identity_token() -> None:
    text = put("", "quay.io", credentials=Credentials(identity_token="t"))
    assert AuthFile.parse(text, "x").lookup("quay.io") == Credentials(identity_token="t")


@pytest.mark.parametrize("user", ["user", "üser <&>", "a@b/c"])
@pytest.mark.parametrize("password", ["pass", "a:b:c", "pä\u2028ss", " blank "])
def test_what_is_kept_is_found(user: str, password: str) -> None:
    for name in ("quay.io", "quay.io/org", "docker.io", "docker.io/org", "index.docker.io"):
        text = put("", name, credentials=Credentials(user, password))
        found = AuthFile.parse(text, "x").lookup(key(name).host, key(name).namespace)
        assert found == Credentials(user, password)


def test_a_user_with_a_colon() -> None:
    with pytest.raises(InvalidInput, match="colon"):
        put("", "quay.io", credentials=Credentials("a:b", "hunter2"))


def test_fields_in_another_case_are_the_same_fields() -> None:
    text = put(json.dumps({"Auths": {"a.io": {"auth": "YTpi"}}, "CREDHELPERS": {"b.io": "b"}}), "quay.io")
    assert json.loads(text) == {"auths": {"a.io": {"auth": "YTpi"}, "quay.io": {"auth": AUTH}}, "credHelpers": {"b.io": "b"}}


@pytest.mark.parametrize("text", ["[]", "{", '{"auths": []}', '{"auths": {"a": 5}}', '{"auths": {}, "x": 1e999}'])
def test_a_damaged_file_is_not_written_again(text: str) -> None:
    with pytest.raises(CredentialsFailed, match="auth.json"):
        put(text, "quay.io")


# --- docker's format ---


def test_dockers_file_keeps_its_fields_sorted() -> None:
    before = json.dumps({"psFormat": "x", "auths": {"z": {"auth": "YTpi"}}, "credHelpers": {"z": "1", "a": "2"}, "Zeta": 1})
    after = put(before, "quay.io", docker=True)
    assert list(json.loads(after)) == ["Zeta", "auths", "credHelpers", "psFormat"]
    assert list(json.loads(after)["credHelpers"]) == ["z", "a"]
    assert list(json.loads(after)["auths"]) == ["quay.io", "z"]


@pytest.mark.parametrize("name", ["docker.io", "index.docker.io", HUB, "registry-1.docker.io"])
def test_docker_hub_is_kept_under_its_address(name: str) -> None:
    text = put("", name, docker=True)
    assert list(json.loads(text)["auths"]) == [HUB]
    assert AuthFile.parse(text, "x").lookup("docker.io", "library/x") == USER


def test_docker_knows_no_namespaces() -> None:
    with pytest.raises(InvalidInput, match='namespaced key "quay.io/org"'):
        put("", "quay.io/org", docker=True)
    with pytest.raises(InvalidInput, match='namespaced key "quay.io/org"'):
        document(docker=True).remove(key("quay.io/org"))


# --- removing ---


def test_removing_takes_all_spellings_of_a_host_and_no_namespace() -> None:
    entries = {name: {"auth": AUTH} for name in ("quay.io", "https://quay.io/v1/", "quay.io/org", "other.io")}
    changed = document(json.dumps({"auths": entries, "x": 1}))
    assert changed.remove(key())
    assert json.loads(changed.text()) == {"auths": {"quay.io/org": {"auth": AUTH}, "other.io": {"auth": AUTH}}, "x": 1}
    assert not changed.remove(key())
    assert changed.remove(key("quay.io/org"))
    assert list(changed.entries) == ["other.io"]


@pytest.mark.parametrize("docker", [False, True])
@pytest.mark.parametrize("name", ["docker.io", HUB, "index.docker.io"])
def test_removing_docker_hub(name: str, docker: bool) -> None:
    changed = document(json.dumps({"auths": {name: {"auth": AUTH}, "a": {}}}), docker=docker)
    assert changed.remove(key("docker.io"))
    assert list(changed.entries) == ["a"]


def test_clearing() -> None:
    text = json.dumps({"auths": {"a": {}}, "credHelpers": {"b": "x"}, "other": 1})
    changed = document(text)
    changed.clear()
    assert changed.text() == '{\n\t"auths": {},\n\t"other": 1\n}'
    changed = document(text, docker=True)
    changed.clear()
    assert json.loads(changed.text()) == {"auths": {}, "credHelpers": {"b": "x"}, "other": 1}


# --- helpers ---


def test_which_helper_keeps_a_login() -> None:
    found = document(json.dumps({"credHelpers": {"a.io": "own", "b.io": "", "docker.io": "hub"}, "credsStore": "all"}))
    assert found.helper(key("a.io")) == ("own", False)
    assert found.helper(key("b.io")) is None
    assert found.helper(key("c.io/org")) == ("all", True)
    assert found.helper(key(HUB)) == ("hub", False)
    assert document().helper(key("a.io")) is None


def test_who_may_be_known_to_helpers() -> None:
    text = json.dumps({"auths": {"c.io": {}}, "credHelpers": {"a.io": "own", "b.io": "", "docker.io": "hub"}, "credsStore": "all"})
    assert document(text).helper_servers() == [("own", ("a.io",)), ("hub", (HUB, "docker.io")), ("all", ("c.io",))]


def test_no_repr_shows_a_secret() -> None:
    assert AUTH not in repr(document(put("", "quay.io")))
