"""Bazel's credential helpers: which one is asked, what it may say, and for how long that is good."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from pyskopeo.credentials.authfile import Credentials
from pyskopeo.credentials.bazel_helper import HeaderHelper, HelperHeaders, host_and_repository
from pyskopeo.credentials.keychain import Keychain
from pyskopeo.errors import CredentialsFailed
from tests.support.helper_programs import HelperPrograms, command_lines_seen

pytestmark = pytest.mark.anyio

BASIC = "Basic " + base64.b64encode(b"user:hunter2").decode()
URI = "https://registry.example.com/v2/a/b/manifests/v1"


def answer(headers: dict[str, Any] | None = None, **more: Any) -> str:
    return json.dumps({"headers": headers or {}, **more})


def bearer(token: str = "hunter2", **more: Any) -> str:
    return answer({"Authorization": [f"Bearer {token}"]}, **more)


def in_seconds(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def sent(found: HelperHeaders | None) -> dict[str, str]:
    """The headers that a request carries."""
    assert found is not None
    return dict(found.headers)


class Place:
    """A helper ``helper`` that counts its runs, and keychains over it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.helpers = HelperPrograms(root / "bin")
        self.warnings: list[str] = []

    def says(self, *answers: str, also: str = "", name: str = "helper") -> Path:
        """What the helper says at each run, the last for ever."""
        for number, text in enumerate(answers, 1):
            (self.helpers.folder / f"answer{number}").write_text(text)
        return self.helpers.shell(
            name,
            "cat >> $OUT/asked; echo >> $OUT/asked; runs=$(wc -l < $OUT/asked); "
            f"{also}\n[ $runs -gt {len(answers)} ] && runs={len(answers)}; cat $OUT/answer$runs",
        )

    @property
    def asked(self) -> list[str]:
        return [json.loads(line)["uri"] for line in self.helpers.said("asked").splitlines()]

    def keychain(self, *helpers: str, **options: Any) -> Keychain:
        chosen = tuple(map(HeaderHelper.parse, helpers or ("registry.example.com=helper",)))
        values: dict[str, Any] = {
            "environ": {**self.helpers.environ, "XDG_RUNTIME_DIR": str(self.root / "run")},
            "home": self.root / "home",
            "warn": self.warnings.append,
            "helper_timeout": 5.0,
            "header_helpers": chosen,
        }
        return Keychain(**{**values, **options})


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


# --- which helper ---


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("https://h/v2/a/b/manifests/v1", ("h:", "a/b")),
        ("https://h:443/v2/a/b/tags/list?n=1", ("h:", "a/b")),
        ("http://h:443/v2/a/blobs/sha256:0", ("h:443", "a")),
        ("https://H:5000/v2/a/blobs/uploads/", ("h:5000", "a")),
        ("https://h/v2/a/manifests/b/tags/list", ("h:", "a/manifests/b")),
        ("https://h/v2/", ("h:", "")),
        ("https://h/other", ("h:", "")),
    ],
)
def test_what_an_answer_is_good_for(uri: str, place: tuple[str, str]) -> None:
    assert host_and_repository(uri) == place


# --- what it says ---


async def test_headers_are_had_by_standard_input_and_output(place: Place) -> None:
    place.says(
        answer({"authorization": ["Bearer hunter2"], "docker-distribution-api-version": ["registry/2.0"], "X-Many": ["a", "b"]}, other=1),
        also='printf "%s|" "$@" > $OUT/argv; sleep 0.1',
    )
    seen: list[str] = []
    with command_lines_seen(seen):
        found = await place.keychain().headers(URI)
    assert sent(found) == {
        "Authorization": "Bearer hunter2", "Docker-Distribution-Api-Version": "registry/2.0", "X-Many": "a, b",
    }  # fmt: skip
    assert place.helpers.said("argv") == "get|"
    assert place.asked == [URI]
    assert not any("hunter2" in line for line in seen)


@pytest.mark.parametrize("text", ["{}", answer(), '{"headers": null}', answer(expires="2030-01-01T00:00:00Z")])
async def test_a_helper_that_has_nothing(place: Place, text: str) -> None:
    place.says(text)
    keychain = place.keychain(strict=True)
    assert await keychain.headers(URI) is None
    assert await keychain.resolve("registry.example.com", "a/b") is None
    assert place.warnings == []


@pytest.mark.parametrize("uri", ["https://other.example.com/v2/a/manifests/v1", "ftp://registry.example.com/", "/v2/", "", "https://[", "https://registry.example.com:x/"])
async def test_nobody_is_asked_about_other_hosts(place: Place, uri: str) -> None:
    place.says(bearer())
    assert await place.keychain().headers(uri) is None
    assert place.asked == []


@pytest.mark.parametrize("given", [{"anonymous": True}, {"credentials": Credentials("me", "p")}, {"registry_token": "t"}])
async def test_what_the_caller_gave_settles_it(place: Place, given: dict[str, Any]) -> None:
    place.says(bearer())
    keychain = place.keychain(**given)
    assert await keychain.headers(URI) is None
    if "registry_token" not in given:
        assert await keychain.resolve("registry.example.com") == given.get("credentials")
    assert place.asked == []


FAILURES = {
    "status": ("", "echo hunter2; echo no vault >&2; exit 3", "failed with status 3: no vault$"),
    "silence": ("", "", "did not answer with a JSON object$"),
    "list": ('["hunter2"]', "", "did not answer with a JSON object$"),
    "headers": ('{"headers": ["hunter2"]}', "", "headers is not an object$"),
    "string": ('{"headers": {"Authorization": "hunter2"}}', "", "the header Authorization is not a list of strings$"),
    "empty": ('{"headers": {"Authorization": []}}', "", "is not a list of strings$"),
    "number": ('{"headers": {"Authorization": [5]}}', "", "is not a list of strings$"),
    "two": ('{"headers": {"Authorization": ["hunter2", "b"]}}', "", "gave 2 values for Authorization"),
    "line end": ('{"headers": {"Authorization": ["hunter2\\r\\nX: y"]}}', "", "holds what cannot be sent$"),
    "not ascii": ('{"headers": {"Authorization": ["hunter2\\u00e4"]}}', "", "holds what cannot be sent$"),
    "name": ('{"headers": {"A b": ["hunter2"]}}', "", "which is not for it to set$"),
    "host": ('{"headers": {"HOST": ["hunter2"]}}', "", "the header 'HOST', which is not for it to set$"),
    "length": ('{"headers": {"content-length": ["0"]}}', "", "which is not for it to set$"),
    "no zone": (bearer(expires="2030-01-01T00:00:00"), "", "expires is not a time as RFC 3339 writes it$"),
    "no time": (bearer(expires="soon"), "", "expires is not a time"),
    "seconds": (bearer(expires=300), "", "expires is not a time"),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_a_failing_helper_is_a_warning_or_when_strict_an_error(place: Place, name: str) -> None:
    text, also, message = FAILURES[name]
    place.says(text, also=also)
    keychain = place.keychain()
    for _ in range(3):
        assert await keychain.headers(URI) is None
    (warning,) = place.warnings
    strict = place.keychain(strict=True)
    with pytest.raises(CredentialsFailed, match=message) as caught:
        await strict.headers(URI)
    with pytest.raises(CredentialsFailed):
        await strict.resolve("registry.example.com", "a/b")
    assert warning == f"{caught.value}; going on without it"
    assert warning.startswith(f"credential helper for registry.example.com: {place.helpers.folder}/helper")
    assert "hunter2" not in warning


@pytest.mark.parametrize("name", ["nowhere", "/nowhere/helper", "/bin"])
async def test_a_helper_that_is_not_there(place: Place, name: str) -> None:
    with pytest.raises(CredentialsFailed, match=f"{name} is no program, or not in PATH$"):
        await place.keychain(name, strict=True).headers(URI)


async def test_a_helper_that_hangs(place: Place) -> None:
    place.says(bearer(), also="exec sleep 60")
    with pytest.raises(CredentialsFailed, match=r"gave no answer within 0\.3 s"):
        await place.keychain(strict=True, helper_timeout=0.3).headers(URI)


async def test_a_helper_by_its_path(place: Place) -> None:
    path = place.says(bearer(), name="any name")
    assert await place.keychain(f"*.example.com={path}").headers(URI) is not None


# --- a user and a password ---


async def test_a_password_is_credentials_and_no_header(place: Place) -> None:
    """A registry may want them exchanged for a token."""
    place.says(answer({"Authorization": [BASIC], "X-Other": ["1"]}))
    keychain = place.keychain()
    assert sent(await keychain.headers(URI)) == {"X-Other": "1"}
    assert await keychain.resolve("registry.example.com", "a/b") == Credentials("user", "hunter2")
    assert place.asked == [URI]


async def test_credentials_are_asked_for_by_an_address_of_the_repository(place: Place) -> None:
    place.says(answer({"Authorization": [BASIC]}))
    keychain = place.keychain("helper")
    for registry, repository, uri in (
        ("registry.example.com", "a/b", "https://registry.example.com/v2/a/b/tags/list"),
        ("docker.io", "library/x", "https://registry-1.docker.io/v2/library/x/tags/list"),
        ("localhost:5000", "", "https://localhost:5000/v2/"),
    ):
        assert await keychain.resolve(registry, repository) == Credentials("user", "hunter2")
        assert place.asked[-1] == uri


async def test_a_helper_comes_before_any_file(place: Place) -> None:
    file = place.root / "run/containers/auth.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"auths": {"registry.example.com": {"auth": base64.b64encode(b"file:p").decode()}}}))
    for text, expected in (
        (answer({"Authorization": [BASIC]}), Credentials("user", "hunter2")),
        (bearer(), {"Authorization": "Bearer hunter2"}),  # whoever has a token needs no password
        (answer({"X-Other": ["1"]}), Credentials("file", "p")),
        (answer(), Credentials("file", "p")),
    ):
        place.says(text)
        found = await place.keychain().resolve("registry.example.com", "a/b")
        assert (sent(found) if isinstance(found, HelperHeaders) else found) == expected


# --- how long it is good ---


async def test_an_answer_is_asked_for_once_for_each_repository(place: Place) -> None:
    place.says(bearer())
    keychain = place.keychain("helper")
    async with anyio.create_task_group() as group:
        for number in range(12):
            group.start_soon(keychain.headers, f"https://registry.example.com/v2/a/b/blobs/sha256:{number}")
    assert len(place.asked) == 1
    await keychain.headers("https://registry.example.com/v2/other/tags/list")
    await keychain.headers("https://registry.example.com:5000/v2/a/b/tags/list")
    assert len(place.asked) == 3


async def test_an_answer_that_has_expired_is_asked_for_again(place: Place) -> None:
    place.says(bearer("one", expires=in_seconds(0.6)), bearer("two", expires=in_seconds(3600)))
    keychain = place.keychain()
    assert sent(await keychain.headers(URI)) == {"Authorization": "Bearer one"}
    assert sent(await keychain.headers(URI)) == {"Authorization": "Bearer one"}
    await anyio.sleep(0.7)
    for _ in range(3):
        assert sent(await keychain.headers(URI)) == {"Authorization": "Bearer two"}
    assert len(place.asked) == 2


@pytest.mark.parametrize("expires", ["2001-01-01t00:00:00z", "2001-01-01T00:00:00.123456789+02:00"])
async def test_an_answer_that_has_expired_already_is_not_kept(place: Place, expires: str) -> None:
    place.says(bearer(expires=expires))
    keychain = place.keychain()
    for _ in range(2):
        assert sent(await keychain.headers(URI)) == {"Authorization": "Bearer hunter2"}
    assert len(place.asked) == 2


async def test_an_answer_that_was_refused_is_asked_for_again(place: Place) -> None:
    place.says(bearer("one"), bearer("two"))
    keychain = place.keychain()
    old = await keychain.headers(URI)
    assert sent(old) == {"Authorization": "Bearer one"}
    found: list[object] = []

    async def again() -> None:
        found.append(sent(await keychain.headers(URI, stale=old)))

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(again)
    assert found == [{"Authorization": "Bearer two"}] * 5
    assert len(place.asked) == 2


def test_one_keychain_serves_one_loop_after_another(place: Place) -> None:
    place.says(bearer())
    keychain = place.keychain("helper")
    for backend, host in (("asyncio", "a.io"), ("trio", "b.io"), ("asyncio", "c.io")):
        found = anyio.run(keychain.headers, f"https://{host}/v2/x/tags/list", backend=backend)
        assert sent(found) == {"Authorization": "Bearer hunter2"}


async def test_no_repr_shows_a_secret(place: Place) -> None:
    place.says(bearer())
    keychain = place.keychain()
    await keychain.headers(URI)
    assert "hunter2" not in repr(keychain)
