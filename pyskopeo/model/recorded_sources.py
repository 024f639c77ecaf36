"""Where an image came from, as the entry of a layout records it when its layers are left out. No I/O.

The annotations are containerd's labels for the sources of content: the key names the registry, the value repositories,
separated by commas.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import InvalidName
from .layout import SOURCE_PREFIX
from .reference import Reference


def source_annotation(source: str) -> dict[str, str]:
    """Return the annotation for a repository, HOST/REPOSITORY."""
    registry, _, repository = source.partition("/")
    return {f"{SOURCE_PREFIX}{registry}": repository}


def recorded_sources(annotations: Mapping[str, str]) -> tuple[Reference, ...]:
    """Return the repositories that the annotations of a layout's entry name; what is no repository is passed over."""
    found: dict[Reference, None] = {}
    for name, repositories in annotations.items():
        if not name.startswith(SOURCE_PREFIX):
            continue
        registry = name.removeprefix(SOURCE_PREFIX)
        for repository in repositories.split(","):
            try:
                reference = Reference.parse(f"{registry}/{repository}", default_tag="")
            except InvalidName:
                continue
            # A registry without a dot or a port would be taken for a part of a repository on Docker Hub.
            if reference.registry == registry and not reference.manifest_name:
                found[reference] = None
    return tuple(found)
