"""Why signatures are refused, in one line: first what skopeo says, which scripts look for, then the details."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .verdict import Verdict

# As `identities.refusal` says it; a quotation mark in the name is escaped.
_OTHER_NAME = re.compile(r'(Signature for identity "(?:[^"\\]|\\.)*" is not accepted): (.*)', re.DOTALL)


def summarize(verdicts: Sequence[Verdict], *, others: int = 0) -> str:
    """Return why none of the verdicts is an acceptance; ``others`` is the number of signatures of other kinds."""
    if not verdicts:
        return "A signature was required, but no signature exists" + (f" ({others} of other kinds)" if others else "")
    split = [_split(verdict) for verdict in verdicts]
    if len(split) == 1:
        ((reason, details),) = split
        return f"{reason} ({details})" if details else reason
    reasons = "; ".join(reason for reason, _ in split)
    details = "; ".join(f"{number}: {details}" for number, (_, details) in enumerate(split, 1) if details)
    summary = f"None of the signatures were accepted, reasons: {reasons}"
    return f"{summary} ({details})" if details else summary


def _split(verdict: Verdict) -> tuple[str, str]:
    """Return what skopeo says of a signature, and the details: why, where it is, who made it, for what."""
    found = _OTHER_NAME.fullmatch(verdict.reason)
    reason, why = found.groups() if found else (verdict.reason, "")
    known = (("", why), ("", verdict.where), ("signed by ", verdict.signer), ("for ", verdict.identity))
    said = ", ".join(f"{name}{value}" for name, value in known if value and value not in reason)
    return reason, said
