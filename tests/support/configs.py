"""Image configurations, with the fields and the field order of those who write them."""

from __future__ import annotations

import json
from collections.abc import Sequence

from .rootfs import PROGRAM
from .specs import ImageSpec

_GO_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_Json = dict[str, object]


def config_json(spec: ImageSpec, diff_ids: Sequence[str]) -> bytes:
    """The configuration blob of ``spec`` with these layers."""
    content = _docker(spec, diff_ids) if spec.flavor == "docker" else _oci(spec, diff_ids)
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    if spec.go_escapes:
        for plain, escaped in _GO_ESCAPES.items():
            text = text.replace(plain, escaped)
    return text.encode()


def _created(number: int) -> str:
    # Nanoseconds with and without trailing zeros: writers that parse and print times change these.
    return f"2024-02-03T04:05:{number % 60:02d}.{'123456789' if number % 2 else '5'}Z"


def _history(spec: ImageSpec) -> list[_Json]:
    entries: list[_Json] = []

    def add(text: str, *, empty: bool) -> None:
        entry: _Json = {"created": _created(len(entries)), "created_by": text}
        if spec.flavor == "oci":
            entry["comment"] = "buildkit.dockerfile.v0"
        entries.append(entry | {"empty_layer": True} if empty else entry)

    for layer in spec.layers:
        for number in range(spec.empty_history):
            add(f'/bin/sh -c #(nop)  ENV N={number} "<&>"', empty=True)
        add(f"/bin/sh -c #(nop) ADD file:{layer.name} in / ", empty=False)
    for _ in range(spec.empty_history):
        add(f'/bin/sh -c #(nop)  CMD ["{PROGRAM}"]', empty=True)
    return entries


def _platform(spec: ImageSpec) -> _Json:
    found: _Json = {}
    if spec.platform.os_version:
        found["os.version"] = spec.platform.os_version
    if spec.platform.os_features:
        found["os.features"] = list(spec.platform.os_features)
    if spec.platform.variant:
        found["variant"] = spec.platform.variant
    return found


def _oci(spec: ImageSpec, diff_ids: Sequence[str]) -> _Json:
    run: _Json = {"Env": list(spec.env), "Cmd": [PROGRAM], "WorkingDir": "/"}
    if spec.labels:
        run["Labels"] = dict(spec.labels)
    content: _Json = {"created": _created(1), "architecture": spec.platform.architecture, "os": spec.platform.os}
    return (
        content
        | _platform(spec)
        | {
            "config": run,
            "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
            "history": _history(spec),
        }
    )


def _docker(spec: ImageSpec, diff_ids: Sequence[str]) -> _Json:
    run: _Json = {
        "Hostname": "",
        "Domainname": "",
        "User": "",
        "AttachStdin": False,
        "AttachStdout": False,
        "AttachStderr": False,
        "ExposedPorts": {"8080/tcp": {}, "53/udp": {}},
        "Tty": False,
        "OpenStdin": False,
        "StdinOnce": False,
        "Env": list(spec.env),
        "Cmd": [PROGRAM],
        "Healthcheck": {"Test": ["CMD", PROGRAM], "Interval": 30000000000},
        "Image": "sha256:" + "1" * 64,
        "Volumes": {"/data": {}},
        "WorkingDir": "",
        "Entrypoint": None,
        "OnBuild": None,
        "Labels": dict(spec.labels) or None,
    }
    content: _Json = {
        "architecture": spec.platform.architecture,
        "config": run,
        "container": "c" * 64,
        "container_config": run | {"Hostname": "c" * 12, "Cmd": ["/bin/sh", "-c", "#(nop) ", f'CMD ["{PROGRAM}"]']},
        "created": _created(1),
        "docker_version": "20.10.24",
        "history": _history(spec),
        "os": spec.platform.os,
        "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
    }
    return content | _platform(spec)
