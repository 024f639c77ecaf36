"""Copy container images without a daemon: fast, verified, and as a library.

    import anyio, pyskopeo
    digest = anyio.run(pyskopeo.copy, "docker://alpine", "oci:alpine:latest")

The names in ``__all__`` are the public API. They are loaded when first used, so importing this
package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .access import Access, Network, Storage, Writing
    from .api.images import copy, open_destination, open_source, plan_copy, run_copy
    from .api.inspection import Inspection, inspect_image
    from .api.repositories import delete, list_tags, tag
    from .credentials.authfile import Credentials
    from .credentials.keychain import Keychain
    from .engine.plan import Form, Plan
    from .engine.run import carry_out, make_plan
    from .engine.selection import Selection
    from .errors import PyskopeoError
    from .http.retry import Retry
    from .http.tls import Trust
    from .interfaces import Blob, ImageDestination, ImageReference, ImageSource
    from .model.descriptor import Descriptor
    from .model.digest import Digest
    from .model.events import Event, Placement, Report
    from .model.manifest import Manifest
    from .model.platform import Platform
    from .model.reference import Reference
    from .transports import parse_image_name

_HOMES = {
    "Access": "access",
    "Blob": "interfaces",
    "Credentials": "credentials.authfile",
    "Descriptor": "model.descriptor",
    "Digest": "model.digest",
    "Event": "model.events",
    "Form": "engine.plan",
    "ImageDestination": "interfaces",
    "ImageReference": "interfaces",
    "ImageSource": "interfaces",
    "Inspection": "api.inspection",
    "Keychain": "credentials.keychain",
    "Manifest": "model.manifest",
    "Network": "access",
    "Placement": "model.events",
    "Plan": "engine.plan",
    "Platform": "model.platform",
    "PyskopeoError": "errors",
    "Reference": "model.reference",
    "Report": "model.events",
    "Retry": "http.retry",
    "Selection": "engine.selection",
    "Storage": "access",
    "Trust": "http.tls",
    "Writing": "access",
    "carry_out": "engine.run",
    "copy": "api.images",
    "delete": "api.repositories",
    "inspect_image": "api.inspection",
    "list_tags": "api.repositories",
    "make_plan": "engine.run",
    "open_destination": "api.images",
    "open_source": "api.images",
    "parse_image_name": "transports",
    "plan_copy": "api.images",
    "run_copy": "api.images",
    "tag": "api.repositories",
}

__all__ = [
    "Access",
    "Blob",
    "Credentials",
    "Descriptor",
    "Digest",
    "Event",
    "Form",
    "ImageDestination",
    "ImageReference",
    "ImageSource",
    "Inspection",
    "Keychain",
    "Manifest",
    "Network",
    "Placement",
    "Plan",
    "Platform",
    "PyskopeoError",
    "Reference",
    "Report",
    "Retry",
    "Selection",
    "Storage",
    "Trust",
    "Writing",
    "__version__",
    "carry_out",
    "copy",
    "delete",
    "inspect_image",
    "list_tags",
    "make_plan",
    "open_destination",
    "open_source",
    "parse_image_name",
    "plan_copy",
    "run_copy",
    "tag",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{home}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
