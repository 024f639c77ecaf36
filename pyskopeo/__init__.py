"""Copy container images without a daemon: fast, verified, and as a library.

    import anyio, pyskopeo
    digest = anyio.run(pyskopeo.copy, "docker://alpine", "oci:alpine:latest")

The names in ``__all__`` are the public API. They are loaded when first used, so importing this
package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .version import __version__

if TYPE_CHECKING:
    from .access import Access, Network, Storage, Writing
    from .administration import delete, list_tags, tag
    from .api import copy, open_destination, open_source, plan_copy, run_copy
    from .config.authfile import Credentials
    from .engine import carry_out, make_plan
    from .errors import PyskopeoError
    from .events import Event, Placement, Report
    from .image import Blob, ImageDestination, ImageReference, ImageSource
    from .inspection import Inspection, inspect_image
    from .keychain import Keychain
    from .model.descriptor import Descriptor
    from .model.digest import Digest
    from .model.manifest import Manifest
    from .model.platform import Platform
    from .model.reference import Reference
    from .plan import Form, Plan
    from .registry.retry import Retry
    from .selection import Selection
    from .transports import parse_image_name
    from .trust import Trust

_HOMES = {
    "Access": "access",
    "Blob": "image",
    "Credentials": "config.authfile",
    "Descriptor": "model.descriptor",
    "Digest": "model.digest",
    "Event": "events",
    "Form": "plan",
    "ImageDestination": "image",
    "ImageReference": "image",
    "ImageSource": "image",
    "Inspection": "inspection",
    "Keychain": "keychain",
    "Manifest": "model.manifest",
    "Network": "access",
    "Placement": "events",
    "Plan": "plan",
    "Platform": "model.platform",
    "PyskopeoError": "errors",
    "Reference": "model.reference",
    "Report": "events",
    "Retry": "registry.retry",
    "Selection": "selection",
    "Storage": "access",
    "Trust": "trust",
    "Writing": "access",
    "carry_out": "engine",
    "copy": "api",
    "delete": "administration",
    "inspect_image": "inspection",
    "list_tags": "administration",
    "make_plan": "engine",
    "open_destination": "api",
    "open_source": "api",
    "parse_image_name": "transports",
    "plan_copy": "api",
    "run_copy": "api",
    "tag": "administration",
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
