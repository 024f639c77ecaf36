"""The distributions that a release carries: what pyproject.toml asks for, and what that needs in turn."""

from __future__ import annotations

import base64
import hashlib
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

try:
    from packaging.requirements import Requirement
except ImportError:
    sys.exit("build_release: needs the package packaging: pip install 'pyskopeo[release]'")

ROOT = Path(__file__).resolve().parents[2]
# What a user of one file should not have to install.
EXTRAS = ("serve", "socks")
# Their wheels have no pure Python: they cannot be imported from a zip file. They are used where they are installed.
NATIVE = frozenset({"backports-zstd", "bcrypt", "cryptography", "httptools", "isal"})
# What rich draws Markdown and source code with; progress and tables need neither.
UNUSED = frozenset({"markdown-it-py", "mdurl", "pygments"})
# It has an extension, and works without it.
_OPTIONAL_EXTENSION = frozenset({"pyyaml"})
# A requirement that one of these versions has counts.
_PYTHONS = ("3.11", "3.12", "3.13", "3.14", "3.15")
_LICENCE = re.compile(r"(?i)(?:licen[cs]e|copying|notice|authors)")
LEFT_OUT = re.compile(r"(?:^|/)(?:tests?|__pycache__)(?:/|\.py$)|\.pyi$|/py\.typed$|^\.\./|^/|/test_psl\.txt$")


def version() -> str:
    """Return the version of pyskopeo in this checkout."""
    found = re.search(r'^__version__ = "([^"]+)"$', (ROOT / "pyskopeo" / "__init__.py").read_text(), re.MULTILINE)
    assert found
    return found[1]


def own_files() -> dict[str, bytes]:
    """Return the modules of pyskopeo in this checkout, and its licence, by their paths in a release."""
    paths = sorted((ROOT / "pyskopeo").rglob("*.py"))
    files = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in paths}
    return {**files, "LICENSE": (ROOT / "LICENSE").read_bytes()}


def needed_distributions(*, native: bool) -> dict[str, set[str]]:
    """Return what each distribution needs, by normalized name; what pyskopeo itself needs, by "".

    What is never used is left out; ``native`` is whether those that are not pure Python are included, as installed for
    this version of Python. Exits if one is not installed.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [text for extra in EXTRAS for text in project["optional-dependencies"][extra]]
    needed: dict[str, set[str]] = {"": set()}
    waiting = [("", "", text) for text in (*project["dependencies"], *extras)]
    seen: set[tuple[str, str]] = set()
    while waiting:
        by, extra, text = waiting.pop()
        requirement = Requirement(text)
        name = normalized(requirement.name)
        left_out = name in UNUSED or (name in NATIVE and not native)
        if left_out or not _applies(requirement, extra, () if native else _PYTHONS):
            continue
        needed[by].add(name)
        for wanted in ("", *requirement.extras):
            if (name, wanted) not in seen:
                seen.add((name, wanted))
                needed.setdefault(name, set())
                waiting += [(name, wanted, more) for more in installed(name).requires or ()]
    return needed


def _applies(requirement: Requirement, extra: str, pythons: tuple[str, ...]) -> bool:
    """Return whether a requirement counts for one of ``pythons``, or without any for the one that runs this."""
    if requirement.marker is None:
        return True
    environments = [{"python_version": one, "python_full_version": f"{one}.0"} for one in pythons] or [{}]
    return any(requirement.marker.evaluate({"extra": extra, **one}) for one in environments)


def installed(name: str) -> Distribution:
    """Return an installed distribution; exits if it is not installed."""
    try:
        return distribution(name)
    except PackageNotFoundError:
        sys.exit(f"build_release: {name} is not installed: pip install -e '.[serve,socks,release]'")


def modules_and_data(name: str) -> dict[str, bytes]:
    """Return the files of a distribution that is pure Python, by their paths: modules, data, metadata and licences.

    Exits if one was changed since it was installed, or is an extension that may be needed.
    """
    files = dict(_files(name, installed(name)))
    if not any(path.endswith(".py") for path in files):
        sys.exit(f"build_release: {name} has no modules: install it from a wheel, not as editable")
    return files


def _files(name: str, found: Distribution) -> Iterator[tuple[str, bytes]]:
    for file in found.files or ():
        path = file.as_posix()
        folder, _, rest = path.partition("/")
        if LEFT_OUT.search(path):
            continue
        if folder.endswith(".dist-info"):
            if rest != "METADATA" and not _LICENCE.match(rest):
                continue
        elif re.search(r"\.(?:so|pyd|dylib)$", path):
            if name not in _OPTIONAL_EXTENSION:
                sys.exit(f"build_release: {name} has the extension {path}: is it one of NATIVE?")
            continue
        content = file.locate().read_bytes()  # type: ignore[union-attr,unused-ignore] # a path of the file system
        if file.hash is None or file.hash.value != _digest(file.hash.mode, content):
            sys.exit(f"build_release: {path} was changed after {name} was installed: install it again")
        yield path, content


def _digest(algorithm: str, content: bytes) -> str:
    """Return a digest as RECORD has it (PEP 376)."""
    return base64.urlsafe_b64encode(hashlib.new(algorithm, content).digest()).rstrip(b"=").decode()


def normalized(name: str) -> str:
    """Return the normalized form of a distribution's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
