"""registries.conf beside the real skopeo: the same files are refused, the same places asked in the same order.

Nothing listens where these files point, so that skopeo's debug log tells each place it would have asked.
Where we differ on purpose (names with a tag as prefix, a blocked prefix with another location, Docker
Hub's short names in a location, one-letter wildcards) the unit tests say what is done instead.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from pyskopeo.errors import InvalidInput
from pyskopeo.model.reference import Reference
from tests.support.registries_conf import REFUSED, parse_registries
from tests.support.require import require_peer

pytestmark = pytest.mark.peer("skopeo")
DIGEST = "sha256:" + "a1" * 32


@dataclass
class Skopeo:
    program: str
    folder: Path

    def run(self, text: str, *arguments: str) -> str:
        conf = self.folder / "registries.conf"
        conf.write_text(text)
        result = subprocess.run(
            [self.program, "--command-timeout", "20s", "--debug", "--registries-conf", str(conf), *arguments],
            env={"HOME": str(self.folder), "PATH": os.environ["PATH"]},
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert result.returncode != 0
        return result.stderr

    def asked(self, text: str, name: str) -> list[str]:
        """Each place it asks for the image, with "http" behind those it would speak plainly to."""
        found: list[str] = []
        for line in self.run(text, "inspect", f"docker://{name}").splitlines():
            if place := re.search(r'msg="Trying to access \\"(.+?)\\"', line):
                found.append(place[1])
            elif re.search(r'msg="GET http://.+/v2/"', line):
                found[-1] += " http"
            elif re.search(r'msg="Accessing .+ failed: registry .+ is blocked in', line):
                found.pop()
            elif "level=fatal" in line and "rewriting reference" in line:
                return ["rewriting reference"]
            elif "level=fatal" in line and re.search(r"registry \S+ is blocked in", line):
                found = found or ["blocked"]
        return found


@pytest.fixture
def skopeo(tmp_path: Path) -> Skopeo:
    return Skopeo(require_peer("skopeo"), tmp_path)


def ours(text: str, name: str) -> list[str]:
    try:
        endpoints = parse_registries(text, "F").endpoints(Reference.parse(name))
    except InvalidInput as error:
        return ["rewriting reference" if "rewriting reference" in str(error) else "blocked"]
    return [f"{one.reference}{' http' if one.insecure else ''}" for one in endpoints]


def entry(prefix: str, location: str, *more: str) -> str:
    return "\n".join(["[[registry]]", f'prefix = "{prefix}"', f'location = "{location}"', *more, ""])


def mirror(location: str, *more: str) -> str:
    return "\n".join(["[[registry.mirror]]", f'location = "{location}"', *more])


LOCAL, SECOND, THIRD = "127.0.0.1:1", "127.0.0.1:2/x", "127.0.0.1:3/y/z"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", f"{LOCAL}/img"),
        (entry(LOCAL, LOCAL, "insecure = true"), f"{LOCAL}/img"),
        (entry("127.0.0.1", "127.0.0.1", "insecure = true"), f"{LOCAL}/img"),
        (entry("example.com", LOCAL), "example.com/ns/img"),
        (entry("example.com", LOCAL), f"example.com/ns/img@{DIGEST}"),
        (entry("example.com", LOCAL), "example.com:5000/ns/img"),
        (entry("example.com/ns", SECOND, "insecure = true"), "example.com/ns/img:1"),
        (entry("example.com/ns/img", SECOND), "example.com/ns/img:1"),
        (entry("*.example.com", SECOND), "a.b.example.com/ns/img"),
        (entry("*.example.com", SECOND), "ab.example.com:5000/ns/img"),
        (entry("example.com", "ok.net/UPPER"), "example.com/img"),
        (entry("example.com", "nohost/x"), "example.com/img"),
        (entry("example.com", LOCAL, mirror(SECOND, "insecure = true"), mirror(THIRD)), "example.com/img"),
        (entry("example.com", LOCAL, mirror("nohost/x")), "example.com/img"),
        (entry("docker.io", LOCAL), "alpine"),
        (entry("docker.io/library", SECOND), "docker.io/alpine:3"),
        (entry(LOCAL, LOCAL, "blocked = true"), f"{LOCAL}/img"),
        (entry(LOCAL, LOCAL, "blocked = true", mirror(SECOND)), f"{LOCAL}/img"),
        (entry(LOCAL, LOCAL, mirror(SECOND), mirror(THIRD)) + entry(SECOND, SECOND, "blocked = true"), f"{LOCAL}/img"),
        (entry(LOCAL, LOCAL, "blocked = true") + entry(f"{LOCAL}/ok", f"{LOCAL}/ok"), f"{LOCAL}/ok/img"),
        (entry("example.com", SECOND) + entry("127.0.0.1:2", "127.0.0.1:2", "blocked = true"), "example.com/img"),
    ],
)
def test_the_same_places_are_asked(skopeo: Skopeo, text: str, name: str) -> None:
    assert ours(text, name) == skopeo.asked(text, name)


@pytest.mark.parametrize("seed", range(40))
def test_the_same_places_are_asked_for_files_of_any_kind(skopeo: Skopeo, seed: int) -> None:
    rng = random.Random(seed)
    prefixes = ["example.com", "example.com/ns", "example.com/ns/img", "*.example.com", "*.com", "ab.example.com/ns"]
    entries = ['[[registry]]\nprefix = "*.com"\nlocation = "127.0.0.1:9"\n', entry("example.com", "127.0.0.1:8")]
    for number, prefix in enumerate(rng.sample(prefixes[1:3] + prefixes[3:4] + prefixes[5:], rng.randint(0, 4))):
        by_digest = rng.random() < 0.3
        rules = [
            [],
            ['pull-from-mirror = "digest-only"'],
            ['pull-from-mirror = "tag-only"'],
            ['pull-from-mirror = "all"'],
        ]
        mirrors = [
            mirror(
                f"127.0.0.1:{20 + which}" + rng.choice(["", "/m"]),
                *rng.choice([[], ["insecure = true"]]),
                *([] if by_digest else rng.choice(rules)),
            )
            for which in range(rng.randint(0, 3))
        ]
        options = ["mirror-by-digest-only = true"] if by_digest else []
        options += ["insecure = true"] if rng.random() < 0.5 else []
        entries.append(entry(prefix, f"127.0.0.1:{1 + number}" + rng.choice(["", "/p"]), *options, *mirrors))
    rng.shuffle(entries)
    for host in ("example.com", "ab.example.com"):
        name = f"{host}/{rng.choice(['ns/img', 'ns/other', 'img', 'ns/img/x'])}{rng.choice(['', ':1', f'@{DIGEST}'])}"
        assert ours("".join(entries), name) == skopeo.asked("".join(entries), name)


MORE = {"aliases = []", "a = " + "[" * 3000}  # what Go's parser lets pass, and what takes it too long


# Version 1 is read by the skopeo of today's distributions; newer ones refuse it, as we do.
@pytest.mark.parametrize("text", [text for text, _ in REFUSED if text not in MORE])
def test_it_refuses_what_we_refuse(skopeo: Skopeo, text: str) -> None:
    assert "loading registries configuration" in skopeo.run(text, "list-tags", "docker://127.0.0.1:1/x")


@pytest.mark.parametrize(
    "text",
    [
        "bogus = 1\n[[registry]]\nlocation = 'a.b'\nbogus = 2\n[more]",
        "[[registry]]\nLocation = 'a.b'\nINSECURE = true",
        "[[registry]]\nprefix = '*.a.b'",
        "[[registry]]\nprefix = '*'\nlocation = 'c.d'",
        "[[registry]]\nprefix = 'a.*.b'\nlocation = 'c.d'",
        "[[registry]]\nlocation = 'NO/name at all'",
        "[[registry]]\nlocation = 'a.b'\n[[registry]]\nlocation = 'a.b/'",
        "[registries]\n[[registry]]\nlocation = 'a.b'",
        "unqualified-search-registries = ['host', 'a.b:5000/']",
        "[aliases]\nx = ''\n'a.b' = 'localhost/y'\nlocalhost = 'a:1/y'",
        "[[registry]]\nlocation = 'a.b'\n[[registry.mirror]]\nlocation = 'm.b'\npull-from-mirror = ''",
    ],
)
def test_it_takes_what_we_take(skopeo: Skopeo, text: str) -> None:
    parse_registries(text, "F")
    assert "loading registries configuration" not in skopeo.run(text, "list-tags", "docker://127.0.0.1:1/x")
