"""registries.conf beside skopeo 1.9.3, on real registries: the same places are asked, in the same order."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import Done, pyskopeo_here, succeed
from tests.support.commands import skopeo
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.peers import Registry
from tests.support.processes import free_port
from tests.support.require import require_peer
from tests.support.trees import tree

pytestmark = pytest.mark.peer("skopeo")
IMAGE = build("docker")
OTHER = build(ImageSpec(flavor="docker", layers=(LayerSpec("other", size=900),)))
THIRD = build(ImageSpec(flavor="docker", layers=(LayerSpec("third", size=900),)))


@pytest.fixture(scope="module")
def mirror() -> Iterator[Registry]:
    """Beside the session's registry, which has images of its own: a mirror with copies of some."""
    require_peer("docker-registry")
    with Registry() as running:
        yield running


@pytest.fixture(scope="module")
def place(registry: Registry, mirror: Registry) -> dict[str, str]:
    """What names in configurations and commands stand for. Each place has another image by the same name."""
    for repository in ("m/ns/both", "m/ns/here"):
        registry.push(IMAGE, repository, "v1")
    for repository in ("m/ns/both", "copy/ns/both", "copy/deeper/both"):
        mirror.push(OTHER, repository, "v1")
    mirror.push(THIRD, "whole", "v1")
    mirror.push(THIRD, "copy/ns/both", "v2")
    mirror.push(IMAGE, "copy/ns/both", None)
    return {
        "registry": registry.host, "mirror": mirror.host, "down": f"127.0.0.1:{free_port()}", "digest": IMAGE.digest,
        "other": OTHER.digest, "port": str(mirror.port),
    }  # fmt: skip


def filled(text: str, place: dict[str, str]) -> str:
    return re.sub(r"<(\w+)>", lambda found: place[found[1]], text)


def configuration(path: Path, text: str, place: dict[str, str]) -> str:
    path.write_text(filled(text, place))
    return f"--registries-conf={path}"


def message(done: Done) -> str:
    """What it died of, in one form: skopeo adds where a manifest was read, and a full stop here and there."""
    found = re.search(r'level=fatal msg=(".*")', done.stderr)
    assert found, done.stderr
    text: str = json.loads(found[1])
    return text


HERE = '[[registry]]\nlocation = "<registry>"\ninsecure = true\n'
THERE = '[[registry.mirror]]\nlocation = "<mirror>/copy"\ninsecure = true\n'
DOWN = '[[registry.mirror]]\nlocation = "<down>"\n'
MOVED = '[[registry]]\nprefix = "{}"\nlocation = "{}"\ninsecure = true\n'


@pytest.mark.parametrize(
    ("conf", "name", "image"),
    [
        (HERE, "<registry>/m/ns/both:v1", IMAGE),
        (HERE + '[[registry.mirror]]\nlocation = "<mirror>"\ninsecure = true\n', "<registry>/m/ns/both:v1", OTHER),
        (HERE + '[[registry.mirror]]\nlocation = "<mirror>"\ninsecure = true\n', "<registry>/m/ns/here:v1", IMAGE),
        (HERE + DOWN, "<registry>/m/ns/both:v1", IMAGE),
        (HERE + DOWN + '[[registry.mirror]]\nlocation = "<mirror>"\ninsecure = true\n', "<registry>/m/ns/both:v1", OTHER),
        # Not insecure in the file: plain http is not spoken with it.
        (HERE + '[[registry.mirror]]\nlocation = "<mirror>"\n', "<registry>/m/ns/both:v1", IMAGE),
        (HERE.replace("<registry>", "<registry>/m") + THERE, "<registry>/m/ns/both:v1", OTHER),
        (HERE.replace("<registry>", "<registry>/m") + THERE, "<registry>/m/ns/both:v2", THIRD),
        (HERE.replace("<registry>", "<registry>/m") + THERE, "<registry>/m/ns/both@<digest>", IMAGE),
        (HERE.replace("<registry>", "<registry>/m") + THERE + 'pull-from-mirror = "digest-only"\n', "<registry>/m/ns/both:v1", IMAGE),
        (HERE.replace("<registry>", "<registry>/m") + THERE + 'pull-from-mirror = "digest-only"\n', "<registry>/m/ns/both@<digest>", IMAGE),
        (HERE.replace("<registry>", "<registry>/m") + THERE + 'pull-from-mirror = "tag-only"\n', "<registry>/m/ns/both:v1", OTHER),
        (HERE.replace("<registry>", "<registry>/m") + "mirror-by-digest-only = true\n" + THERE, "<registry>/m/ns/both:v1", IMAGE),
        (MOVED.format("reg.example.org", "<mirror>/m"), "reg.example.org/ns/both:v1", OTHER),
        (MOVED.format("reg.example.org/a", "<mirror>/copy"), "reg.example.org/a/ns/both:v1", OTHER),
        (MOVED.format("reg.example.org/a/b", "<mirror>/whole"), "reg.example.org/a/b:v1", THIRD),
        (MOVED.format("reg.example.org/a/b:v9", "<mirror>/whole:v1"), "reg.example.org/a/b:v9", THIRD),
        (MOVED.format("*.example.org", "<mirror>/copy"), "a.b.example.org/ns/both:v1", OTHER),
        # The longest prefix counts.
        (MOVED.format("*.example.org", "<mirror>/nowhere") + MOVED.format("ab.example.org", "<mirror>/copy"),
         "ab.example.org/ns/both:v1", OTHER),
        (MOVED.format("a.example.org", "<mirror>/nowhere") + MOVED.format("a.example.org/x", "<mirror>/copy/deeper"),
         "a.example.org/x/both:v1", OTHER),
        # A blocked registry is read from its mirrors all the same.
        ('[[registry]]\nlocation = "blocked.example.org"\nblocked = true\n' + THERE, "blocked.example.org/ns/both:v1", OTHER),
    ],
)  # fmt: skip
def test_the_same_image_is_found(
    conf: str, name: str, image: object, place: dict[str, str], tmp_path: Path
) -> None:
    flag = configuration(tmp_path / "r.conf", conf, place)
    words = (flag, "copy", "--preserve-digests", f"docker://{filled(name, place)}")
    ours = pyskopeo_here(*words, f"dir:{tmp_path}/ours")
    theirs = skopeo(*words, f"dir:{tmp_path}/theirs")
    succeed(ours)
    if ":v9" in conf:  # skopeo looks for the name without its tag, whatever the manual says of prefixes
        assert theirs.code == 1
    else:
        succeed(theirs)
        assert tree(tmp_path / "ours") == tree(tmp_path / "theirs")
    assert tree(tmp_path / "ours")["manifest.json"] == image.root.raw  # type: ignore[attr-defined]
    flags = ("inspect", "--format={{.Name}} {{.Digest}}", "--no-tags")
    inspected = succeed(pyskopeo_here(flag, *flags, words[3])).stdout
    assert inspected.decode().split()[1] == image.digest  # type: ignore[attr-defined]


@pytest.mark.parametrize("mirrors", [1, 2])
def test_all_fail(mirrors: int, place: dict[str, str], tmp_path: Path) -> None:
    conf = HERE + '[[registry.mirror]]\nlocation = "<mirror>"\ninsecure = true\n' + DOWN * (mirrors - 1)
    words = (configuration(tmp_path / "r.conf", conf, place), "copy", filled("docker://<registry>/m/none:v1", place))
    ours = pyskopeo_here(*words, "--retry-delay=1ms", f"dir:{tmp_path}/o")
    theirs = skopeo(*words, f"dir:{tmp_path}/t")
    assert ours.code == 2
    names = filled("[<mirror>/m/none:v1: X] [<down>/m/none:v1: X]" if mirrors > 1 else "[<mirror>/m/none:v1: X]", place)
    expected = filled(f"(Mirrors also failed: {names}): <registry>/m/none:v1: X", place)
    # 1.9.3 breaks the line between two mirrors.
    for text in (message(ours), message(theirs).replace("]\n[", "] [")):
        said = re.sub(r"^[iI]nitializing source docker://[^ ]+: ", "", text)
        assert re.sub(r"(none:v1): [^]\[]+(?=]|$)", r"\1: X", said) == expected
    assert not (tmp_path / "o").exists()


BLOCKED = '[[registry]]\nlocation = "<registry>/m/ns"\nblocked = true\n'


@pytest.mark.parametrize(
    "words",
    [
        ("copy", "docker://<registry>/m/ns/both:v1", "dir:{}/o"),
        ("copy", "dir:{}/in", "docker://<registry>/m/ns/new:v1"),
        ("inspect", "docker://<registry>/m/ns/both:v1"),
        ("inspect", "--raw", "docker://<registry>/m/ns/both@<digest>"),
        ("list-tags", "docker://<registry>/m/ns/both"),
        ("delete", "docker://<registry>/m/ns/both:v1"),
    ],
)
def test_blocked(words: tuple[str, ...], place: dict[str, str], registry: Registry, tmp_path: Path) -> None:
    succeed(pyskopeo_here("copy", "--src-tls-verify=false", f"docker://{registry.host}/m/ns/both:v1", f"dir:{tmp_path}/in"))
    flag = configuration(tmp_path / "r.conf", BLOCKED, place)
    before = registry.log
    command = [filled(word, place).replace("{}", str(tmp_path)) for word in words]
    ours = pyskopeo_here(flag, *command)
    assert not (tmp_path / "o").exists()
    theirs = skopeo(flag, *command)
    assert (ours.code, theirs.code) == (1, 1)
    assert ours.stdout == theirs.stdout == b""
    said = filled("registry <registry>/m/ns is blocked in", place)
    beginning, there, _ = message(theirs).partition(said)
    assert there
    assert message(ours).lower().startswith(f"{beginning}{said}".lower())
    # skopeo of 1.9.3 names the usual drop-in directories instead of the files.
    assert message(ours).endswith(f"{tmp_path}/r.conf") or f"{tmp_path}/r.conf says so" in message(ours)
    assert registry.log == before


def test_pushes_go_to_the_registry_itself(place: dict[str, str], registry: Registry, tmp_path: Path) -> None:
    """The location is for reading, as skopeo has it; so does whoever deletes."""
    conf = MOVED.format("<registry>/pushed", "<mirror>/elsewhere") + '[[registry.mirror]]\nlocation = "<mirror>/m"\ninsecure = true\n'
    flag = configuration(tmp_path / "r.conf", conf, place)
    source = f"docker://{registry.host}/m/ns/both:v1"
    for program, tag in ((pyskopeo_here, "ours"), (skopeo, "theirs")):
        succeed(program(flag, "copy", "--src-tls-verify=false", source, f"docker://{registry.host}/pushed/x:{tag}"))
    done = succeed(pyskopeo_here("list-tags", "--tls-verify=false", f"docker://{registry.host}/pushed/x"))
    assert sorted(json.loads(done.stdout)["Tags"]) == ["ours", "theirs"]
    succeed(pyskopeo_here(flag, "delete", f"docker://{registry.host}/pushed/x:ours"))


def test_tags_are_listed_by_mirrors(place: dict[str, str], tmp_path: Path) -> None:
    """Better than skopeo, which asks the registry alone."""
    conf = '[[registry]]\nlocation = "<down>"\n' + THERE
    flag = configuration(tmp_path / "r.conf", conf, place)
    done = succeed(pyskopeo_here(flag, "list-tags", filled("docker://<down>/ns/both", place)))
    assert json.loads(done.stdout) == {"Repository": filled("<down>/ns/both", place), "Tags": ["v1", "v2"]}
    assert skopeo(flag, "list-tags", filled("docker://<down>/ns/both", place)).code == 1
