"""What the registries of `clouds` have in common.

One server answers for the API, the token server and the storage of a cloud, by the name it is asked for;
`Internet` leads these names to it. Everything is TLS, by an authority of the test's own.
"""

from __future__ import annotations

import base64
import json
import shutil
from contextlib import ExitStack
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self
from urllib.parse import parse_qs

from .exchange import Headers, Request, Response
from .images import BuiltImage
from .internet import Internet
from .pushing import Handling, Pushing, answered
from .simulator import _ROUTE, Simulator
from .store import blob_answer
from .tls import Authority
from .token_server import TokenRules, TokenServer

S3_SIGNED = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=1200&X-Amz-Signature=5f3a"
S3_REFUSES = b"<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed</Message></Error>"
AZURE_SIGNED = "se=2030-01-01T00%3A00%3A00Z&sp=r&sig=5f3a%3D"
AZURE_REFUSES = (
    b"<Error><Code>InvalidAuthenticationInfo</Code><Message>Authentication information is not given in the correct "
    b"format. Check the value of Authorization header.</Message></Error>"
)


def errors(status: int, *pairs: tuple[str, str], headers: Headers = ()) -> Response:
    """A refusal of several errors, each a code and a message (distribution specification, "Error Codes")."""
    body = {"errors": [{"code": code, "message": message} for code, message in pairs]}
    return Response(status, (("Content-Type", "application/json"), *headers), json.dumps(body).encode())


class Cloud(Simulator):
    """One cloud's registry; a context manager. Subclasses say how it differs.

    ``public`` repositories may be pulled by everybody; users of ``readers`` may pull everything, ``user``
    may push as well. What was asked is in `asked`, by the name of the host.
    """

    site: ClassVar[str]  # in names of images
    api: ClassVar[str]
    storage: ClassVar[str]
    user: ClassVar[str] = "user"
    password: ClassVar[str] = "hunter2-password"
    signed: ClassVar[str] = S3_SIGNED
    storage_refuses: ClassVar[bytes] = S3_REFUSES
    moved: ClassVar[int] = 307
    redirected: ClassVar[tuple[str, ...]] = ("GET",)
    kind_of_registry: ClassVar[Pushing] = Pushing()

    def __init__(self, folder: Path, *, public: tuple[str, ...] = (), readers: dict[str, str] | None = None) -> None:
        authority = Authority.create(folder / "cloud")
        super().__init__(tls=authority.server(hosts=self.names()), pushing=self.kind_of_registry)
        self.public, self.readers = public, readers or {}
        self.certificates = folder / "certs"
        self.certificates.mkdir()
        shutil.copy(authority.path, self.certificates / "ca.crt")
        self._internet = Internet(self.names(), self.port)
        self._stack = ExitStack()

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """All hosts of this cloud."""
        return (cls.api, cls.storage)

    @property
    def proxy(self) -> str:
        """What leads there, for ``HTTPS_PROXY``."""
        return self._internet.url

    @property
    def visited(self) -> set[str]:
        """The names that were connected to."""
        return set(self._internet.asked)

    def name(self, repository: str = "test/image", tag: str = "latest") -> str:
        """``docker://SITE/REPOSITORY:TAG``."""
        return f"docker://{self.site}/{repository}:{tag}"

    def asked(self, host: str, path: str = "") -> list[Request]:
        """The requests to ``host`` whose path begins with ``path``."""
        return [one for one in self.requests if one.header("Host") == host and one.path.startswith(path)]

    def serve(self, image: BuiltImage, repository: str, *, public: bool = False) -> None:
        """`add` it, as ``latest``."""
        self.add(image, repository, "latest")
        if public:
            self.public += (repository,)

    def may(self, user: str, repository: str, actions: tuple[str, ...]) -> tuple[str, ...]:
        """Which of ``actions`` are granted; "" is the anonymous."""
        if user == self.user:
            return actions
        reads = user in self.readers or repository in self.public
        return tuple(action for action in actions if action == "pull" and reads)

    def refuse(self, request: Request, scope: str) -> Response | None:
        """The answer to who may not do what needs ``scope``; None lets the request pass."""
        raise NotImplementedError

    def quirk(self, request: Request) -> Response | None:
        """What this registry answers in its own way to those whom it lets in."""
        return None

    def __enter__(self) -> Self:
        self._stack.enter_context(self._internet)
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # First the server: the tunnels end with its connections.
        super().__exit__(kind, error, trace)
        self._stack.close()

    def _honest(self, request: Request) -> Handling:
        host = request.header("Host")
        if host == self.storage and request.path.startswith("/blobs/"):
            return answered(self._stored(request))
        if host != self.api or not request.path.startswith("/v2/"):
            return answered(Response(404, (("Content-Type", "text/html"),), b"<html>nothing is here</html>"))
        route = _ROUTE.fullmatch(request.path)
        refused = self.refuse(request, self._scope(request, route)) or self.quirk(request)
        if refused is not None:
            return answered(refused)
        if route is not None and route["kind"] == "blobs" and request.method in self.redirected:
            digest = route["last"]
            if digest in self.blobs(route["name"]):
                where = f"https://{self.storage}/blobs/{digest}?{self.signed}"
                return answered(Response(self.moved, (("Location", where),)))
        return super()._honest(request)

    def _stored(self, request: Request) -> Response:
        """What is signed needs no other authorization, and bears none."""
        xml = (("Content-Type", "application/xml"),)
        if request.header("Authorization") is not None:
            return Response(400, xml, self.storage_refuses)
        if request.target.partition("?")[2] != self.signed:
            return Response(403, xml, b"<Error><Code>AccessDenied</Code></Error>")
        digest = request.path.rpartition("/")[2]
        return blob_answer(request, digest, self.store.every_blob().get(digest))


class TokenCloud(Cloud):
    """A cloud with a token server, at ``realm``.

    ``says`` are the fields of its answers; ``ping_scope`` what its challenge for ``/v2/`` names.
    """

    realm: ClassVar[str]
    service: ClassVar[str]
    says: ClassVar[tuple[str, ...]] = ("token",)
    ping_scope: ClassVar[str] = ""
    posts: ClassVar[bool] = False

    def __init__(
        self,
        folder: Path,
        *,
        public: tuple[str, ...] = (),
        readers: dict[str, str] | None = None,
        refresh_tokens: dict[str, str] | None = None,
    ) -> None:
        super().__init__(folder, public=public, readers=readers)
        rules = TokenRules(
            users={self.user: self.password, **self.readers},
            refresh_tokens=refresh_tokens or {},
            grant=self.may,
            service=self.service,
            issuer=self.realm,
            post=self.posts,
        )
        self.tokens = TokenServer(folder / "tokens", rules)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """All hosts of this cloud."""
        return tuple(dict.fromkeys((cls.api, cls.realm.split("/")[2], cls.storage)))

    def __enter__(self) -> Self:
        self._stack.enter_context(self.tokens)
        return super().__enter__()

    @property
    def token_requests(self) -> list[Request]:
        """Those to the token server."""
        _, _, host, path = self.realm.split("/", 3)
        return [one for one in self.asked(host, f"/{path}") if one.path == f"/{path}"]

    def expire(self) -> None:
        """No token that was issued so far is good any more."""
        self.tokens.forget()

    def sealed(self, token: str) -> str:
        """The token as this cloud writes it."""
        return token

    def unsealed(self, token: str) -> str:
        """What `sealed` made of it."""
        return token

    def wrong_credentials(self, request: Request) -> Response:
        """What the token server says to them."""
        raise NotImplementedError

    def not_granted(self) -> Response | None:
        """What the token server says to who asks for too much; None: it issues a token for the rest."""
        return None

    def challenge(self, scope: str, error: str = "") -> str:
        """``WWW-Authenticate``."""
        fields = {"realm": self.realm, "service": self.service, "scope": scope or self.ping_scope, "error": error}
        return "Bearer " + ",".join(f'{name}="{value}"' for name, value in fields.items() if value)

    def unauthorized(self, challenge: str, error: str) -> Response:
        """The answer with a challenge; ``error`` as in the challenge."""
        return errors(401, ("UNAUTHORIZED", "authentication required"), headers=(("WWW-Authenticate", challenge),))

    def refuse(self, request: Request, scope: str) -> Response | None:
        """Ask for a token."""
        kind, _, token = (request.header("Authorization") or "").partition(" ")
        known = kind.lower() == "bearer" and self.tokens.accepts(self.unsealed(token), "")
        if known and all(self.tokens.accepts(self.unsealed(token), one) for one in scope.split()):
            return None
        error = "insufficient_scope" if known else "invalid_token" if token else ""
        return self.unauthorized(self.challenge(scope, error), error)

    def _honest(self, request: Request) -> Handling:
        _, _, host, path = self.realm.split("/", 3)
        if request.header("Host") == host and request.path == f"/{path}":
            form = BytesIO()
            return Handling(self._token, form.write, keeps=form)
        return super()._honest(request)

    def _token(self, request: Request) -> Response:
        if request.method == "POST" and not self.posts:
            return Response(405, (("Content-Type", "text/plain"),), b"method not allowed\n")
        answer = self.tokens.answer(replace(request, target=f"/token?{request.target.partition('?')[2]}"))
        if answer.status != 200:
            return self.wrong_credentials(request)
        fields = json.loads(answer.body)
        wanted = " ".join([*request.query.get("scope", []), *form_of(request).get("scope", [])]).split()
        if any(not self.tokens.accepts(fields["token"], scope) for scope in wanted):
            refused = self.not_granted()
            if refused is not None:
                return refused
        fields["token"] = fields["access_token"] = self.sealed(fields["token"])
        body = json.dumps({name: fields[name] for name in self.says}).encode()
        return Response(200, (("Content-Type", "application/json"),), body)


@dataclass(frozen=True, slots=True)
class Expire:
    """A fault that harms no answer: after this one, no token is good any more."""

    cloud: TokenCloud

    def apply(self, request: Request, response: Response) -> Response:
        """The answer as it is."""
        self.cloud.expire()
        return response


def form_of(request: Request) -> dict[str, list[str]]:
    """The form in the body."""
    return parse_qs(request.body.decode())


def basic(user: str, password: str) -> str:
    """``Authorization: Basic`` for them."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
