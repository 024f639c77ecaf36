"""What to type instead of a command that does not exist: the command line for what other programs call otherwise."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches

from ..transports import TRANSPORTS
from .command import SUMMARIES, program

# What commands of skopeo that do not exist here are about.
_NOT_SUPPORTED = {
    "experimental-image-proxy": "the image proxy is not supported",
    "layers": "it is deprecated: copy the image to a dir: instead",
}
# What other programs call the commands.
_OTHER_NAMES = {
    "append": "tag", "check": "verify", "cp": "copy", "digest": "inspect", "fsck": "layout verify", "gc": "layout gc",
    "load": "copy", "mirror": "sync", "prune": "store prune", "pull": "copy", "push": "copy", "repair": "layout repair",
    "rm": "delete", "rmi": "delete", "save": "copy", "tags": "list-tags", "validate": "verify",
}  # fmt: skip

# A name or a path that may be shown in a command line: it needs no quotes.
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@+-]{0,200}", re.ASCII)


def hint(verb: str, words: Sequence[str]) -> str:
    """Return what to do instead of the unknown command ``verb``, or an empty string; ``words`` follow it.

    The command lines name what the user has named, unless there are flags: their values may be secrets.
    """
    if verb in _NOT_SUPPORTED:
        return f"{_NOT_SUPPORTED[verb]}. "
    if program() != "skopeo" and verb in _COMMAND_LINES:
        plain = all(_PLAIN.fullmatch(word) for word in words)
        return f"{_COMMAND_LINES[verb](list(words) if plain else [])}\n"
    begun = next((known for known in SUMMARIES if known.startswith(verb)), "")
    meant = begun or _OTHER_NAMES.get(verb) or next(iter(get_close_matches(verb, SUMMARIES)), "")
    return f"Did you mean '{meant}'? " if meant else ""


def _registry_name(words: Sequence[str], position: int = 0, example: str = "docker.io/library/alpine:3.20") -> str:
    """Return the name of an image in a registry, without its transport; ``example`` if none is given."""
    given = words[position].removeprefix("docker://") if len(words) > position else example
    return example if _has_transport(given) else given


def _has_transport(name: str) -> bool:
    return name.partition(":")[0] in TRANSPORTS


def _image(words: Sequence[str], position: int, example: str) -> str:
    """Return the name of an image with its transport, that of a registry if none is given."""
    if len(words) > position and _has_transport(words[position]):
        return words[position]
    return f"docker://{_registry_name(words, position, example)}"


def _short_name(name: str) -> str:
    """Return the last part of the name of an image, with its tag."""
    return name.partition("@")[0].rpartition("/")[2] or "image"


def _repository(name: str) -> str:
    """Return a name without its tag and its digest."""
    host, slash, rest = name.partition("@")[0].rpartition("/")
    return host + slash + rest.partition(":")[0]


def _layout(name: str) -> str:
    short, _, tag = _short_name(name).partition(":")
    return f"oci:{short}:{tag or 'latest'}"


def _with_tag(name: str) -> str:
    """Return the name that an image has in an archive or in Docker."""
    name = name.partition("@")[0]
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _try(*commands: str) -> str:
    return "Try:" + "".join(f"\n  pyskopeo {command}" for command in commands)


def _pull(words: Sequence[str]) -> str:
    name = _registry_name(words)
    archive = f"docker-archive:{_short_name(name).partition(':')[0]}.tar"
    return "There are no local images: say where to copy it. " + _try(
        f"copy docker://{name} {_layout(name)}",
        f"copy docker://{name} {archive}:{_with_tag(name)}",
        f"copy docker://{name} docker-daemon:{_with_tag(name)}",
    )


def _push(words: Sequence[str]) -> str:
    if len(words) == 2:  # as crane and regctl push a file or a layout
        kind = "docker-archive" if words[0].endswith(".tar") else "oci"
        source = words[0] if _has_transport(words[0]) else f"{kind}:{words[0]}"
        return _try(f"copy {source} {_image(words, 1, 'registry.example.com/team/app:1.4')}")
    name = _registry_name(words, 0, "registry.example.com/team/app:1.4")
    return _try(f"copy {_layout(name)} docker://{name}", f"copy docker-daemon:{_with_tag(name)} docker://{name}")


def _save(words: Sequence[str]) -> str:
    name = _registry_name(words)
    archive = words[1] if len(words) == 2 else f"{_short_name(name).partition(':')[0]}.tar"
    return _try(f"copy docker://{name} docker-archive:{archive}:{_with_tag(name)}",
                f"copy docker-daemon:{_with_tag(name)} docker-archive:{archive}:{_with_tag(name)}")  # fmt: skip


def _load(words: Sequence[str]) -> str:
    archive = words[0].removeprefix("docker-archive:") if words else "alpine.tar"
    return _try(f"copy docker-archive:{archive} docker-daemon:{_short_name(archive).removesuffix('.tar')}:latest")


def _mirror(words: Sequence[str]) -> str:
    source = _registry_name(words, 0, "docker.io/library/alpine")
    destination = _registry_name(words, 1, "registry.example.com/mirror")
    return _try(f"sync --src docker --dest docker {source} {destination}")


def _cp(words: Sequence[str]) -> str:
    source = _image(words, 0, "docker.io/library/alpine:3.20")
    return _try(f"copy {source} {_image(words, 1, 'registry.example.com/alpine:3.20')}")


def _on_image(command: str, example: str = "docker.io/library/alpine:3.20") -> Callable[[Sequence[str]], str]:
    return lambda words: _try(f"{command} {_image(words, 0, example)}")


def _tags(words: Sequence[str]) -> str:
    return _try(f"list-tags docker://{_repository(_registry_name(words))}")


def _images(_words: Sequence[str]) -> str:
    return "There are no local images but those in layouts and in the content store. " + _try(
        "layout ls oci:DIR", "store ls --store DIR"
    )


def _containers(words: Sequence[str]) -> str:
    return "Containers are not run, and images not built, but files of images can be read. " + _try(
        f"extract {_image(words, 0, 'docker.io/library/alpine:3.20')} --dest rootfs"
    )


_DELETE = _on_image("delete", "registry.example.com/team/app:1.4")
_COMMAND_LINES: dict[str, Callable[[Sequence[str]], str]] = {
    "build": _containers, "cp": _cp, "digest": _on_image("inspect --format '{{.Digest}}'"), "fetch": _pull,
    "history": _on_image("inspect --config"), "images": _images, "load": _load, "mirror": _mirror, "ps": _containers,
    "pull": _pull, "push": _push, "rm": _DELETE, "rmi": _DELETE, "run": _containers, "save": _save,
    "search": _tags, "tags": _tags, "validate": _on_image("verify"),
}  # fmt: skip
