"""A registry that stores signatures by itself, as OpenShift's does: ``X-Registry-Supports-Signatures``."""

from __future__ import annotations

import json
import re
import threading
from dataclasses import replace
from io import BytesIO

from .exchange import Request, Response
from .pushing import Handling, answered
from .simulator import Simulator
from .store import refusal

_ROUTE = re.compile(r"/extensions/v2/(?P<name>.+)/signatures/(?P<digest>[^/]+)")
_HEADER = ("X-Registry-Supports-Signatures", "1")


class ExtendedRegistry(Simulator):
    """The registry; a context manager.

    ``signatures`` are the stored ones, as JSON has them, by digest of the manifest. All repositories share them, as in
    OpenShift. Every response says that it has them, unless ``supported`` is False.
    """

    supported = True

    def __init__(self) -> None:
        super().__init__()
        self.signatures: dict[str, list[dict[str, object]]] = {}
        self._signatures_lock = threading.Lock()

    def _honest(self, request: Request) -> Handling:
        if (route := _ROUTE.fullmatch(request.path)) is not None:
            return self._extension(request, route["digest"])
        handling = super()._honest(request)
        if not self.supported:
            return handling
        return replace(handling, finish=lambda asked: handling.finish(asked).with_header(*_HEADER))

    def _extension(self, request: Request, digest: str) -> Handling:
        if request.method == "PUT":
            body = BytesIO()
            return Handling(lambda _: self._add(digest, body.getvalue()), body.write, keeps=body)
        with self._signatures_lock:
            raw = json.dumps({"signatures": self.signatures.get(digest, [])}).encode()
        return answered(Response(200, (("Content-Type", "application/json"),), raw))

    def _add(self, digest: str, raw: bytes) -> Response:
        signature = json.loads(raw)
        with self._signatures_lock:
            stored = self.signatures.setdefault(digest, [])
            # A name is the digest, "@" and 32 hexadecimal digits, which the client invents.
            if not re.fullmatch(re.escape(digest) + "@[0-9a-f]{32}", str(signature.get("name"))):
                return refusal(400, "INVALID", message="the name of the signature")
            if any(one["name"] == signature["name"] for one in stored):
                return refusal(409, "CONFLICT", message="a signature has that name")
            stored.append(signature)
        return Response(201)
