"""The values that ``inspect --format`` gives to a Go template: skopeo's types, field by field."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

from ..errors import InvalidInput
from ..gocompat.go_json import dumps
from ..gocompat.go_time import GoTime
from ..gocompat.template import Field, Struct, UnknownField, is_json, render

Kind: TypeAlias = Literal["image", "artifact", "config", "platforms"]


def print_formatted(template: str, document: Mapping[str, Any], kind: Kind) -> None:
    """Print a document of a kind by a template; raises what `formatted` raises."""
    sys.stdout.write(formatted(template, document, kind))


def formatted(template: str, document: Mapping[str, Any], kind: Kind) -> str:
    """Return a document of a kind by a template; the template ``json`` stands for the default output.

    Raises `InvalidInput` for an invalid template, and for a field that there is not.
    """
    value = _STRUCTS[kind](document)
    if is_json(template):
        return dumps(document, indent=4) + "\n"
    try:
        return render(template, value)
    except UnknownField as error:
        raise InvalidInput(f"{error}; its fields are {', '.join(error.available)}") from None


def _image_struct(document: Mapping[str, Any]) -> Struct:
    """skopeo's ``inspect.Output``."""
    return Struct(
        "inspect.Output",
        {
            "Name": Field(document.get("Name", ""), "string", omitempty=True),
            "Tag": Field("", "string", omitempty=True),
            "Digest": Field(document["Digest"], "digest.Digest"),
            "RepoTags": Field(document["RepoTags"], "[]string"),
            "Created": Field(_time(document["Created"]), "*time.Time"),
            "DockerVersion": Field(document["DockerVersion"], "string"),
            "Labels": Field(document["Labels"], "map[string]string"),
            "Architecture": Field(document["Architecture"], "string"),
            "Os": Field(document["Os"], "string"),
            "Layers": Field(document["Layers"], "[]string"),
            "LayersData": Field([_layer(layer) for layer in document["LayersData"]], "[]types.ImageInspectLayer"),
            "Env": Field(document["Env"], "[]string"),
        },
    )


def _artifact_struct(document: Mapping[str, Any]) -> Struct:
    """An artifact, for which skopeo has no type."""
    return Struct(
        "Artifact",
        {
            "Name": Field(document.get("Name", ""), "string", omitempty=True),
            "Digest": Field(document["Digest"], "digest.Digest"),
            "RepoTags": Field(document["RepoTags"], "[]string"),
            "MIMEType": Field(document["MIMEType"], "string"),
            "ArtifactType": Field(document["ArtifactType"], "string"),
            "Config": Field(_layer(document["Config"]) if document["Config"] else None),
            "Layers": Field(document["Layers"], "[]string"),
            "LayersData": Field([_layer(layer) for layer in document["LayersData"]], "[]types.ImageInspectLayer"),
            "Subject": Field(document["Subject"], "digest.Digest"),
            "Annotations": Field(document["Annotations"], "map[string]string"),
        },
    )


def _platforms_struct(document: Mapping[str, Any]) -> Struct:
    """The output of ``--platforms``."""
    listed = [
        Struct(
            "Platform",
            {
                "Platform": Field(entry["Platform"], "string"),
                "OsVersion": Field(entry["OsVersion"], "string"),
                "Digest": Field(entry["Digest"], "digest.Digest"),
                "MIMEType": Field(entry["MIMEType"], "string"),
                "ArtifactType": Field(entry["ArtifactType"], "string"),
                "Layers": Field(entry["Layers"], "int"),
                "Size": Field(entry["Size"], "int64"),
                "Annotations": Field(entry["Annotations"], "map[string]string"),
            },
        )
        for entry in document["Platforms"]
    ]
    return Struct(
        "Platforms",
        {
            "Name": Field(document.get("Name", ""), "string", omitempty=True),
            "Digest": Field(document["Digest"], "digest.Digest"),
            "MIMEType": Field(document["MIMEType"], "string"),
            "Platforms": Field(listed, "[]Platform"),
        },
    )


def _layer(layer: Mapping[str, Any]) -> Struct:
    return Struct(
        "types.ImageInspectLayer",
        {
            "MIMEType": Field(layer["MIMEType"], "string"),
            "Digest": Field(layer["Digest"], "digest.Digest"),
            "Size": Field(layer["Size"], "int64"),
            "Annotations": Field(layer["Annotations"], "map[string]string"),
        },
    )


def _config_struct(document: Mapping[str, Any]) -> Struct:
    """The image specification's ``v1.Image``."""
    inner, rootfs = document["config"], document["rootfs"]
    history = [
        Struct(
            "v1.History",
            {
                "Created": Field(_time(entry.get("created")), "*time.Time", "created", omitempty=True),
                "CreatedBy": Field(entry.get("created_by", ""), "string", "created_by", omitempty=True),
                "Author": Field(entry.get("author", ""), "string", "author", omitempty=True),
                "Comment": Field(entry.get("comment", ""), "string", "comment", omitempty=True),
                "EmptyLayer": Field(entry.get("empty_layer", False), "bool", "empty_layer", omitempty=True),
            },
        )
        for entry in document.get("history", [])
    ]
    return Struct(
        "v1.Image",
        {
            "Created": Field(_time(document.get("created")), "*time.Time", "created", omitempty=True),
            "Author": Field(document.get("author", ""), "string", "author", omitempty=True),
            "Platform": Field(_platform(document), embedded=True),
            "Config": Field(_inner(inner), json="config"),
            "RootFS": Field(
                Struct(
                    "v1.RootFS",
                    {
                        "Type": Field(rootfs["type"], "string", "type"),
                        "DiffIDs": Field(rootfs["diff_ids"], "[]digest.Digest", "diff_ids"),
                    },
                ),
                json="rootfs",
            ),
            "History": Field(history or None, "[]v1.History", "history", omitempty=True),
        },
    )


def _platform(document: Mapping[str, Any]) -> Struct:
    """``v1.Platform``, which is embedded: ``{{.Platform.OS}}`` is ``{{.OS}}``."""
    return Struct(
        "v1.Platform",
        {
            "Architecture": Field(document["architecture"], "string", "architecture"),
            "OS": Field(document["os"], "string", "os"),
            "OSVersion": Field(document.get("os.version", ""), "string", "os.version", omitempty=True),
            "OSFeatures": Field(document.get("os.features"), "[]string", "os.features", omitempty=True),
            "Variant": Field(document.get("variant", ""), "string", "variant", omitempty=True),
        },
    )


_INNER = {
    "User": "string",
    "ExposedPorts": "map[string]struct {}",
    "Env": "[]string",
    "Entrypoint": "[]string",
    "Cmd": "[]string",
    "Volumes": "map[string]struct {}",
    "WorkingDir": "string",
    "Labels": "map[string]string",
    "StopSignal": "string",
    "ArgsEscaped": "bool",
}
_ZEROS: dict[str, Any] = {"string": "", "bool": False}


def _inner(inner: Mapping[str, Any]) -> Struct:
    return Struct(
        "v1.ImageConfig",
        {
            name: Field(inner.get(name, _ZEROS.get(kind)), kind, omitempty=True)
            for name, kind in _INNER.items()
        },
    )


def _time(text: str | None) -> GoTime | None:
    return GoTime.parse(text) if text else None


_STRUCTS: dict[Kind, Callable[[Mapping[str, Any]], Struct]] = {
    "image": _image_struct,
    "artifact": _artifact_struct,
    "config": _config_struct,
    "platforms": _platforms_struct,
}
