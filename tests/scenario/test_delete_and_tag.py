"""``delete`` and ``tag``: what they say they have done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import pyskopeo_here, run
from tests.support.images import build
from tests.support.pushing import Pushing
from tests.support.simulator import Simulator

pytestmark = pytest.mark.usefixtures("no_machine_policy")
IMAGE = build("oci")
PLAIN = "--tls-verify=false"


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with Simulator(IMAGE, "a/nginx", "latest", pushing=Pushing(deletes_tags=True)) as running:
        for tag in ("1.27", "1"):
            running.add(IMAGE, "a/nginx", tag)
        running.add(build("docker"), "a/nginx", "other")
        yield running


def tags(registry: Simulator) -> set[str]:
    return {tag for tag in ("latest", "1.27", "1", "other") if registry.manifest(tag, "a/nginx")}


def test_delete_wants_a_tag_or_a_digest(registry: Simulator) -> None:
    done = pyskopeo_here("delete", PLAIN, f"docker://{registry.host}/a/nginx")
    assert done.code == 1
    assert f"write docker://{registry.host}/a/nginx:latest" in done.stderr
    assert registry.requests == ()


def test_delete_says_what_went(registry: Simulator) -> None:
    name = registry.name("a/nginx", "1.27")
    done = pyskopeo_here("delete", PLAIN, "--dry-run", name)
    what = f"{registry.host}/a/nginx@{IMAGE.digest}, with its tags "
    assert (done.code, done.stderr) == (0, "")
    said, _, listed = done.stdout.decode().rstrip().partition(what)
    assert said == "Would delete "
    assert set(listed.split(", ")) == {"latest", "1.27", "1"}
    assert tags(registry) == {"latest", "1.27", "1", "other"}

    done = pyskopeo_here("delete", PLAIN, name)
    assert (done.code, done.stdout) == (0, b"")
    assert done.stderr == f"Deleted {what}{listed}\n"
    assert tags(registry) == {"other"}


def test_delete_of_a_tag_alone(registry: Simulator) -> None:
    done = pyskopeo_here("delete", PLAIN, "--tag-only", registry.name("a/nginx", "1"))
    assert (done.code, done.stderr) == (0, f"Deleted the tag 1 of {registry.host}/a/nginx\n")
    assert tags(registry) == {"latest", "1.27", "other"}


def test_called_skopeo_delete_is_skopeos(registry: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/local/bin/skopeo"])
    done = pyskopeo_here("delete", PLAIN, f"docker://{registry.host}/a/nginx")
    assert (done.code, done.stdout, done.stderr) == (0, b"", "")
    assert [request.method for request in registry.requests] == ["GET", "DELETE"]
    assert tags(registry) == {"other"}


def test_tag_says_what_it_did(registry: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, messages = run(capsys, "tag", PLAIN, registry.name("a/nginx", "1"), "new", "1.27", "newer", "new")
    assert (code, out) == (0, "")
    image = f"{registry.host}/a/nginx@{IMAGE.digest}"
    assert messages == [f"Tagged {image}: new, newer", f"Already tags of {image}: 1.27"]


def test_the_user_agent_of_skopeo(registry: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    def agent(*words: str) -> str:
        assert pyskopeo_here("inspect", "--raw", PLAIN, *words, registry.name("a/nginx")).code == 0
        return registry.requests[-1].header("user-agent") or ""

    assert agent().startswith("pyskopeo/")
    monkeypatch.setattr("sys.argv", ["skopeo"])
    assert agent().startswith("skopeo/1.22.0 pyskopeo/")
    assert agent("--user-agent-prefix=bot/1").startswith("bot/1 skopeo/1.22.0 pyskopeo/")


def test_signatures_go_with_the_manifest(registry: Simulator, tmp_path: Path) -> None:
    """Those in a local lookaside, with all tags; a tag alone leaves them. A lookaside elsewhere cannot be written to."""
    lookaside, registries_d = tmp_path / "lookaside", tmp_path / "registries.d"
    registries_d.mkdir()
    folders = [lookaside / f"a/nginx@{image.digest.replace(':', '=')}" for image in (IMAGE, build("docker"))]
    for folder in folders:
        folder.mkdir(parents=True)
        for number in (1, 2, 4):
            (folder / f"signature-{number}").write_bytes(b"")
    flags = (PLAIN, "--registries.d", registries_d)
    (registries_d / "x.yaml").write_text("default-docker: {lookaside: 'http://127.0.0.1:1/x'}")
    done = pyskopeo_here("delete", *flags, registry.name("a/nginx", "other"))
    assert done.code == 0
    assert f"signatures of {registry.host}/a/nginx:other in http://127.0.0.1:1/x are not deleted" in done.stderr
    (registries_d / "x.yaml").write_text(f"default-docker: {{lookaside: 'file://{lookaside}'}}")
    assert pyskopeo_here("delete", *flags, "--dry-run", registry.name("a/nginx", "1")).code == 0
    assert pyskopeo_here("delete", *flags, "--tag-only", registry.name("a/nginx", "1.27")).code == 0
    assert [len(list(folder.iterdir())) for folder in folders] == [3, 3]
    assert pyskopeo_here("delete", *flags, registry.name("a/nginx", "1")).code == 0
    # Programs read them until a number is missing.
    assert [sorted(path.name for path in folder.iterdir()) for folder in folders] == [
        ["signature-4"], ["signature-1", "signature-2", "signature-4"],
    ]  # fmt: skip
