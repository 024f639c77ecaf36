"""``registries.conf`` from text, for tests that write no file."""

from __future__ import annotations

from pyskopeo.config import registries_toml
from pyskopeo.config.registries import Registries


def parse_registries(text: str, where: str) -> Registries:
    """What is configured when ``text`` is the only file."""
    return Registries.merge((registries_toml.parse(text, where),))


MIRROR = '[[registry]]\nlocation = "a.org"\n[[registry.mirror]]\n'

# Files that are refused, and why.
REFUSED = [
    ("[[registry]]", "invalid condition: both location and prefix are unset in registry[0]"),
    ('[[registry]]\nlocation = "/"', "invalid condition: both location and prefix are unset in registry[0]"),
    ('[[registry]]\nprefix = "a.b"', ("invalid condition: location is unset and prefix is not in the format: *.example.com; "
     'add location = "a.b" to registry[0], or where its images really are')),
    ('[[registry]]\nlocation = "a.b"\n[[registry]]\nlocation = 5', "registry[1].location is not a string"),
    ('[[registry]]\nlocation = "a.b"\ninsecure = "true"', "registry[0].insecure is not true or false"),
    ('[[registry]]\nlocation = "a.b"\nblocked = 1', "registry[0].blocked is not true or false"),
    ('[[registry]]\nlocation = "a.b"\nprefix = ["x"]', "registry[0].prefix is not a string"),
    ('[[registry]]\nlocation = "a.b"\nmirror-by-digest-only = ""', "registry[0].mirror-by-digest-only is not true or false"),
    ('[[registry]]\nlocation = "a.b"\nmirror = "m"', "registry[0].mirror is not an array"),
    ('[[registry]]\nlocation = "a.b"\nmirror = ["m"]', "registry[0].mirror[0] is not a table"),
    ('[registry]\nlocation = "a.b"', "registry is not an array; write [[registry]] for [registry]"),
    ('registry = ["a.b"]', "registry[0] is not a table"),
    ('[[registry]]\nlocation = "https://a.b"',
     "invalid location 'https://a.b': URI schemes are not supported; begin with the host"),
    ('[[registry]]\nlocation = "a.b"\nprefix = "http://a.b"',
     "invalid location 'http://a.b': URI schemes are not supported; begin with the host"),
    (MIRROR + 'location = "http://m"', "invalid location 'http://m': URI schemes are not supported; begin with the host"),
    (MIRROR + "insecure = true", "invalid condition: mirror location is unset in registry[0].mirror[0]"),
    (MIRROR + 'location = "m.org"\npull-from-mirror = "never"', ('unsupported pull-from-mirror value "never" for mirror '
     '"m.org"; want one of all, digest-only, tag-only')),
    (MIRROR + 'location = "m.org"\npull-from-mirror = 1', "registry[0].mirror[0].pull-from-mirror is not a string"),
    (MIRROR + 'location = "m.org"\ninsecure = 1', "registry[0].mirror[0].insecure is not true or false"),
    ('[[registry]]\nlocation = "a.org"\npull-from-mirror = "all"',
     'pull-from-mirror must not be set for a non-mirror registry "a.org"'),
    (('[[registry]]\nlocation = "a.org"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "m.org"\n'
     'pull-from-mirror = "all"'),
     ('cannot set mirror usage mirror-by-digest-only for the registry ("a.org") and pull-from-mirror for per-mirror '
     '("m.org") at the same time')),
    *((f'[[registry]]\nprefix = "{prefix}"\nlocation = "x.y"', ("Wildcarded prefix should be in the format: *.example.com. "
       f'Current prefix "{prefix}" is incorrectly formatted')) for prefix in ("*.a.b/c", "*.a.b:5000", "*.a.b@sha256")),
    ('[[registry]]\nlocation = "a.b"\n[[registry]]\nprefix = "c.d"\nlocation = "a.b/"\ninsecure = true',
     "registry 'a.b' is defined multiple times with conflicting 'insecure' setting"),
    ('[[registry]]\nlocation = "a.b"\n[[registry]]\nlocation = "a.b"\nblocked = true',
     "registry 'a.b' is defined multiple times with conflicting 'blocked' setting"),
    ('[[registry]]\nprefix = "*.b"\n[[registry]]\nprefix = "*.b"\nblocked = true',
     "registry '*.b' is defined multiple times with conflicting 'blocked' setting"),
    ('unqualified-search-registries = "docker.io"', "unqualified-search-registries is not an array"),
    (
        '[[registry]]\nlocation = "https://a\\nb"',
        "invalid location 'https://a\\nb': URI schemes are not supported; begin with the host",
    ),
    ("unqualified-search-registries = [1]", "unqualified-search-registries[0] is not a string"),
    *((f'unqualified-search-registries = ["ok.org", "{entry}"]', ("Invalid unqualified-search-registries entry "
       f'"{entry}"; want host or host:port')) for entry in ("", "a/b", "a b", "-a", "a.b:port")),
    ('unqualified-search-registries = ["https://a.b"]',
     "invalid location 'https://a.b': URI schemes are not supported; begin with the host"),
    ('credential-helpers = "pass"', "credential-helpers is not an array"),
    ("credential-helpers = [true]", "credential-helpers[0] is not a string"),
    ('short-name-mode = "sometimes"', 'invalid short-name mode: "sometimes"; want one of enforcing, permissive, disabled'),
    ("short-name-mode = 1", "short-name-mode is not a string"),
    ("aliases = []", "aliases is not a table"),
    ("[aliases]\nx = 1", 'aliases."x" is not a string'),
    ('[aliases]\n"a.b/c" = "d.e/f"', 'validating short-name aliases: invalid short name "a.b/c": must not contain registry'),
    ('[aliases]\n"localhost/c" = "d.e/f"',
     'validating short-name aliases: invalid short name "localhost/c": must not contain registry'),
    ('[aliases]\n"a:1" = "d.e/f"', 'validating short-name aliases: invalid short name "a:1": must not contain tag or digest'),
    ('[aliases]\nx = "y"', 'validating short-name aliases: invalid alias "y": must contain registry and repository'),
    ('[aliases]\nx = "team/y"', 'validating short-name aliases: invalid alias "team/y": must contain registry and repository'),
    ('[aliases]\nx = "a.org/y:1"', 'validating short-name aliases: invalid alias "a.org/y:1": must not contain tag or digest'),
    ('[aliases]\nx = "a.org/Y"',
     'validating short-name aliases: invalid alias "a.org/Y": invalid reference format: repository name must be lowercase'),
    ("a = " + "[" * 3000, "toml: nested too deeply"),
    ("registries = 5", "registries is not a table"),
]  # fmt: skip
