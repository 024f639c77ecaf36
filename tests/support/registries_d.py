"""Files of registries.d that are refused, and why."""

from __future__ import annotations

REFUSED = [
    ("- a", "parsing F: the whole is not a mapping"),
    ("docker: [1]", "parsing F: docker is not a mapping"),
    ("docker:\n  a.b: x", 'parsing F: docker["a.b"] is not a mapping'),
    ("default-docker: x", "parsing F: default-docker is not a mapping"),
    ("docker:\n a.b:\n  lookaside: [x]", 'parsing F: docker["a.b"].lookaside is not a string'),
    ("docker:\n a.b:\n  sigstore-staging: {}", 'parsing F: docker["a.b"].sigstore-staging is not a string'),
    ("docker:\n a.b:\n  use-sigstore-attachments: 5",
     'parsing F: docker["a.b"].use-sigstore-attachments is neither true nor false'),
    ("a: [", "parsing F: not valid YAML in line 1, column 5: expected the node content, but found '<stream end>'"),
]  # fmt: skip
