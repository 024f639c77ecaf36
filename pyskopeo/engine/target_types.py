"""Choose the media types of the manifests that a destination gets; no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Unsupported
from ..model import mediatype

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..interfaces import Accepts
    from .plan import Form

IMAGE_TYPES = {"oci": mediatype.OCI_MANIFEST, "v2s2": mediatype.DOCKER_MANIFEST, "v2s1": mediatype.SCHEMA1}
_INDEX_TYPES = {"oci": mediatype.OCI_INDEX, "v2s2": mediatype.DOCKER_LIST}


def image_type(media_type: str, accepts: Accepts, form: Form) -> str:
    """Return the media type to write an image manifest of ``media_type`` with.

    Raises `Unsupported` where the destination accepts no suitable type.
    """
    required = _required_format(accepts, form)
    if required is None:
        return media_type
    if not required:
        candidates = [media_type, mediatype.DOCKER_MANIFEST, mediatype.OCI_MANIFEST]
    elif required == "v2s1" and media_type == mediatype.SCHEMA1_SIGNED:
        candidates = [media_type]
    else:
        candidates = [IMAGE_TYPES[required]]
    return _first_accepted(candidates, accepts, form, IMAGE_TYPES)


def index_type(media_type: str, accepts: Accepts, form: Form) -> str:
    """Return the media type to write an index or manifest list of ``media_type`` with.

    Raises `Unsupported` where the destination accepts no suitable type.
    """
    required = _required_format(accepts, form)
    if required is None:
        return media_type
    if required == "v2s1":
        raise Unsupported("schema 1 has no lists of images: copy one platform, or choose --format v2s2 or oci")
    candidates = [_INDEX_TYPES[required]] if required else [media_type, mediatype.OCI_INDEX, mediatype.DOCKER_LIST]
    return _first_accepted(candidates, accepts, form, _INDEX_TYPES)


def _required_format(accepts: Accepts, form: Form) -> str | None:
    """Return the format that ``form`` requires, "" if it requires none, None if the type must not change."""
    if form.format:
        return form.format
    if form.preserve_digests:
        return None
    if form.encryption is not None:
        return "oci"
    # Only OCI defines a media type for layers compressed with zstd; archives store layers uncompressed.
    compresses = accepts.compresses or (form.compress and not accepts.ordered)
    return "oci" if form.compression == "zstd" and compresses else ""


def _first_accepted(candidates: list[str], accepts: Accepts, form: Form, types: Mapping[str, str]) -> str:
    accepted = _accepted_types(accepts, form)
    found = next((candidate for candidate in candidates if candidate in accepted), None)
    if found is None:
        kinds = " or ".join(dict.fromkeys(candidates))
        raise Unsupported(f"{accepts.called} takes nothing of type {kinds}{_advice(accepts, form, types)}")
    return found


def _accepted_types(accepts: Accepts, form: Form) -> frozenset[str]:
    return accepts.media_types | accepts.on_request if form.format else accepts.media_types


def _advice(accepts: Accepts, form: Form, types: Mapping[str, str]) -> str:
    """Return the end of the error message: which flag to leave out, or which of the formats in ``types`` to choose."""
    if form.encryption is not None:
        return ", and encrypted layers require it: leave out --encryption-key"
    if not form.format:
        return ": leave out --dest-compress-format zstd" if _required_format(accepts, form) else ""
    taken = " or ".join(format for format, media_type in types.items() if media_type in _accepted_types(accepts, form))
    return f": leave out --format {form.format}" + (f", or choose {taken}" if taken else "")
