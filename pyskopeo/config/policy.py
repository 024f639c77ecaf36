"""``policy.json``: which images may be used (containers-policy.json(5)), parsed as strictly as skopeo does.

A file that cannot be read, or that says one thing wrong, counts as no file at all: nothing is accepted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from ..errors import InvalidContent, InvalidInput, PolicyRejected, StorageFailed, prefix_errors
from ..fast_dataclass import dataclass
from ..model.strict_json import parse_object
from .policy_fields import fields, members, quoted, wrong
from .policy_requirements import InsecureAcceptAnything, Reject, Requirement, parse_requirements
from .policy_scopes import Subject, check_scope
from .user_files import is_out_of_sight

VARIABLE = "CONTAINERS_POLICY_JSON"
# Keyrings may be part of the file.
_LIMIT = 16 * 1024 * 1024

Requirements = tuple[Requirement, ...]
Scopes = Mapping[str, Requirements]


@dataclass(frozen=True, slots=True)
class Policy:
    """A parsed policy; ``where`` names its file, and is empty where there is none.

    With ``require_signed``, which no file says, it is not enough that an image is accepted: a
    requirement must have verified a signature.
    """

    default: Requirements
    transports: Mapping[str, Scopes] = field(default_factory=dict)
    where: str = ""
    require_signed: bool = False

    @classmethod
    def parse(cls, raw: bytes, where: str) -> Policy:
        """Parse a file's content; raises `InvalidInput`, naming ``where`` and the place in it."""
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
        """The policy that accepts all images: ``--insecure-policy``, and no file anywhere."""
        return cls((InsecureAcceptAnything(),))

    def requirements_for(self, image: Subject) -> tuple[Requirements, str]:
        """The requirements of the most specific scope that covers ``image``, and that scope's place in the file.

        In order: the image itself, its namespaces, the transport's default, the default of all. The
        first that is there counts, alone. Places read ``default`` or ``transports.docker["quay.io"]``.
        """
        scopes = self.transports.get(image.transport, {})
        for scope in (image.identity, *image.namespaces, ""):
            if scope in scopes:
                return scopes[scope], _place(image.transport, scope)
        return self.default, "default"

    def judge(self, image: Subject, name: str) -> None:
        """Raise `PolicyRejected` unless every requirement for ``image`` is met; ``name`` is for the message.

        No signature can be verified yet, so whatever asks for one refuses: a requirement is never passed over.
        """
        requirements, scope = self.requirements_for(image)
        rule = f"{scope} in {self.where}" if self.where else scope
        if not requirements:
            raise self._refusal("List of verification policy requirements must not be empty", scope)
        for requirement in requirements:
            if isinstance(requirement, InsecureAcceptAnything):
                continue
            if isinstance(requirement, Reject):
                raise self._refusal(f"Running image {name} is rejected by policy. (The rule: {rule})", scope)
            raise self._refusal(
                f"A signature was required for image {name} ({requirement.type}, the rule: {rule}), but this version "
                "cannot verify signatures; name another policy with --policy to do without",
                scope,
            )
        if self.require_signed:
            because = f"{rule} accepts it unsigned" if self.where else "there is no policy that demands a signature"
            raise self._refusal(f"No signature verification policy found for image {name}: {because}", scope)

    def _refusal(self, message: str, scope: str) -> PolicyRejected:
        return PolicyRejected(message, scope=scope, where=self.where)


def locations(environ: Mapping[str, str], home: Path) -> tuple[Path, ...]:
    """Where policies are looked for, the most important first; a file named by the environment is the only one."""
    if environ.get(VARIABLE):
        return (Path(environ[VARIABLE]),)
    folders = (home / ".config/containers", Path("/etc/containers"), Path("/usr/share/containers"))
    return tuple(folder / "policy.json" for folder in folders)


def load(environ: Mapping[str, str], home: Path, named: str | None = None) -> Policy:
    """Read the policy at ``named``, or else the first of `locations` that is there.

    Where nobody named a file and none is there, every image is accepted (`Policy.accepting`). A file
    that was named must be there, and one that is there must be readable and right: raises
    `StorageFailed` or `InvalidInput`, with "Error loading trust policy: " before them.
    """
    must_exist = bool(named or environ.get(VARIABLE))
    with prefix_errors("Error loading trust policy"):
        for path in (Path(named),) if named else locations(environ, home):
            if not must_exist and is_out_of_sight(path):
                continue
            try:
                with path.open("rb") as file:
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
    return {name: _scopes(scopes, name, where) for name, scopes in members(value, where).items()}


def _scopes(value: object, transport: str, where: str) -> Scopes:
    found: dict[str, Requirements] = {}
    for scope, requirements in members(value, f"{where}.{transport}").items():
        try:
            check_scope(transport, scope)
        except InvalidInput as error:
            raise wrong(f"Unknown key {quoted(scope)} ({error})", f"{where}.{transport}") from None
        found[scope] = parse_requirements(requirements, _place(transport, scope))
    return found


def _place(transport: str, scope: str) -> str:
    return f"transports.{transport}[{quoted(scope)}]"
