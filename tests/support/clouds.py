"""Registries that behave as the big ones do: by their names, with their challenges, tokens, storage and quirks.

::

    with DockerHub(tmp_path) as hub:
        hub.serve(build("oci"), "library/app", public=True)
        # HTTPS_PROXY=hub.proxy and --cert-dir hub.certificates lead to docker://docker.io/library/app

Texts, codes and headers are what these registries were seen to answer; what nobody needs is left out.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import ClassVar

from .cloud import AZURE_REFUSES, AZURE_SIGNED, Cloud, Expire, TokenCloud, basic, errors, form_of
from .exchange import Request, Response
from .pushing import Pushing

__all__ = [
    "CLOUDS", "Amazon", "Azure", "Cloud", "DockerHub", "Expire", "GitHub", "GitLab", "Google", "Quay", "TokenCloud",
    "basic", "form_of",
]  # fmt: skip

_PLAIN = (("Content-Type", "text/plain; charset=utf-8"),)
_JSON = (("Content-Type", "application/json"),)


class DockerHub(TokenCloud):
    """docker.io: the API and the token server have names of their own.

    Tokens are told by both names. A password may be an access token, which the refresh grant does not take.
    ``pulls`` of manifests are left to the anonymous; HEAD is free.
    """

    site = "docker.io"
    api = "registry-1.docker.io"
    realm = "https://auth.docker.io/token"
    service = "registry.docker.io"
    storage = "production.cloudflare.docker.com"
    says = ("token", "access_token", "expires_in", "issued_at")
    posts = True
    redirected = ("GET", "HEAD")
    pulls: int = 100

    def wrong_credentials(self, request: Request) -> Response:
        """Not as the specification has errors."""
        return Response(401, _JSON, b'{"details":"incorrect username or password"}\n')

    def unauthorized(self, challenge: str, error: str) -> Response:
        """Two errors to who is known and may not."""
        denied = [("DENIED", "requested access to the resource is denied")] if error == "insufficient_scope" else []
        required = ("UNAUTHORIZED", "authentication required")
        return errors(401, *denied, required, headers=(("WWW-Authenticate", challenge),))

    def quirk(self, request: Request) -> Response | None:
        """Count the pulls."""
        if "/manifests/" not in request.path or request.method != "GET":
            return None
        self.pulls -= 1
        if self.pulls >= 0:
            return None
        text = (
            "You have reached your pull rate limit. You may increase the limit by authenticating and upgrading: "
            "https://www.docker.com/increase-rate-limit"
        )
        limits = (("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "0;w=21600"), ("Retry-After", "0"))
        return errors(429, ("TOOMANYREQUESTS", text), headers=limits)


class GitHub(TokenCloud):
    """ghcr.io: a token is base64 of something, and says nothing of its life.

    The challenge for ``/v2/`` names the repository of an example. What is no token of its own is as good as
    none: with ``QQ==`` everybody can pull what is public. Who may not is told so with 403.
    """

    site = api = "ghcr.io"
    realm = "https://ghcr.io/token"
    service = "ghcr.io"
    storage = "pkg-containers.githubusercontent.com"
    signed = AZURE_SIGNED
    storage_refuses = AZURE_REFUSES
    ping_scope = "repository:user/image:pull"

    def sealed(self, token: str) -> str:
        """Base64."""
        return base64.b64encode(token.encode()).decode()

    def unsealed(self, token: str) -> str:
        """Nothing where it is no base64."""
        try:
            return base64.b64decode(token, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return ""

    def refuse(self, request: Request, scope: str) -> Response | None:
        """Somebody else's token, too, allows what everybody may."""
        token = (request.header("Authorization") or "").partition(" ")[2]
        inner = self.unsealed(token)
        kind, _, rest = scope.partition(":")
        if inner and inner.count(".") != 2 and kind == "repository" and rest.removesuffix(":pull") in self.public:
            return None
        if self.tokens.accepts(inner, "") and (request.path == "/v2/" or not scope):
            return None
        refused = super().refuse(request, scope)
        if refused is not None and self.tokens.accepts(inner, ""):
            text = "permission_denied: The token provided does not match expected scopes."
            return errors(403, ("DENIED", text))
        return refused

    def challenge(self, scope: str, error: str = "") -> str:
        """It does not say what was wrong."""
        return super().challenge(scope)

    def wrong_credentials(self, request: Request) -> Response:
        """With 403."""
        return errors(403, ("DENIED", "denied"))

    def not_granted(self) -> Response | None:
        """There is no token for less than was asked for."""
        return errors(403, ("DENIED", "requested access to the resource is denied"))


class Amazon(Cloud):
    """ECR: Basic for user ``AWS``, whose password is good for twelve hours.

    Blobs are never mounted, uploads cannot be asked how far they are, nothing can be deleted here, tags are
    not paged. Repositories have to be ``made`` before anything is pushed to them.
    """

    account: ClassVar[str] = "123456789012"
    site = api = f"{account}.dkr.ecr.us-east-1.amazonaws.com"
    storage = "prod-us-east-1-starport-layer-bucket.s3.us-east-1.amazonaws.com"
    user = "AWS"
    password = "eyJwYXlsb2FkIjoiaHVudGVyMg=="
    kind_of_registry = Pushing(mounts=False, status=False, deletes=False)
    expired: bool = False
    immutable: bool = False

    def __init__(self, folder: Path, *, public: tuple[str, ...] = (), readers: dict[str, str] | None = None) -> None:
        super().__init__(folder, public=public, readers=readers)
        self.made: set[str] = set()
        self.page_size = 10_000

    def refuse(self, request: Request, scope: str) -> Response | None:
        """Basic, its realm the registry itself; to a password that has expired there is no challenge any more."""
        given = request.header("Authorization")
        if given == basic(self.user, self.password):
            text = "Your authorization token has expired. Reauthenticate and try again."
            return errors(403, ("DENIED", text)) if self.expired else None
        if given in [basic(*pair) for pair in self.readers.items()] and request.reads:
            return None
        challenge = f'Basic realm="https://{self.api}/",service="ecr.amazonaws.com"'
        return Response(401, (*_PLAIN, ("WWW-Authenticate", challenge)), b"Not Authorized\n")

    def quirk(self, request: Request) -> Response | None:
        """Repositories that nobody made, tags that stay as they are, and what is not supported."""
        _, _, rest = request.path.partition("/v2/")
        repository, _, last = rest.partition("/manifests/") if "/manifests/" in rest else rest.partition("/blobs/")
        if repository and not request.reads and repository not in (*self.store.repositories(), *self.made):
            text = f"The repository with name '{repository}' does not exist in the registry with id '{self.account}'"
            return errors(404, ("NAME_UNKNOWN", text))
        if request.method == "DELETE":
            return errors(405, ("UNSUPPORTED", "The operation is unsupported."))
        is_put = request.method == "PUT" and "/manifests/" in rest and ":" not in last
        if is_put and self.immutable and self.manifest(last, repository) is not None:
            text = (
                f"The image tag '{last}' already exists in the '{repository}' repository and cannot be overwritten "
                "because the repository is immutable."
            )
            return errors(400, ("TAG_INVALID", text))
        return None


class Azure(TokenCloud):
    """ACR: tokens by GET for passwords and by POST for identity tokens, called ``access_token`` alone.

    An identity token is also the password of user ``00000000-0000-0000-0000-000000000000``.
    """

    site = api = "example.azurecr.io"
    realm = "https://example.azurecr.io/oauth2/token"
    service = "example.azurecr.io"
    storage = "eusmanaged1.blob.core.windows.net"
    nobody: ClassVar[str] = "00000000-0000-0000-0000-000000000000"
    identity: ClassVar[str] = "eyJhbGciOi.eyJodW50ZXIyIjoi.x-_hunter2"
    signed = AZURE_SIGNED
    storage_refuses = AZURE_REFUSES
    says = ("access_token",)
    posts = True
    _text = "authentication required, visit https://aka.ms/acr/authorization for more information."

    def __init__(self, folder: Path, *, public: tuple[str, ...] = (), readers: dict[str, str] | None = None) -> None:
        people = {self.nobody: self.identity, **(readers or {})}
        super().__init__(folder, public=public, readers=people, refresh_tokens={self.identity: self.nobody})

    def may(self, user: str, repository: str, actions: tuple[str, ...]) -> tuple[str, ...]:
        """Who has the identity token is as good as the administrator."""
        return super().may(self.user if user == self.nobody else user, repository, actions)

    def unauthorized(self, challenge: str, error: str) -> Response:
        """With an address to read more."""
        return errors(401, ("UNAUTHORIZED", self._text), headers=(("WWW-Authenticate", challenge),))

    def wrong_credentials(self, request: Request) -> Response:
        """The same."""
        return errors(401, ("UNAUTHORIZED", self._text))

    def not_granted(self) -> Response | None:
        """The same."""
        return errors(401, ("UNAUTHORIZED", self._text))


class Google(TokenCloud):
    """Artifact Registry: the password is an access token of ``_dcgcloud_token``; POST is not allowed."""

    site = api = "europe-docker.pkg.dev"
    realm = "https://europe-docker.pkg.dev/v2/token"
    service = "europe-docker.pkg.dev"
    storage = "storage.googleapis.com"
    user = "_dcgcloud_token"
    password = "ya29.a0-_hunter2"
    moved = 302
    says = ("token", "expires_in", "issued_at")

    def wrong_credentials(self, request: Request) -> Response:
        """Nothing to read."""
        return Response(401, _PLAIN, b"")

    def not_granted(self) -> Response | None:
        """The permission is named."""
        text = 'Permission "artifactregistry.repositories.downloadArtifacts" denied on resource (or it may not exist)'
        return errors(403, ("DENIED", text))


class GitLab(TokenCloud):
    """registry.gitlab.com: the token server is the site itself."""

    site = api = "registry.gitlab.com"
    realm = "https://gitlab.com/jwt/auth"
    service = "container_registry"
    storage = "cdn.registry.gitlab-static.net"
    says = ("token", "expires_in", "issued_at")
    redirected = ("GET", "HEAD")

    def wrong_credentials(self, request: Request) -> Response:
        """With a hint."""
        return errors(401, ("UNAUTHORIZED", "HTTP Basic: Access denied. The provided password or token is incorrect"))

    def not_granted(self) -> Response | None:
        """There is no token for less than was asked for."""
        return errors(403, ("DENIED", "access forbidden"))


class Quay(TokenCloud):
    """quay.io: robots, and 302 to the storage."""

    site = api = "quay.io"
    realm = "https://quay.io/v2/auth"
    service = "quay.io"
    storage = "cdn03.quay.io"
    user = "team+robot"
    moved = 302

    def wrong_credentials(self, request: Request) -> Response:
        """Both in its own words and in those of the specification."""
        text = "Could not find robot with specified username"
        return errors(401, ("UNAUTHORIZED", text))


CLOUDS: tuple[type[Cloud], ...] = (DockerHub, GitHub, Amazon, Azure, Google, GitLab, Quay)
