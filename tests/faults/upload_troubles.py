"""Troubles of a registry that is copied to, and of the network to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import TypeAlias

from tests.support.faults import Drop, Fault, Refuse
from tests.support.upload_faults import CutUpload, Early, Lost, StallUpload

from .images import LARGE, SIZES
from .scenes import Scene, Undisturbed
from .troubles import Ends, trouble, uploads

_Faults: TypeAlias = Callable[[Random], tuple[Fault, ...]]
_UPLOADS, _MANIFESTS, _ALL = "/v2/*/blobs/uploads/*", "/v2/*/manifests/*", "/v2/*"
_BODIES = ("PATCH", "PUT")
_INVALID = b'{"errors":[{"code":"DIGEST_INVALID","message":"provided digest did not match uploaded content"}]}'


def _add(
    name: str, ends: Ends, pattern: str, methods: tuple[str, ...], faults: _Faults, *, times: int | None, stalls: bool = False
) -> None:
    """Add a trouble with requests of these methods, with the first ``times`` of them or with all."""

    def begin(scene: Scene, undisturbed: Undisturbed, rng: Random) -> Iterator[None]:
        assert scene.mirror is not None
        scene.mirror.on(pattern, *faults(rng), times=times, methods=methods)
        yield

    trouble(name, ends, uploads, stalls=stalls)(begin)


def _somewhere(rng: Random) -> int:
    return rng.randrange(SIZES[LARGE])


_add("upload-cut", "well", _UPLOADS, _BODIES, lambda rng: (CutUpload(_somewhere(rng)),), times=2)
_add("upload-reset", "well", _UPLOADS, _BODIES, lambda rng: (CutUpload(_somewhere(rng), reset=True),), times=2)
_add("upload-cut-and-lost", "well", _UPLOADS, _BODIES, lambda rng: (CutUpload(_somewhere(rng), lose=True),), times=1)
_add("upload-cut-always", "badly", _UPLOADS, _BODIES, lambda rng: (CutUpload(rng.randrange(400)),), times=None)
_add("upload-stall", "well", _UPLOADS, _BODIES, lambda rng: (StallUpload(_somewhere(rng)),), times=1, stalls=True)
_add("upload-lost", "well", _UPLOADS, _BODIES, lambda rng: (Lost(),), times=1)
_add("upload-stopped", "well", _UPLOADS, _BODIES, lambda rng: (Early(rng.choice((500, 503)), 0),), times=1)
_add("upload-429-burst", "well", _ALL, ("POST", "PATCH", "PUT"), lambda rng: (Refuse(429, retry_after=0),), times=2)
_add("upload-500-burst", "well", _ALL, ("POST", "PATCH", "PUT"), lambda rng: (Refuse(rng.choice((500, 503))),), times=2)
_add("upload-429-always", "badly", _UPLOADS, _BODIES, lambda rng: (Refuse(429, retry_after=0),), times=None)
_add("upload-denied", "badly", _UPLOADS, ("POST",), lambda rng: (Refuse(403),), times=None)
_add("upload-digest-refused", "badly", _UPLOADS, ("PUT",), lambda rng: (Refuse(400, body=_INVALID),), times=None)
_add("upload-answer-lost", "well", _ALL, ("PUT",), lambda rng: (Drop(reset=rng.random() < 0.5),), times=1)
_add("manifest-refused", "badly", _MANIFESTS, ("PUT",), lambda rng: (Refuse(rng.choice((400, 500))),), times=None)
_add("manifest-answer-lost", "well", _MANIFESTS, ("PUT",), lambda rng: (Drop(),), times=2)
