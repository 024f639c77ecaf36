"""What holds at a destination whatever happens to a copy: checked here, for all cases, and nowhere else."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import Any

from .kept import litter
from .states import State, closure


class Violated(AssertionError):
    """A promise was not kept; the message says which, and where."""


def require(promise: str, *, unless: object) -> None:
    """Raise `Violated` if ``unless`` is true: a description of what breaks the promise, or a collection of it."""
    if unless:
        raise Violated(f"{promise}: {unless}"[:600])


def check_state(state: State) -> None:
    """No wrong byte is under the name of its digest, and every tag refers to an image that is whole."""
    wrong = [
        digest for digest, content in state.blobs.items()
        if hashlib.new(digest.partition(":")[0], content).hexdigest() != digest.partition(":")[2]
    ]  # fmt: skip
    require("content is what its digest says", unless=wrong)
    for name, target in state.names.items():
        if isinstance(target, str):
            missing = [digest for digest in closure(target, state.blobs) if digest not in state.blobs]
            require(f"all of {name} is there", unless=missing)


def check_between(before: State, after: State, final: State, *, killed: bool = False, resume: bool = True) -> None:
    """What a copy that was disturbed may have changed: it is not finished, or it is.

    ``before`` is the state at its start, ``final`` the one that an undisturbed copy leads to from there. With
    ``resume`` it leaves what the next one can go on with. One that was ``killed`` leaves any temporary files, among
    which may be the directory that it was about to replace.
    """
    check_state(after)
    changed = [digest for digest, content in before.blobs.items() if after.blobs.get(digest) != content]
    require("what was good stays good", unless=changed)
    require("no content that nobody has asked for", unless=sorted(after.blobs.keys() - before.blobs.keys() - final.blobs.keys()))
    for name, target in after.names.items():
        known = [state.names[name] for state in (before, final) if name in state.names]
        require("a name has its old content or its new one, whole", unless=target not in known and (name, sorted(target), [sorted(k) for k in known]))
    lost = sorted(before.names.keys() - after.names.keys())
    there = [state for state in (before, final) if killed]  # the other one of two may have put the new one there
    require("no name is lost", unless=[name for name in lost if not any(_moved_away(one, after, name) for one in there)])
    if not killed:
        require("no litter", unless=litter(after.temporary) if resume else sorted(after.temporary))
        require("no empty directories", unless=sorted(after.empty - before.empty - final.empty))
        require("no upload stays open", unless=sorted(after.uploads - before.uploads))


def _moved_away(before: State, after: State, name: str) -> bool:
    """Whether an image's directory is there under the name from which the next run moves it back."""
    tree: dict[str, bytes] = {}
    for path, content in after.temporary.items():
        directory, _, file = path.partition("/")
        if directory.endswith(".old"):
            tree[file] = content
    return bool(tree == before.names.get(name))


def check_final(state: State, final: State, before: State) -> None:
    """The state after a copy that has succeeded is the one that an undisturbed copy leads to, and nothing else.

    ``before`` is the state at its start: nobody can cancel an upload of a copy that was killed.
    """
    check_state(state)
    require("no litter", unless=sorted(state.temporary))
    require("no upload stays open", unless=sorted(state.uploads - before.uploads))
    require("no empty directories", unless=sorted(state.empty - final.empty))
    different = [name for name in state.names.keys() | final.names.keys() if state.names.get(name) != final.names.get(name)]
    require("every name refers to what it should", unless=different)
    require("all content is there, and no other", unless=sorted(state.blobs.keys() ^ final.blobs.keys()))


def check_stored(before: State, after: State, *, killed: bool = False, finished: bool = False) -> None:
    """What a copy may have changed in the content store; one that has ``finished`` has nothing to go on with."""
    check_state(after)
    lost = [digest for digest, content in before.blobs.items() if after.blobs.get(digest) != content]
    require("what is stored stays", unless=lost)
    require("no name is lost", unless=sorted(before.names.keys() - after.names.keys()))
    if not killed:
        require("no litter in the store", unless=sorted(after.temporary) if finished else litter(after.temporary))


def check_sound(state: State) -> None:
    """Images in directories and archives are whole, read by the standard library alone."""
    check_state(state)
    for name, target in state.names.items():
        if isinstance(target, dict):
            _check_directory(name, target)
        elif name.endswith(".tar") and isinstance(target, bytes):
            _check_archive(name, target)


def _check_directory(name: str, tree: dict[str, bytes]) -> None:
    digest = f"sha256:{hashlib.sha256(tree['manifest.json']).hexdigest()}"
    blobs = {f"sha256:{file}": content for file, content in tree.items() if len(file) == 64}
    check_state(State(blobs | {digest: tree["manifest.json"]}, {name: digest}))


def _check_archive(name: str, content: bytes) -> None:
    files: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive.getmembers():
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None:
                files[member.name] = file.read()
    if "index.json" in files:
        blobs = {":".join(path.split("/")[1:]): data for path, data in files.items() if path.startswith("blobs/")}
        for entry in json.loads(files["index.json"])["manifests"]:
            check_state(State(blobs, {name: entry["digest"]}))
        return
    for image in json.loads(files["manifest.json"]):
        config: Any = json.loads(files[image["Config"]])
        layers = [f"sha256:{hashlib.sha256(files[layer]).hexdigest()}" for layer in image["Layers"]]
        require(f"the layers of {name} are those of its configuration", unless=layers != config["rootfs"]["diff_ids"])
