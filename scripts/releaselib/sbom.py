"""The bill of materials of a file of a release (CycloneDX 1.6, JSON)."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

from .distributions import installed, version

_LICENCE = "Apache-2.0"


def write_sbom(
    path: Path,
    artifact: Path,
    needed: Mapping[str, Iterable[str]],
    properties: Mapping[str, str],
    others: Mapping[str, str] | None = None,
) -> None:
    """Write the bill of materials of ``artifact``: what it has inside, and ``properties``, facts about it.

    Inside are the distributions in ``needed``, as `needed_distributions` returns them, and ``others`` that are no
    Python packages, as versions by name. The document holds no time, and its serial number comes from the artifact's
    digest: it is the same in each build of the same file.
    """
    digest = hashlib.sha256(artifact.read_bytes()).hexdigest()
    own = _url("pyskopeo", version())
    inside = {name: installed(name) for name in sorted(needed) if name}
    urls = {name: _url(name, one.version) for name, one in inside.items()}
    more = {name: f"pkg:generic/{name}@{number}" for name, number in sorted((others or {}).items())}
    facts = {"file": artifact.name, **properties}
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, digest)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": "pyskopeo",
                "version": version(),
                "hashes": [{"alg": "SHA-256", "content": digest}],
                "licenses": [{"expression": _LICENCE}],
                "purl": own,
                "properties": [{"name": f"pyskopeo:{name}", "value": value} for name, value in facts.items()],
            },
        },
        "components": [
            *(_component(one, urls[name]) for name, one in inside.items()),
            *(
                {"type": "library", "bom-ref": url, "name": name, "version": url.rpartition("@")[2], "purl": url}
                for name, url in more.items()
            ),
        ],
        "dependencies": [
            {"ref": own, "dependsOn": sorted([*(urls[name] for name in needed[""]), *more.values()])},
            *({"ref": url, "dependsOn": sorted(urls[one] for one in needed[name])} for name, url in urls.items()),
        ],
    }  # fmt: skip
    path.write_text(json.dumps(document, indent=2) + "\n")


def _component(distribution: Distribution, url: str) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": url,
        "name": distribution.metadata["Name"],
        "version": distribution.version,
        **_licences(distribution),
        "purl": url,
    }


def _licences(distribution: Distribution) -> dict[str, Any]:
    """Return the licence that a distribution's metadata has: an SPDX expression, or else a name."""
    metadata = distribution.metadata
    if expression := metadata.get("License-Expression"):
        return {"licenses": [{"expression": expression}]}
    classifiers = [text.rpartition(" :: ")[2] for text in metadata.get_all("Classifier", ()) if "License ::" in text]
    name = metadata.get("License", "")
    if not name or "\n" in name or name == "UNKNOWN":
        name = " AND ".join(classifiers)
    return {"licenses": [{"license": {"name": name}}]} if name else {}


def _url(name: str, number: str) -> str:
    """Return the package URL of a distribution (purl-spec, type pypi)."""
    return f"pkg:pypi/{name}@{number}"
