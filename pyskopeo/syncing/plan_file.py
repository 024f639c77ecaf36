"""The plan of a sync as a file: what is to be copied, one image a line.

Lines of JSON, so that a plan of a million images is written and read in bounded memory. The first line is the header,
the last one has the number of images and the sha256 of all lines before it: a plan that was cut or changed is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import InvalidContent, InvalidName
from ..fast_dataclass import dataclass
from ..model.json_fields import JsonFields
from ..model.strict_json import parse_object
from .places import is_below, split_place
from .plan_options import PlanOptions
from .sync_request import DESTINATIONS, SyncImage

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..model.digest import Digest

VERSION = 1
_LINE_LIMIT = 64 * 1024
_HEADER = frozenset({"pyskopeoPlan", "source", "destination", "created", "options"})
_IMAGE = frozenset({"source", "destination", "digest", "bytes", "requests", "base", "whole", "present"})
_END = frozenset({"end", "images", "bytes", "requests", "sha256"})
# Of the images, by that of the source.
_TRANSPORTS = {"docker": "docker", "registry": "docker", "yaml": "docker", "dir": "dir", "oci": "oci"}


@dataclass(frozen=True, slots=True)
class PlanHeader:
    """What all images of a plan have in common.

    ``source`` and ``destination`` are places as `split_place` takes them, ``created`` is a time (RFC 3339).
    """

    source: str
    destination: str
    options: PlanOptions
    created: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of the first line; raises `Unsupported` for options that a plan cannot hold."""
        return {
            "pyskopeoPlan": VERSION, "source": self.source, "destination": self.destination, "created": self.created,
            "options": self.options.to_json(),
        }  # fmt: skip

    @classmethod
    def from_json(cls, document: dict[str, Any], where: str) -> PlanHeader:
        """Return the header of a JSON object; raises `InvalidContent`, also for another version."""
        version = document.get("pyskopeoPlan")
        if version is None:
            raise InvalidContent(f"{where} is not the header of a plan: want a file of pyskopeo sync --plan")
        if version != VERSION or isinstance(version, bool):
            raise InvalidContent(
                f"{where}: a plan of version {ascii(version)[:40]}, and this program reads version {VERSION}: make a "
                "new plan with the version of pyskopeo that runs it"
            )
        fields = JsonFields(document, where, _HEADER)
        found = cls(
            fields.text("source"), fields.text("destination"),
            PlanOptions.from_json(fields.value("options"), f"{where}: options"), fields.text("created", ""),
        )  # fmt: skip
        for name, transports in ((found.source, tuple(_TRANSPORTS)), (found.destination, DESTINATIONS)):
            try:
                transport, _ = split_place(name)
            except InvalidName:
                raise InvalidContent(f"{where}: {ascii(name)[1:-1][:200]}: want TRANSPORT:PLACE") from None
            if transport not in transports:
                raise InvalidContent(f"{where}: {ascii(name)[1:-1][:200]}: want one of {', '.join(transports)}")
        return found


@dataclass(frozen=True, slots=True)
class PlannedImage:
    """One image of a plan: a line of the file.

    ``source`` and ``destination`` are image names (``transport:details``). ``digest`` is that of the source's manifest
    when the plan was made, which is copied even if the tag has moved since; None: whatever the tag refers to.
    ``size`` is the estimated number of bytes to move, None if it is not known, ``requests`` the estimated number of
    requests. Images with the same ``base`` share blobs: it is the digest of their lowest layer, "" if it is not known.
    ``whole`` and ``present`` are as in `SyncImage`.
    """

    source: str
    destination: str
    digest: Digest | None = None
    size: int | None = None
    requests: int = 0
    base: str = ""
    whole: bool = False
    present: Digest | None = None

    @property
    def image(self) -> SyncImage:
        """The image to copy."""
        return SyncImage(self.source, self.destination, self.digest, self.whole, self.present)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of a line, without what is not known."""
        document: dict[str, Any] = {"source": self.source, "destination": self.destination}
        if self.digest is not None:
            document["digest"] = str(self.digest)
        if self.size is not None:
            document["bytes"] = self.size
        document["requests"] = self.requests
        if self.base:
            document["base"] = self.base
        if self.whole:
            document["whole"] = True
        return document | ({} if self.present is None else {"present": str(self.present)})

    @classmethod
    def from_json(cls, document: object, where: str) -> PlannedImage:
        """Return the image of a JSON object; raises `InvalidContent`, ``where`` is its begin."""
        fields = JsonFields(document, where, _IMAGE)
        return cls(
            fields.text("source"), fields.text("destination"), fields.digest("digest"), fields.optional_count("bytes"),
            fields.count("requests", 0), fields.text("base", ""), fields.flag("whole"), fields.digest("present"),
        )  # fmt: skip


class PlanWriter:
    """Writes a plan line by line: the header, images with `add`, and `finish`; ``write`` is called with bytes.

    ``images``, ``size`` and ``requests`` are the totals so far; ``size`` is that of the images whose size is known.
    """

    def __init__(self, header: PlanHeader, write: Callable[[bytes], object]) -> None:
        """Write the header; raises what `PlanHeader.to_json` raises."""
        self.images = self.size = self.requests = 0
        self._write, self._hash = write, hashlib.sha256()
        self._put(header.to_json())

    def add(self, image: PlannedImage) -> None:
        """Write an image."""
        self.images += 1
        self.size += image.size or 0
        self.requests += image.requests
        self._put(image.to_json())

    def finish(self) -> None:
        """Write the last line. Without it a plan is refused."""
        self._put({
            "end": True, "images": self.images, "bytes": self.size, "requests": self.requests,
            "sha256": self._hash.hexdigest(),
        })  # fmt: skip

    def _put(self, document: dict[str, Any]) -> None:
        line = json.dumps(document, separators=(",", ":")).encode() + b"\n"
        self._hash.update(line)
        self._write(line)


class PlanReader:
    """Reads a plan: its ``header`` at once, the images by iterating over it, once.

    After the last image ``images`` is their number and ``sha256`` that of all lines but the last one, by which a plan
    is known. Raises `InvalidContent` with the number of the line for anything but a whole plan.
    """

    def __init__(self, file: BinaryIO, where: str) -> None:
        """``where`` is the name of the file, for errors."""
        self._file, self._where, self._line = file, where, 0
        self._hash = hashlib.sha256()
        self.images = 0
        self.sha256 = ""
        raw = self._read()
        if not raw:
            raise InvalidContent(f"{where} is empty: want a file of pyskopeo sync --plan")
        self.header = PlanHeader.from_json(self._parse(raw), self._here)
        self._source = _TRANSPORTS[self.header.source.partition(":")[0]]
        self._hash.update(raw)

    def __iter__(self) -> Iterator[PlannedImage]:
        """Yield the images."""
        while raw := self._read():
            document = self._parse(raw)
            if "end" in document:
                self._check_end(document)
                return
            self._hash.update(raw)
            self.images += 1
            image = PlannedImage.from_json(document, self._here)
            if image.source.partition(":")[0] != self._source:
                raise InvalidContent(f"{self._here}: {ascii(image.source)[1:-1][:200]}: want a name of {self._source}:")
            if not is_below(image.destination, self.header.destination):
                where = ascii(self.header.destination)[1:-1][:200]
                raise InvalidContent(f"{self._here}: {ascii(image.destination)[1:-1][:200]} is not below {where}")
            yield image
        raise InvalidContent(
            f"{self._where} ends after line {self._line}, which is not its end: copy it again, or make a new plan"
        )

    @property
    def _here(self) -> str:
        return f"{self._where}: line {self._line}"

    def _read(self) -> bytes:
        self._line += 1
        raw = self._file.readline(_LINE_LIMIT + 1)
        if len(raw) > _LINE_LIMIT:
            raise InvalidContent(f"{self._here} is over the limit of {_LINE_LIMIT} bytes")
        if not raw:
            self._line -= 1
        return raw

    def _parse(self, raw: bytes) -> dict[str, Any]:
        try:
            return parse_object(raw, self._here, _LINE_LIMIT)
        except InvalidContent as error:
            if self._line == 1:
                raise InvalidContent(f"{error}: want a file of pyskopeo sync --plan") from None
            if raw.endswith(b"\n"):
                raise
            raise InvalidContent(
                f"{self._where} ends within line {self._line}: copy it again, or make a new plan"
            ) from None

    def _check_end(self, document: dict[str, Any]) -> None:
        fields = JsonFields(document, self._here, _END)
        if fields.count("images") != self.images:
            raise InvalidContent(
                f"{self._here}: {self.images} images are in this plan, and it says {fields.count('images')}: copy it "
                "again, or make a new plan"
            )
        if fields.text("sha256") != self._hash.hexdigest():
            raise InvalidContent(f"{self._here}: this plan was changed after it was made: make a new one")
        if self._file.readline(2).strip():
            raise InvalidContent(f"{self._here} is the end of the plan, and more follows")
        self.sha256 = self._hash.hexdigest()
