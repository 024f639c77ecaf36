"""``list-tags``, ``delete``, ``manifest-digest`` beside the real skopeo, and ``tag``, on real registries."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.cli import Done, pyskopeo_here, succeed
from tests.support.commands import skopeo
from tests.support.images import build, digest_of
from tests.support.outputs import write_dir
from tests.support.peers import Registry
from tests.support.require import require_peer

pytestmark = pytest.mark.peer("skopeo")

PLAIN = "--tls-verify=false"
# What both say of a registry that wants a password, and of one that wants a token.
REFUSED = {
    "htpasswd_registry": "authentication required",
    "token_registry": "requested access to the resource is denied",
}
KINDS = ["oci", "docker", "oci-index", "docker-list"]
LOGIN = "--creds=user:pass"
MISSING = "Image may not exist or is not stored with a v2 Schema in a v2 registry"
Program = Callable[..., Done]
PROGRAMS: dict[str, Program] = {"ours": pyskopeo_here, "skopeo": skopeo}


@pytest.fixture(params=sorted(PROGRAMS))
def program(request: pytest.FixtureRequest) -> Program:
    return PROGRAMS[request.param]


@pytest.fixture(scope="module")
def frozen_registry() -> Iterator[Registry]:
    """A registry that deletes nothing, with ``a/b:v1``."""
    require_peer("docker-registry")
    with Registry(delete=False) as running:
        running.push(build("oci"), "a/b", "v1")
        yield running


def message(done: Done) -> str:
    """The one line of a command that failed with 1."""
    assert (done.code, done.stdout) == (1, b""), done.stderr
    (line,) = done.lines
    found: str = json.loads(line.partition("level=fatal msg=")[2])
    return found


def both_fail(*words: object) -> tuple[str, str]:
    """What each says, skopeo first."""
    return message(skopeo(*words)), message(pyskopeo_here(*words))


def without_hint(said: str) -> str:
    """A message without the last words, which say what may have been meant, or what to do next."""
    return said.partition("; did you mean ")[0].partition(": name the repository alone")[0]


def tags(registry: Registry, repository: str, *more: str) -> list[str]:
    done = succeed(skopeo("list-tags", PLAIN, *more, f"docker://{registry.host}/{repository}"))
    found: list[str] = sorted(json.loads(done.stdout)["Tags"])
    return found


def raw(name: str, *more: str) -> bytes:
    return succeed(skopeo("inspect", "--raw", PLAIN, *more, name)).stdout


def archive_of(named: list[list[str] | None], folder: Path) -> Path:
    """An archive of images with these tags, as far as anything but their layers goes."""
    archive = folder / "images.tar"
    content = json.dumps([{"Config": "c.json", "RepoTags": tags, "Layers": []} for tags in named]).encode()
    with tarfile.open(archive, "w") as tar:
        member = tarfile.TarInfo("manifest.json")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return archive


class TestListTags:
    def test_the_same_output(self, registry: Registry) -> None:
        for tag in ("v1", "w", "v2", "v10", "latest", "V1", "_x", "1.2.3-rc.1"):
            registry.push(build("oci"), "verbs/list", tag)
        words = ("list-tags", PLAIN, f"docker://{registry.host}/verbs/list")
        theirs, ours = succeed(skopeo(*words)), succeed(pyskopeo_here(*words))
        assert ours == theirs
        assert len(json.loads(ours.stdout)["Tags"]) == 8

    def test_no_tags(self, registry: Registry) -> None:
        registry.push(build("oci"), "verbs/none", "v1")
        succeed(pyskopeo_here("delete", PLAIN, registry.name("verbs/none", "v1")))
        words = ("list-tags", PLAIN, f"docker://{registry.host}/verbs/none")
        assert succeed(pyskopeo_here(*words)) == succeed(skopeo(*words))
        assert json.loads(pyskopeo_here(*words).stdout)["Tags"] == []

    @pytest.mark.parametrize("fixture", ["htpasswd_registry", "token_registry"])
    def test_with_credentials(self, fixture: str, request: pytest.FixtureRequest) -> None:
        registry: Registry = request.getfixturevalue(fixture)
        registry.push(build("oci"), "verbs/list", "v1")
        words = ("list-tags", PLAIN, f"docker://{registry.host}/verbs/list")
        assert succeed(pyskopeo_here(*words, LOGIN)) == succeed(skopeo(*words, LOGIN))
        for done in (message(pyskopeo_here(*words)), message(skopeo(*words))):
            assert done.startswith("Error listing repository tags: ")
            assert REFUSED[fixture] in done
        assert "tried without credentials" in message(pyskopeo_here(*words))

    def test_over_tls(self, tls_registry: Registry, tmp_path: Path) -> None:
        tls_registry.push(build("oci"), "verbs/list", "v1")
        assert tls_registry.tls is not None
        (tmp_path / "ca.crt").write_bytes(tls_registry.tls.authority.read_bytes())
        words = ("list-tags", f"--cert-dir={tmp_path}", f"docker://{tls_registry.host}/verbs/list")
        assert succeed(pyskopeo_here(*words)) == succeed(skopeo(*words))

    def test_an_archive(self, tmp_path: Path) -> None:
        named = [["docker.io/a/b:x", "short:1"], None, ["localhost:5000/a:1", "library/c:2"], [], ["q.io/d/e:3"]]
        archive = archive_of(named, tmp_path)
        words = ("list-tags", f"docker-archive:{archive}")
        assert succeed(pyskopeo_here(*words)) == succeed(skopeo(*words))
        assert json.loads(pyskopeo_here(*words).stdout)["Tags"][:3] == ["docker.io/a/b:x", "short:1", "@1"]

    @pytest.mark.parametrize("tag", ["", "foo", "a b", "1" * 64, "a:1@" + digest_of(b"")])
    def test_an_archive_with_a_tag_that_is_none(self, tag: str, tmp_path: Path) -> None:
        for said in both_fail("list-tags", f"docker-archive:{archive_of([[tag]], tmp_path)}"):
            assert "nvalid tag" in said or "digest references" in said

    def test_an_archive_of_skopeo(self, tmp_path: Path) -> None:
        source, archive = write_dir(build("docker"), tmp_path / "image"), tmp_path / "image.tar"
        succeed(skopeo("copy", "--additional-tag=a/b:2", f"dir:{source}", f"docker-archive:{archive}:a/b:1"))
        words = ("list-tags", f"docker-archive:{archive}")
        assert succeed(pyskopeo_here(*words)) == succeed(skopeo(*words))

    @pytest.mark.parametrize(
        "name",
        ["x", "bogus:x", "dir:/x", "oci:/x", "oci-archive:/x", "docker:x", "docker://a/b:c",
         f"docker://a/b@{digest_of(b'')}"],
    )  # fmt: skip
    def test_the_same_words(self, name: str) -> None:
        theirs, ours = both_fail("list-tags", name)
        assert without_hint(ours) == theirs

    @pytest.mark.parametrize("name", ["docker://A", "docker://a b", "docker-archive:", "docker-archive:/nowhere.tar"])
    def test_failures_of_both(self, name: str) -> None:
        theirs, ours = both_fail("list-tags", name)
        for words in ("must be lowercase", "invalid reference format", "no such file or directory"):
            assert (words in ours) == (words in theirs)

    def test_a_repository_that_is_not_there(self, registry: Registry) -> None:
        for said in both_fail("list-tags", PLAIN, f"docker://{registry.host}/verbs/missing"):
            assert said.startswith("Error listing repository tags: ")
            assert "repository name not known to registry" in said


class TestDelete:
    @pytest.mark.parametrize("kind", KINDS)
    def test_every_tag_goes(self, kind: str, program: Program, registry: Registry) -> None:
        repository = f"verbs/delete-{kind}-{program.__name__.replace('_', '-')}"
        digest = registry.push(build(kind), repository, "v1")
        registry.push(build(kind), repository, "v2")
        registry.push(build("oci-no-layers"), repository, "other")
        done = succeed(program("delete", PLAIN, registry.name(repository, "v2")))
        told = f"Deleted {registry.host}/{repository}@{digest}, with its tags v1, v2\n"
        assert (done.stdout, done.stderr) == (b"", told if program is pyskopeo_here else "")
        assert tags(registry, repository) == ["other"]
        assert skopeo("inspect", "--raw", PLAIN, f"docker://{registry.host}/{repository}@{digest}").code == 2
        for said in both_fail("delete", PLAIN, registry.name(repository, "v1")):
            assert said.startswith(f"Unable to delete {registry.host}/{repository}:v1. {MISSING}")

    def test_by_digest(self, program: Program, registry: Registry) -> None:
        repository = f"verbs/by-digest-{program.__name__.replace('_', '-')}"
        digest = registry.push(build("oci"), repository, "v1")
        name = f"docker://{registry.host}/{repository}@{digest}"
        assert succeed(program("delete", PLAIN, name)).stdout == b""
        assert tags(registry, repository) == []
        for said in both_fail("delete", PLAIN, name):
            assert said.startswith(f"Unable to delete {registry.host}/{repository}@{digest}. {MISSING}")

    @pytest.mark.parametrize("fixture", ["htpasswd_registry", "token_registry"])
    def test_with_credentials(self, fixture: str, program: Program, request: pytest.FixtureRequest) -> None:
        registry: Registry = request.getfixturevalue(fixture)
        registry.push(build("oci"), "verbs/delete", "v1")
        registry.push(build("docker"), "verbs/delete", "kept")
        name = registry.name("verbs/delete", "v1")
        assert REFUSED[fixture] in message(program("delete", PLAIN, name))
        assert tags(registry, "verbs/delete", LOGIN) == ["kept", "v1"]
        succeed(program("delete", PLAIN, LOGIN, name))
        assert tags(registry, "verbs/delete", LOGIN) == ["kept"]

    def test_a_wrong_password(self, htpasswd_registry: Registry) -> None:
        name = htpasswd_registry.name("verbs/any", "v1")
        theirs, ours = both_fail("delete", PLAIN, "--creds=user:guessed-wrong", name)
        assert theirs == f"deleting {htpasswd_registry.host}/verbs/any:v1: authentication required"
        assert "authentication required (401, tried as user user)" in ours
        assert "guessed" not in ours

    def test_a_registry_that_deletes_nothing(self, frozen_registry: Registry) -> None:
        name = frozen_registry.name("a/b", "v1")
        for said in both_fail("delete", PLAIN, name):
            assert said.startswith(f"deleting {frozen_registry.host}/a/b:v1: ")
            assert "unsupported" in said
        assert message(pyskopeo_here("delete", PLAIN, name)).endswith(
            f"{frozen_registry.host} does not allow deleting images"
        )
        assert tags(frozen_registry, "a/b") == ["v1"]

    def test_this_registry_deletes_no_tag_alone(self, registry: Registry, frozen_registry: Registry) -> None:
        registry.push(build("oci"), "verbs/tag-only", "v1")
        for host, repository in ((registry, "verbs/tag-only"), (frozen_registry, "a/b")):
            said = message(pyskopeo_here("delete", "--tag-only", PLAIN, host.name(repository, "v1")))
            assert said.endswith(f"{host.host} does not allow deleting a tag alone")
            assert tags(host, repository) == ["v1"]

    @pytest.mark.parametrize(
        "name", ["x", "bogus:x", "dir:/x", "docker-archive:/x:a:b", "docker:x", "docker://a:b:c"]
    )
    def test_the_same_words(self, name: str) -> None:
        theirs, ours = both_fail("delete", name)
        if name.startswith("docker:"):
            assert (ours.partition(": ")[0], "Invalid source name" in ours) == (theirs.partition(": ")[0], True)
        else:
            assert without_hint(ours) == theirs


class TestTag:
    @pytest.mark.parametrize("kind", [*KINDS, "artifact", "oci-zstd", "index-with-artifact"])
    def test_the_same_bytes_by_more_names(self, kind: str, registry: Registry) -> None:
        image, repository = build(kind), f"verbs/tag-{kind}"
        registry.push(image, repository, "v1")
        before = len(registry.log)
        done = succeed(pyskopeo_here("tag", PLAIN, registry.name(repository, "v1"), "v1.0", "latest"))
        told = f"Tagged {registry.host}/{repository}@{image.digest}: v1.0, latest\n"
        assert (done.stdout, done.stderr) == (b"", told)
        assert "/blobs/" not in registry.log[before:]
        assert tags(registry, repository) == ["latest", "v1", "v1.0"]
        for tag in ("v1.0", "latest"):
            assert raw(registry.name(repository, tag)) == image.root.raw

    def test_a_tag_moves(self, registry: Registry) -> None:
        registry.push(build("docker"), "verbs/move", "latest")
        digest = registry.push(build("oci"), "verbs/move", None)
        by_digest = f"docker://{registry.host}/verbs/move@{digest}"
        succeed(pyskopeo_here("tag", PLAIN, by_digest, "latest"))
        assert raw(registry.name("verbs/move")) == build("oci").root.raw

    def test_nothing_is_written_again(self, registry: Registry) -> None:
        registry.push(build("oci"), "verbs/again", "v1")
        name = registry.name("verbs/again", "v1")
        succeed(pyskopeo_here("tag", PLAIN, name, "v2"))
        before = len(registry.log)
        succeed(pyskopeo_here("tag", PLAIN, name, "v2", "v1"))
        seen = registry.log[before:]
        assert re.search(r"\bHEAD\b.*/manifests/v2", seen)
        assert not re.search(r"\b(PUT|POST|PATCH)\b", seen)

    @pytest.mark.parametrize("fixture", ["htpasswd_registry", "token_registry"])
    def test_with_credentials(self, fixture: str, request: pytest.FixtureRequest) -> None:
        registry: Registry = request.getfixturevalue(fixture)
        registry.push(build("oci"), "verbs/tag", "v1")
        name = registry.name("verbs/tag", "v1")
        assert "tried without credentials" in message(pyskopeo_here("tag", PLAIN, name, "v2"))
        succeed(pyskopeo_here("tag", PLAIN, LOGIN, name, "v2"))
        assert tags(registry, "verbs/tag", LOGIN) == ["v1", "v2"]

    def test_who_may_pull_may_not_tag(self, token_registry: Registry) -> None:
        token_registry.push(build("oci"), "public/tag", "v1")
        said = message(pyskopeo_here("tag", PLAIN, token_registry.name("public/tag", "v1"), "v2"))
        assert said.startswith(f"writing manifest v2 to {token_registry.host}/public/tag: ")
        assert "tried without credentials" in said

    def test_an_image_that_is_not_there(self, registry: Registry) -> None:
        done = pyskopeo_here("tag", PLAIN, registry.name("verbs/tag", "missing"), "v2")
        assert (done.code, done.stdout) == (2, b"")
        assert "manifest unknown" in done.stderr


class OldRegistry(Registry):
    """One that still takes images of Docker's first schema."""

    def _config(self) -> dict[str, object]:
        return {**super()._config(), "compatibility": {"schema1": {"enabled": True}}}


class TestSchema1:
    """Signed by skopeo: their digest is not that of their bytes."""

    def test_digest_tag_and_deletion(self, tmp_path: Path) -> None:
        require_peer("docker-registry")
        source, path = write_dir(build("docker"), tmp_path / "image"), tmp_path / "manifest"
        with OldRegistry() as registry:
            name = registry.name("a/b", "v1")
            succeed(skopeo("copy", "--dest-tls-verify=false", "--format=v2s1", f"dir:{source}", name))
            content = raw(name)
            path.write_bytes(content)
            ours = succeed(pyskopeo_here("manifest-digest", path))
            assert ours == succeed(skopeo("manifest-digest", path))
            digest = ours.stdout.decode().strip()
            assert digest != digest_of(content)
            succeed(pyskopeo_here("tag", PLAIN, f"docker://{registry.host}/a/b@{digest}", "v2"))
            # This registry signs anew whatever it gives away.
            path.write_bytes(raw(registry.name("a/b", "v2")))
            assert succeed(skopeo("manifest-digest", path)) == ours
            succeed(pyskopeo_here("delete", PLAIN, name))
            assert tags(registry, "a/b") == []


class TestManifestDigest:
    @pytest.mark.parametrize(
        "content",
        [
            b"", b"\x00\xff", b"{", b"[1]", b'{"a": 1}', b'{"signatures": [{}]}', b'{"schemaVersion": 1, "name": "x"}',
            b'{"schemaVersion": 2, "signatures": [{}]}', b'{"schemaVersion": 1, "signatures": null}', b"x" * 5_000_000,
            *(build(kind).root.raw for kind in KINDS),
        ],
        ids=lambda content: repr(content[:30]),
    )  # fmt: skip
    def test_the_same_output(self, content: bytes, tmp_path: Path) -> None:
        path = tmp_path / "manifest"
        path.write_bytes(content)
        ours = succeed(pyskopeo_here("manifest-digest", path))
        assert ours == succeed(skopeo("manifest-digest", path))
        assert ours.stdout.decode() == f"{digest_of(content)}\n"

    @pytest.mark.parametrize("content", [b'{"schemaVersion": 1, "signatures": [{"protected": "!!"}]}'])
    def test_a_broken_signature(self, content: bytes, tmp_path: Path) -> None:
        path = tmp_path / "manifest"
        path.write_bytes(content)
        for said in both_fail("manifest-digest", path):
            assert said.startswith("Error computing digest: ")

    @pytest.mark.parametrize("name", ["missing", "."])
    def test_no_file(self, name: str, tmp_path: Path) -> None:
        theirs, ours = both_fail("manifest-digest", tmp_path / name)
        assert ours.partition(": ")[0] == theirs.partition(": ")[0]
        assert ours.rpartition(": ")[2] == theirs.rpartition(": ")[2]
