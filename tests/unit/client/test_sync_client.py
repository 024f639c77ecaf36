"""The blocking client has the methods of the async one, with the same arguments and types."""

from __future__ import annotations

import inspect
import runpy
from pathlib import Path

import pytest

import pyskopeo

ROOT = Path(__file__).parents[3]
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "sync_client"))
METHODS = {name for name in dir(pyskopeo.Client) if not name.startswith("_")} - {"aclose"}


@pytest.mark.parametrize("module", SCRIPT["TWINS"])
def test_what_the_script_writes_is_what_is_there(module: str) -> None:
    """Run scripts/sync_client after a change to the async methods."""
    folder = SCRIPT["CLIENT"]
    assert SCRIPT["twin_of"]((folder / f"{module}.py").read_text()) == (folder / f"blocking_{module}.py").read_text()


def test_it_has_the_methods_that_a_user_looks_for() -> None:
    assert METHODS >= {
        "blob", "catalog", "copy", "delete", "files", "inspect", "manifest", "open_file", "plan", "pull_artifact",
        "push_artifact", "push_blob", "referrers", "sync", "tag", "tags", "verify",
    }  # fmt: skip
    assert {name for name in dir(pyskopeo.SyncClient) if not name.startswith("_")} - {"close"} == METHODS


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_method_is_the_same(name: str) -> None:
    ours, theirs = getattr(pyskopeo.SyncClient, name), getattr(pyskopeo.Client, name)
    signature, wanted = inspect.signature(ours), inspect.signature(theirs)
    assert list(signature.parameters.values()) == list(wanted.parameters.values())
    blocking = wanted.return_annotation.replace("AsyncIterator[", "Iterator[")
    assert signature.return_annotation == blocking
    assert inspect.getdoc(ours) == inspect.getdoc(theirs)
    assert not inspect.iscoroutinefunction(ours)
    assert inspect.iscoroutinefunction(theirs) or inspect.isasyncgenfunction(inspect.unwrap(theirs))


def test_it_is_made_with_the_same_arguments() -> None:
    assert inspect.signature(pyskopeo.SyncClient) == inspect.signature(pyskopeo.Client)


def test_the_script_knows_context_managers_and_long_calls() -> None:
    source = (
        '"""The methods of a client about x."""\n\nfrom collections.abc import AsyncIterator\n'
        "from contextlib import asynccontextmanager\n\nfrom .base import ClientBase\n\n\n"
        'class XMethods(ClientBase):\n    """X."""\n\n    @asynccontextmanager\n'
        '    async def x(self, a: int, *b: int) -> AsyncIterator[AsyncIterator[bytes]]:\n        """X."""\n        yield a\n'
        '\n    async def y(self) -> None:\n        """Y."""\n'
    )
    twin = SCRIPT["twin_of"](source)
    assert "    @contextmanager\n    def x(self, a: int, *b: int) -> Iterator[Iterator[bytes]]:\n" in twin
    assert "with self._entered(self._client.x(a, *b)) as opened:\n            yield self._iterate(opened)\n" in twin
    assert "return self._run(partial(self._client.y))\n" in twin
    compile(twin, "twin", "exec")
