"""``sync`` beside the real skopeo: names, trees, log lines, exit codes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.cli import Done, pyskopeo_here, succeed
from tests.support.commands import pyskopeo, skopeo
from tests.support.delay import DelayProxy
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.outputs import write_dir
from tests.support.peers import Registry
from tests.support.processes import wait_until
from tests.support.trees import leftovers, tree

pytestmark = pytest.mark.peer("skopeo")

RECORD = ".pyskopeo-sync.json"
SOURCE, DEST = "--src-tls-verify=false", "--dest-tls-verify=false"
IMAGES = {"1.0": "oci", "1.1": "docker", "2.0-rc1": "oci-history", "list": "oci-index", "latest": "oci"}


@pytest.fixture(scope="module")
def filled(registry: Registry) -> Registry:
    """``sync/app`` with all of `IMAGES`, ``sync/team/lib`` with v1 and v2."""
    for tag, kind in IMAGES.items():
        registry.push(build(kind), "sync/app", tag)
    for tag in ("v1", "v2"):
        registry.push(build("docker"), "sync/team/lib", tag)
    return registry


def images(folder: Path) -> dict[str, bytes]:
    return {name: content for name, content in tree(folder).items() if name != RECORD}


def notes(done: Done) -> list[str]:
    """skopeo's log lines in a fixed order: ours overtake each other, skopeo's are in no order for a file."""
    lines = [line.partition(" ")[2] for line in done.lines if line.startswith("time=")]
    return sorted(line for line in lines if "Getting tags" not in line)


def both(tmp_path: Path, *words: object) -> tuple[Done, Done, Path, Path]:
    """Both programs in folders of their own, where relative names are the same."""
    ends, folders = [], []
    for name, program in (("theirs", skopeo), ("ours", pyskopeo)):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        folders.append(folder)
        ends.append(program("sync", *words, cwd=folder))
    return ends[0], ends[1], folders[0], folders[1]


class TestBesideSkopeo:
    @pytest.mark.parametrize(
        ("source", "flags"),
        [
            ("sync/app:1.0", []),
            ("sync/app:1.0", ["--scoped"]),
            ("sync/app", []),
            ("sync/app", ["--scoped", "--all"]),
            ("sync/app", ["--override-arch=arm64"]),
            ("sync/app:list", ["--all"]),
            ("sync/app@{digest}", []),
            ("sync/team/lib", ["--preserve-digests"]),
            ("sync/team/lib", ["--format=oci"]),
        ],
    )
    def test_to_a_directory(self, filled: Registry, tmp_path: Path, source: str, flags: list[str]) -> None:
        name = f"{filled.host}/{source.format(digest=build('oci').digest)}"
        theirs, ours, there, here = both(tmp_path, "-s", "docker", "-d", "dir", SOURCE, *flags, name, "out")
        assert (theirs.code, ours.code) == (0, 0), ours.stderr
        assert images(here / "out") == tree(there / "out")
        assert notes(ours) == notes(theirs)
        assert leftovers(here) == []

    def test_from_a_file(self, filled: Registry, tmp_path: Path) -> None:
        file = tmp_path / "sync.yml"
        file.write_text(f"""
{filled.host}:
  tls-verify: false
  images:
    sync/app: ["1.0", "{build('docker').digest}"]
    sync/team/lib: []
  images-by-tag-regex:
    sync/app: ^1\\.1$
nothing.example: {{}}
""")
        theirs, ours, there, here = both(tmp_path, "--src", "yaml", "--dest", "dir", file, "out")
        assert (theirs.code, ours.code) == (0, 0), ours.stderr
        assert images(here / "out") == tree(there / "out")
        assert notes(ours) == notes(theirs)

    @pytest.mark.parametrize("text", ["", "h:\n  tls-verify: false\n"])
    def test_a_file_that_names_nothing(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "sync.yml").write_text(text)
        theirs, ours, *_ = both(tmp_path, "--src", "yaml", "--dest", "dir", tmp_path / "sync.yml", "out")
        assert (theirs.code, ours.code) == (0, 0)
        assert notes(ours) == notes(theirs)

    @pytest.mark.parametrize(
        ("words", "differs"),
        [
            (["--src", "dir", "--dest", "dir", "a", "b"], False),
            (["--src", "dir", "--dest", "docker", "nothere", "h.example/x"], False),
            (["--src", "dir", "--dest", "docker", ".", "h.example/x"], False),
            (["--src", "rsync", "--dest", "docker", "a", "b"], False),
            (["--src", "docker", "--dest", "rsync", "a", "b"], False),
            (["--src", "docker", "a", "b"], False),
            (["--dest", "docker", "a", "b"], False),
            (["--src", "yaml", "--dest", "dir", "none.yml", "b"], False),
            (["--src", "docker", "--dest", "dir", SOURCE, "{}/sync/app:none", "out"], True),
            (["--src", "docker", "--dest", "dir", SOURCE, "{}/sync/none", "out"], True),
            (["--src", "docker", "--dest", "docker", SOURCE, "--scoped", "{}/sync/app:1.0", "{}/m"], True),
            (["--src", "docker", "--dest", "dir", "--bogus", "a", "b"], False),
            (["--src", "docker", "--dest", "dir", "--format=x", "a:1", "b"], True),
            (["--src", "docker", "--dest", "dir", "--src-creds=a:b", "--src-no-creds", "a:1", "b"], False),
        ],
    )
    def test_refusals(self, filled: Registry, tmp_path: Path, words: list[str], differs: bool) -> None:
        theirs, ours, _, here = both(tmp_path, *(word.replace("{}", filled.host) for word in words))
        code = 2 if "{}/sync/app:none" in words else 1  # for an image that is not there
        assert (theirs.code, ours.code, ours.stdout) == (code, code, b"")
        if differs:  # the reason is in other words, what failed in the same
            assert ours.lines[-1].partition(" ")[2][:40] == theirs.lines[-1].partition(" ")[2][:40]
        else:  # skopeo's words, which may be followed by what to do next
            said, wanted = (done.lines[-1].partition(" ")[2] for done in (ours, theirs))
            assert said.startswith(wanted.removesuffix('"'))
        assert not (here / "out").exists()

    def test_keep_going(self, filled: Registry, tmp_path: Path) -> None:
        file = tmp_path / "sync.yml"
        file.write_text(f"{filled.host}:\n  tls-verify: false\n  images: {{sync/app: ['none', '1.0']}}\n")
        theirs, ours, there, here = both(tmp_path, "--src", "yaml", "--dest", "dir", "--keep-going", file, "out")
        assert (theirs.code, ours.code) == (1, 1)
        mine, other = (
            [re.sub(r"manifest unknown.*", "", note) for note in notes(done)] for done in (ours, theirs)
        )
        assert mine == other
        assert images(here / "out" / "app:1.0") == tree(there / "out" / "app:1.0")

    def test_a_dry_run(self, filled: Registry, tmp_path: Path) -> None:
        words = ("--src", "docker", "--dest", "dir", "--dry-run", SOURCE, f"{filled.host}/sync/app", "out")
        theirs, ours, there, here = both(tmp_path, *words)
        assert (theirs.code, ours.code) == (0, 0)
        assert notes(ours) == notes(theirs)
        assert (there / "out" / "app:1.0").is_dir(), "skopeo creates directories, which are in the way of the real run"
        assert list(here.iterdir()) == []

    def test_a_directory_of_skopeo_is_taken_over(self, filled: Registry, tmp_path: Path) -> None:
        out = tmp_path / "out"
        words = ("sync", "--src", "docker", "--dest", "dir", SOURCE, f"{filled.host}/sync/app", out)
        succeed(skopeo(*words))
        before = tree(out)
        assert "Refusing to overwrite" in skopeo(*words).stderr
        done = succeed(pyskopeo_here(*words))
        assert images(out) == before
        assert "5 images: 1 copied, 4 present; 0 B moved" in done.stderr, "one was chosen from a list: nobody knows which"

    @pytest.mark.parametrize("names", [["app:1.0", "app:1.1"], ["team/lib:v1"], ["h.example/a/b:1"]])
    @pytest.mark.parametrize("flags", [[], ["--scoped"]])
    def test_from_directories(self, registry: Registry, tmp_path: Path, names: list[str], flags: list[str]) -> None:
        for name in names:
            write_dir(build("oci"), tmp_path / "root" / name)
        place = f"sync-{abs(hash((*names, *flags)))}"
        found = []
        for who, program in (("theirs", skopeo), ("ours", pyskopeo_here)):
            words = ("sync", "--src", "dir", "--dest", "docker", DEST, *flags, tmp_path / "root")
            done = succeed(program(*words, f"{registry.host}/{place}/{who}"))
            found.append([note.replace(f"/{who}/", "/") for note in notes(done)])
        assert found[0] == found[1]

    def test_between_registries(self, filled: Registry, tmp_path: Path) -> None:
        raw = []
        for who, program in (("theirs", skopeo), ("ours", pyskopeo_here)):
            words = ("sync", "--src", "docker", "--dest", "docker", SOURCE, DEST, "--all", f"{filled.host}/sync/app")
            succeed(program(*words, f"{filled.host}/mirror/{who}"))
            raw.append([
                succeed(skopeo("inspect", "--raw", "--tls-verify=false", filled.name(f"mirror/{who}/app", tag))).stdout
                for tag in IMAGES
            ])  # fmt: skip
        assert raw[0] == raw[1]
        again = ("sync", "--src", "docker", "--dest", "docker", SOURCE, DEST, "--all", f"{filled.host}/sync/app")
        done = succeed(pyskopeo_here(*again, f"{filled.host}/mirror/theirs"))
        assert "0 copied, 5 present" in done.stderr


class TestReach:
    def test_certificates_and_passwords_from_the_file(
        self, tls_registry: Registry, htpasswd_registry: Registry, tmp_path: Path
    ) -> None:
        assert tls_registry.tls is not None
        certificates = tmp_path / "certs"
        certificates.mkdir()
        (certificates / "ca.crt").write_bytes(tls_registry.tls.authority.read_bytes())
        tls_registry.push(build("oci"), "sync/one", "v1")
        htpasswd_registry.push(build("docker"), "sync/two", "v1")
        file = tmp_path / "sync.yml"
        file.write_text(
            f"{tls_registry.host}:\n  images: {{sync/one: []}}\n  cert-dir: {certificates}\n"
            f"{htpasswd_registry.host}:\n  images: {{sync/two: []}}\n  tls-verify: false\n"
            "  credentials: {username: user, password: pass}\n"
        )
        theirs, ours, there, here = both(tmp_path, "--src", "yaml", "--dest", "dir", file, "out")
        assert (theirs.code, ours.code) == (0, 0), ours.stderr
        assert images(here / "out") == tree(there / "out")

    def test_tokens(self, token_registry: Registry, tmp_path: Path) -> None:
        for tag in ("v1", "v2"):
            token_registry.push(build("oci"), "sync/source", tag)
        words = ("sync", "--src", "docker", "--dest", "docker", SOURCE, DEST, "--src-creds=user:pass")
        source = f"{token_registry.host}/sync/source"
        succeed(pyskopeo_here(*words, "--dest-creds=user:pass", source, f"{token_registry.host}/sync/to"))
        done = succeed(pyskopeo_here(*words, "--dest-creds=user:pass", source, f"{token_registry.host}/sync/to"))
        assert "0 copied, 2 present" in done.stderr


@pytest.fixture(scope="module")
def hundred(registry: Registry) -> Registry:
    """``sync/many`` with a hundred small images that have their base in common."""
    base = LayerSpec("base", base=True)
    for number in range(100):
        image = build(ImageSpec(layers=(base, LayerSpec(f"many{number}", size=20_000))))
        registry.push(image, "sync/many", f"t{number}")
    return registry


class TestAHundredImages:
    """How fast this is, ``scripts/bench`` measures."""

    def test_from_far_away(self, hundred: Registry, tmp_path: Path) -> None:
        """And again, when there is nothing new: each image is asked about once, and that is all."""
        tags = [f"t{number}" for number in range(100)]
        with DelayProxy("127.0.0.1", hundred.port, 0.03, bytes_per_second=50_000_000) as far:
            file = tmp_path / "all.yml"
            file.write_text(f"{far.host}:\n  tls-verify: false\n  images: {{sync/many: [{', '.join(tags)}]}}\n")
            words = ("sync", "--src", "yaml", "--dest", "dir", file, tmp_path / "ours")
            done = succeed(pyskopeo(*words, timeout=120))
            assert "100 images: 100 copied" in done.stderr
            before = len(requests_in(hundred))
            done = succeed(pyskopeo(*words, timeout=120))
            assert "0 copied, 100 present; 0 B moved" in done.stderr
            # The registry writes its log after it has answered.
            assert wait_until(lambda: len(requests_in(hundred)) >= before + 100, 5)
            asked = requests_in(hundred)[before:]
        assert sorted(asked) == sorted(f"HEAD /v2/sync/many/manifests/{tag}" for tag in tags)
        few = tags[::33]
        file.write_text(f"{hundred.host}:\n  tls-verify: false\n  images: {{sync/many: [{', '.join(few)}]}}\n")
        succeed(skopeo("sync", "--src", "yaml", "--dest", "dir", file, tmp_path / "theirs"))
        ours, theirs = images(tmp_path / "ours"), tree(tmp_path / "theirs")
        assert {name.partition("/")[0] for name in ours} == {f"many:{tag}" for tag in tags}
        assert {name: ours[name] for name in ours if name.partition("/")[0].partition(":")[2] in few} == theirs


def requests_in(registry: Registry) -> list[str]:
    """``METHOD PATH`` of all that the registry has written down."""
    return [f"{found[1]} {found[2]}" for found in re.finditer(r'"([A-Z]+) (/v2/\S+) HTTP/', registry.log)]
