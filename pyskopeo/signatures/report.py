"""What was found when the signatures of an image were checked, and its JSON. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..fast_dataclass import dataclass
from ..model.digest import Digest
from ..model.platform import Platform
from .reasons import summarize
from .verdict import Verdict


@dataclass(frozen=True, slots=True)
class CheckedRequirement:
    """One requirement and how a manifest satisfies it.

    ``type`` is that of a policy (containers-policy.json(5)), or ``key`` or ``certificate`` for what was given without
    one; ``where`` is its place in the policy, "" without one. ``reason`` says why it is not satisfied, "" if it is.
    ``verdicts`` are those of each signature that was found: one accepted signature is enough.
    """

    type: str
    where: str = ""
    reason: str = ""
    verdicts: tuple[Verdict, ...] = ()

    @classmethod
    def of(cls, kind: str, where: str, verdicts: Sequence[Verdict]) -> CheckedRequirement:
        """Return the result of judging all signatures that could satisfy a requirement."""
        reason = "" if any(one.accepted for one in verdicts) else summarize(verdicts)
        return cls(kind, where, reason, tuple(verdicts))

    @property
    def accepted(self) -> bool:
        """Whether it is satisfied."""
        return not self.reason

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "type": self.type,
            "where": self.where,
            "accepted": self.accepted,
            "reason": self.reason,
            "signatures": [_verdict_json(verdict) for verdict in self.verdicts],
        }


@dataclass(frozen=True, slots=True)
class CheckedManifest:
    """A manifest or index whose signatures were checked.

    ``platform`` is that of an image in an index, if it states one. Every one of the ``requirements`` has to be
    satisfied; there is at least one.
    """

    digest: Digest
    media_type: str
    requirements: tuple[CheckedRequirement, ...]
    platform: Platform | None = None

    @property
    def accepted(self) -> bool:
        """Whether every requirement is satisfied; False without any."""
        return bool(self.requirements) and all(one.accepted for one in self.requirements)

    @property
    def reason(self) -> str:
        """Why it is not accepted: that of the first requirement that is not satisfied."""
        return next((one.reason for one in self.requirements if not one.accepted), "")

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "digest": str(self.digest),
            "mediaType": self.media_type,
            "platform": None if self.platform is None else str(self.platform),
            "accepted": self.accepted,
            "requirements": [one.to_json() for one in self.requirements],
        }


@dataclass(frozen=True, slots=True)
class SignatureReport:
    """The result of checking the signatures of the image ``name``: of one manifest, or of an index and all its images.

    ``root`` is the digest of the manifest that the name leads to, which is an index if one image of it was checked.
    ``policy`` is the file of the policy that was checked, "" if there is none.
    """

    name: str
    root: Digest
    manifests: tuple[CheckedManifest, ...]
    policy: str = ""

    @property
    def accepted(self) -> bool:
        """Whether every manifest is accepted; False without any."""
        return bool(self.manifests) and all(one.accepted for one in self.manifests)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of ``verify --json``."""
        return {
            "name": self.name,
            "digest": str(self.root),
            "accepted": self.accepted,
            "policy": self.policy,
            "manifests": [one.to_json() for one in self.manifests],
        }


def _verdict_json(verdict: Verdict) -> dict[str, Any]:
    return {
        "accepted": verdict.accepted,
        "reason": verdict.reason,
        "format": verdict.format,
        "signer": verdict.signer,
        "identity": verdict.identity,
        "digest": verdict.digest,
        "where": verdict.where,
    }
