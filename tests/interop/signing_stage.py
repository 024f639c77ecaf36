"""Where images are signed and checked: a repository of its own in a real registry, and a place for its signatures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tests.interop.programs import Program, copied, refused
from tests.support.cli import succeed
from tests.support.exchange import Request, Response
from tests.support.httpd import HttpServer
from tests.support.images import BuiltImage, build
from tests.support.outputs import write_dir
from tests.support.peers import Registry
from tests.support.signature_extension import ExtendedRegistry

PLAIN_HTTP = ("--src-tls-verify=false", "--dest-tls-verify=false")


@dataclass(frozen=True)
class Stage:
    """``prefix`` is the namespace of a test's repositories, with the registry's host, and ``folder`` its files."""

    registry: Registry | ExtendedRegistry
    prefix: str
    folder: Path
    program: Program

    @property
    def lookaside(self) -> Path:
        """The folder of signatures that `registries_d` names unless told otherwise."""
        return self.folder / "lookaside"

    @property
    def unexpected(self) -> Path:
        """The folder of signatures for which nothing is configured."""
        return self.folder / "unexpected"

    @property
    def registries_d(self) -> Path:
        """The directory of ``registries.d``; with the lookaside, unless `configure` has written another file."""
        path = self.folder / "registries.d"
        if not path.exists():
            self.configure({self.prefix: {"lookaside": f"file://{self.lookaside}"}})
        return path

    def configure(self, namespaces: Mapping[str, Mapping[str, object]]) -> None:
        """Write ``registries.d``: the settings of each namespace. JSON is YAML too.

        Elsewhere signatures go into `unexpected`, not into the folder of the machine that both programs use by default.
        """
        path = self.folder / "registries.d"
        path.mkdir(exist_ok=True)
        default = {"lookaside": f"file://{self.unexpected}"}
        (path / "test.yaml").write_text(json.dumps({"default-docker": default, "docker": namespaces}))

    def name(self, repository: str, tag: str = "latest") -> str:
        """``docker://HOST/NAMESPACE/REPOSITORY:TAG``."""
        return f"docker://{self.prefix}/{repository}:{tag}"

    def image(self, kind: str = "docker") -> str:
        """An unsigned image in files, ``dir:PATH``."""
        folder = self.folder / f"unsigned-{kind}"
        if not folder.exists():
            write_dir(self.built(kind), folder)
        return f"dir:{folder}"

    def built(self, kind: str = "docker") -> BuiltImage:
        """The image that `image` has written."""
        return build(kind)

    def copy(self, *words: object, policy: Path | None = None) -> None:
        """Copy, which must succeed; the words are flags and both names."""
        copied(self.program, "--registries.d", self.registries_d, *PLAIN_HTTP, *words, policy=policy)

    def refuse(self, *words: object, policy: Path | None = None) -> str:
        """Copy, which must fail; returns the message."""
        return refused(self.program, "--registries.d", self.registries_d, *PLAIN_HTTP, *words, policy=policy)

    def run(self, *words: object) -> bytes:
        """Another command that must succeed; returns its output."""
        return succeed(self.program("--registries.d", self.registries_d, *words)).stdout

    def out(self, name: str = "out") -> str:
        """A ``dir:`` to copy to."""
        return f"dir:{self.folder}/{name}"

    def policy(self, default: list[dict[str, Any]] | None = None, **transports: object) -> Path:
        """Write a policy that rejects what is not named; ``docker`` maps scopes within the namespace."""
        path = self.folder / f"policy-{len(list(self.folder.glob('policy-*')))}.json"
        path.write_text(json.dumps({"default": default or [{"type": "reject"}], "transports": transports}))
        return path


def files(folder: Path) -> list[str]:
    """The paths of the files in ``folder``, relative to it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


class FolderServer(HttpServer):
    """A web server for the files below a folder, such as a lookaside."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def answer(self, request: Request) -> Response:
        path = self.folder / unquote(request.path).lstrip("/")
        return Response(200, body=path.read_bytes()) if path.is_file() else Response(404)
