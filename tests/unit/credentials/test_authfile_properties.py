"""Auth files of any shape: what they say is found again, and no error repeats a part of them."""

from __future__ import annotations

import base64
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pyskopeo.credentials.authfile import AuthFile, Credentials, Helper
from pyskopeo.credentials.authfile_edit import AuthDocument
from pyskopeo.credentials.authkey import AuthKey
from pyskopeo.errors import CredentialsFailed

SECRET = "s3cr3t-and-long"
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
users = texts.filter(lambda user: ":" not in user and user.strip("\0"))
passwords = texts.filter(lambda password: password.strip("\0") == password)
hosts = st.sampled_from(["quay.io", "ghcr.io", "localhost:5000", "docker.io", "registry.example.com"])
paths = st.lists(st.sampled_from("abc"), max_size=3).map("/".join)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.just(SECRET), texts)
values = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)), max_leaves=8
)
names = st.sampled_from(["auths", "Auths", "credHelpers", "credsStore", "auth", "identitytoken", "username", "quay.io", SECRET])


def entry(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


@given(hosts, paths, users, passwords, st.dictionaries(texts.filter(lambda key: "/" not in key and "." not in key), st.just({})))
def test_what_is_written_is_found(host: str, path: str, user: str, password: str, others: dict[str, Any]) -> None:
    key = f"{host}/{path}" if path else host
    document = {"auths": {**others, key: entry(user, password)}}
    file = AuthFile.parse(json.dumps(document), "x")
    assert file.lookup(host, f"{path}/repository" if path else "repository") == Credentials(user, password)


@given(hosts, paths, paths, users, passwords)
def test_a_namespace_is_for_what_is_below_it(host: str, path: str, other: str, user: str, password: str) -> None:
    key = f"{host}/{path}" if path else host
    file = AuthFile.parse(json.dumps({"auths": {key: entry(user, password)}}), "x")
    repository = f"{other}/x" if other else "x"
    below = not path or f"{repository}/".startswith(f"{path}/")
    assert (file.lookup(host, repository) is not None) == below
    assert file.lookup("elsewhere.example", repository) is None


@given(hosts, users, passwords)
def test_a_login_is_found_and_a_logout_removes_it(host: str, user: str, password: str) -> None:
    document = AuthDocument.parse("{}", "x")
    key = AuthKey.parse(host)
    document.put(key, Credentials(user, password))
    assert AuthFile.parse(document.text(), "x").lookup(host, "a") == Credentials(user, password)
    assert document.remove(key)
    assert AuthFile.parse(document.text(), "x").lookup(host, "a") is None


@given(st.dictionaries(names, st.one_of(values, st.dictionaries(hosts, st.dictionaries(names, values)))))
def test_any_document_is_taken_or_refused_without_a_part_of_it(document: dict[str, Any]) -> None:
    for parse in (AuthFile.parse, AuthFile.legacy):
        try:
            found = parse(json.dumps(document), "auth.json").lookup("quay.io", "a/b")
        except CredentialsFailed as error:
            assert SECRET not in str(error)
            assert str(error).startswith("auth.json")
            assert str(error).isprintable()
        else:
            assert found is None or isinstance(found, Credentials | Helper)
            assert SECRET not in repr(found) or isinstance(found, Helper) or found.username == SECRET


@given(st.text(max_size=60))
def test_any_text_is_taken_or_refused_without_a_part_of_it(text: str) -> None:
    try:
        AuthFile.parse(text + SECRET, "auth.json")
    except CredentialsFailed as error:
        assert SECRET not in str(error)
