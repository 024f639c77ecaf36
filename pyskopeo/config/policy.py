"""The signature verification policy, ``policy.json`` (containers-policy.json(5)).

Files are parsed as strictly as by skopeo: an unreadable file, or a single error in it, rejects all images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from ..errors import InvalidContent, InvalidInput, PolicyRejected, StorageFailed, prefix_errors
from ..fast_dataclass import dataclass, replace
from ..model.strict_json import parse_object
from .policy_fields import fields, members, policy_error, quoted
from .policy_requirements import (
    InsecureAcceptAnything,
    Reject,
    Requirement,
    SignedBaseLayer,
    SignedBy,
    SigstoreSigned,
    parse_requirements,
)
from .policy_scopes import Subject, check_scope
from .user_files import is_inaccessible, open_user_file

VARIABLE = "CONTAINERS_POLICY_JSON"
# In bytes; a policy may contain keyrings.
_LIMIT = 16 * 1024 * 1024

Requirements = tuple[Requirement, ...]
Scopes = Mapping[str, Requirements]


@dataclass(frozen=True, slots=True)
class Rule:
    """Requirements of a policy for one image that are still to be satisfied, in this order; none: it is accepted.

    ``scope`` is the path of the rule within the policy, ``where`` the policy's file, "" without one.
    """

    requirements: Requirements
    scope: str
    where: str

    def __str__(self) -> str:
        return f"{self.scope} in {self.where}" if self.where else self.scope

    def check(self, requirement: Requirement, name: str) -> None:
        """Raise `PolicyRejected` for a requirement that refuses every image; ``name`` is the image's."""
        if isinstance(requirement, Reject):
            raise self.refusal(f"Running image {name} is rejected by policy. (The rule: {self})")
        if isinstance(requirement, SignedBaseLayer):
            raise self.refusal(f"{requirement.type} not implemented yet! (The rule: {self})")

    def refusal(self, message: str) -> PolicyRejected:
        """Return the error for an image that is refused."""
        return PolicyRejected(message, scope=self.scope, where=self.where)


@dataclass(frozen=True, slots=True)
class Policy:
    """A parsed policy; ``where`` is the path of its file, "" without one.

    ``require_signed`` (``--require-signed``, not part of the file) rejects images of which no signature has
    been verified, even if the policy accepts them.
    """

    default: Requirements
    transports: Mapping[str, Scopes] = field(default_factory=dict)
    where: str = ""
    require_signed: bool = False

    @classmethod
    def parse(cls, raw: bytes, where: str) -> Policy:
        """Parse a file; ``where`` is its path. Raises `InvalidInput` with the path, and the position in the file."""
        with prefix_errors(f"invalid policy in {quoted(where)}"):
            try:
                content = parse_object(raw, "the file", _LIMIT)
            except InvalidContent as error:
                raise InvalidInput(str(error)) from None
            found = fields(content, {"default": parse_requirements, "transports": _transports}, "")
            if "default" not in found:
                raise InvalidInput("Default policy is missing")
        return cls(found["default"], found.get("transports", {}), where)

    @classmethod
    def accepting(cls) -> Policy:
        """Return the policy that accepts all images: for ``--insecure-policy``, and if there is no file."""
        return cls((InsecureAcceptAnything(),))

    def requirements_for(self, image: Subject) -> tuple[Requirements, str]:
        """Return the requirements of the most specific scope that matches ``image``, and the path of the scope.

        Scopes are tried in this order: the image itself, its namespaces, the transport's default and the
        global default; only the first that exists applies. The path is ``default`` or such as
        ``transports.docker["quay.io"]``.
        """
        scopes = self.transports.get(image.transport, {})
        for scope in (image.identity, *image.namespaces, ""):
            if scope in scopes:
                return scopes[scope], _place(image.transport, scope)
        return self.default, "default"

    def judge(self, image: Subject, name: str) -> Rule:
        """Return what signatures have to prove for ``image`` to be accepted; ``name`` is for messages.

        The result begins with the first requirement that needs signatures; the caller verifies them. Raises
        `PolicyRejected` if a requirement before it refuses the image.
        """
        requirements, scope = self.requirements_for(image)
        rule = Rule((), scope, self.where)
        if not requirements:
            raise rule.refusal("List of verification policy requirements must not be empty")
        for number, requirement in enumerate(requirements):
            if isinstance(requirement, SignedBy | SigstoreSigned):
                return replace(rule, requirements=requirements[number:])
            rule.check(requirement, name)
        if self.require_signed:
            because = f"{rule} accepts it unsigned" if self.where else "there is no policy that demands a signature"
            raise rule.refusal(f"No signature verification policy found for image {name}: {because}")
        return rule


def locations(environ: Mapping[str, str], home: Path) -> tuple[Path, ...]:
    """Return the paths of policies in order of precedence; only one if ``CONTAINERS_POLICY_JSON`` is set."""
    if environ.get(VARIABLE):
        return (Path(environ[VARIABLE]),)
    folders = (home / ".config/containers", Path("/etc/containers"), Path("/usr/share/containers"))
    return tuple(folder / "policy.json" for folder in folders)


def load(environ: Mapping[str, str], home: Path, named: str | None = None) -> Policy:
    """Read the policy at ``named`` (``--policy``), otherwise the first of `locations` that exists.

    Without any file all images are accepted (`Policy.accepting`). Raises `StorageFailed` for a file that
    cannot be read, or was named and does not exist, and `InvalidInput` for an invalid one; the messages
    begin with "Error loading trust policy: ".
    """
    must_exist = bool(named or environ.get(VARIABLE))
    with prefix_errors("Error loading trust policy"):
        for path in (Path(named),) if named else locations(environ, home):
            if not must_exist and is_inaccessible(path):
                continue
            try:
                with open_user_file(path) as file:
                    raw = file.read(_LIMIT + 1)
            except (FileNotFoundError, NotADirectoryError) as error:
                if must_exist:
                    raise StorageFailed.of(error, f"open {path}") from None
                continue
            except (OSError, ValueError) as error:
                raise _unreadable(error, path) from None
            return Policy.parse(raw, str(path))
    return Policy.accepting()


def _unreadable(error: OSError | ValueError, path: Path) -> Exception:
    if isinstance(error, OSError):
        return StorageFailed.of(error, f"open {path}")
    return InvalidInput(f"open {quoted(str(path))}: {error}")


def _transports(value: object, where: str) -> dict[str, Scopes]:
    return {name: _scopes(scopes, name) for name, scopes in members(value, where).items()}


def _scopes(value: object, transport: str) -> Scopes:
    found: dict[str, Requirements] = {}
    place = _place(transport)
    for scope, requirements in members(value, place).items():
        try:
            check_scope(transport, scope)
        except InvalidInput as error:
            raise policy_error(f"Unknown key {quoted(scope)} ({error})", place) from None
        found[scope] = parse_requirements(requirements, _place(transport, scope))
    return found


def _place(transport: str, scope: str | None = None) -> str:
    name = transport if transport.isascii() and transport.isprintable() else quoted(transport)
    return f"transports.{name}" + ("" if scope is None else f"[{quoted(scope)}]")
