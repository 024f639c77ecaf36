"""The file of a plan: what is written is read, and a plan that was cut or changed is refused with its line."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pytest

from pyskopeo.engine.plan import Form
from pyskopeo.engine.selection import Selection
from pyskopeo.errors import InvalidContent, Unsupported
from pyskopeo.model.choice import Choice
from pyskopeo.model.digest import Digest
from pyskopeo.model.platform import Platform
from pyskopeo.model.referrer import WantedReferrers
from pyskopeo.syncing.plan_file import PlanHeader, PlannedImage, PlanReader, PlanWriter
from pyskopeo.syncing.plan_options import PlanOptions

_DIGEST = Digest.of(b"manifest")
_OPTIONS = PlanOptions(Selection(Choice(), "all"))
_HEADER = PlanHeader("docker://a.example/app", "docker://b.example/mirror", _OPTIONS, "2026-01-02T03:04:05Z")
_IMAGES = (
    PlannedImage("docker://a.example/app:1", "docker://b.example/mirror/app:1", _DIGEST, 1234, 7, str(_DIGEST)),
    PlannedImage("docker://a.example/app:2", "docker://b.example/mirror/app:2", whole=True),
)


def written(header: PlanHeader = _HEADER, images: tuple[PlannedImage, ...] = _IMAGES) -> bytes:
    file = io.BytesIO()
    writer = PlanWriter(header, file.write)
    for image in images:
        writer.add(image)
    writer.finish()
    return file.getvalue()


def read(raw: bytes) -> tuple[PlanHeader, tuple[PlannedImage, ...]]:
    reader = PlanReader(io.BytesIO(raw), "plan.jsonl")
    return reader.header, tuple(reader)


def test_what_is_written_is_read() -> None:
    assert read(written()) == (_HEADER, _IMAGES)


@pytest.mark.parametrize(
    "options",
    [
        PlanOptions(Selection(Choice(Platform("linux", "arm", "v7", "1.2", ("win32k",)), (("a", "b=c"),)))),
        PlanOptions(Selection(Choice(Platform("linux", "s390x"), known_variants=False))),
        PlanOptions(Selection(Choice(), "all"), Form(format="oci", level=3, max_inflated=5, preserve_digests=True)),
        PlanOptions(Selection(Choice(), "all"), Form(), WantedReferrers(True, ("a/b",), True, ("c/d",))),
    ],
)
def test_options_are_those_that_were_planned(options: PlanOptions) -> None:
    assert PlanOptions.from_json(json.loads(json.dumps(options.to_json())), "options") == options


def test_the_platform_of_this_machine_is_in_the_plan_since_it_may_run_on_another() -> None:
    options = PlanOptions(Selection(Choice()))
    assert PlanOptions.from_json(options.to_json(), "options").selection.platform == Choice(Platform.host())


def test_no_keys_are_written() -> None:
    from pyskopeo.encryption.keys import Decryption

    options = PlanOptions(Selection(Choice(), "all"), Form(decryption=Decryption(())))
    with pytest.raises(Unsupported, match="holds no keys"):
        written(PlanHeader("docker://a/b", "oci:c", options))


def _edited(line: int, change: Callable[[dict[str, object]], object]) -> bytes:
    lines = written().splitlines()
    document = json.loads(lines[line])
    change(document)
    lines[line] = json.dumps(document).encode()
    return b"\n".join(lines) + b"\n"


_WHOLE = written()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "is empty: want a file of pyskopeo sync --plan"),
        (b"{}\n", "not the header of a plan: want a file of pyskopeo sync --plan"),
        (_edited(0, lambda header: header.update(pyskopeoPlan=2)), "line 1: a plan of version 2, .* reads version 1"),
        (_edited(0, lambda header: header.update(pyskopeoPlan=[])), r"line 1: a plan of version \[\]"),
        (_edited(0, lambda header: header.update(source="app")), "line 1: app: want TRANSPORT:PLACE"),
        (_edited(0, lambda header: header.update(source="docker-archive:a")), "docker-archive:a: want one of docker, reg"),
        (_edited(0, lambda header: header.update(destination="yaml:a")), "line 1: yaml:a: want one of docker, dir, oci"),
        (_edited(0, lambda header: header.update(options=[])), "line 1: options: want a JSON object"),
        (_edited(0, lambda header: header.update(options={"images": "some"})), 'images: want "all" or "system"'),
        (_edited(0, lambda header: header.update(more=1)), "line 1: unknown field 'more': made by another version"),
        (_WHOLE[: _WHOLE.rindex(b'{"end"')], "ends after line 3, which is not its end"),
        (_WHOLE[: len(_WHOLE) // 2], "ends within line 2: copy it again, or make a new plan"),
        (b"docker.io:\n  images: {}\n", "line 1 is not valid JSON: .*: want a file of pyskopeo sync --plan"),
        (_WHOLE.replace(b'"whole"', b"whole"), "line 3 is not valid JSON"),
        (_edited(1, lambda image: image.update(destination="docker://b.example/app")), "line 4: this plan was changed"),
        (_edited(1, lambda image: image.update(destination="docker://x/a:1")), "a:1 is not below docker://b.example/mirror"),
        (_edited(1, lambda image: image.update(destination="dir:/etc")), "line 2: dir:/etc is not below docker://b"),
        (_edited(1, lambda image: image.update(source="dir:/etc")), "line 2: dir:/etc: want a name of docker:"),
        (_edited(1, lambda image: image.update(digest=5)), "line 2: digest: invalid digest"),
        (_edited(1, lambda image: image.update(bytes=-1)), "line 2: bytes: want a whole number from 0 to"),
        (_edited(1, lambda image: image.update(bytes=10**400)), "line 2: bytes: want a whole number from 0 to"),
        (_edited(1, lambda image: image.update(requests=True)), "line 2: requests: want a whole number"),
        (_edited(1, lambda image: image.update(whole="no")), "line 2: whole: want true or false"),
        (_edited(1, lambda image: image.pop("source")), "line 2: source: want a string"),
        (_edited(3, lambda end: end.update(images=3)), "line 4: 2 images are in this plan, and it says 3"),
        (_WHOLE + b"{}\n", "line 4 is the end of the plan, and more follows"),
        (_WHOLE.replace(b'"whole"', b'"' + b"x" * 70_000 + b'"'), "line 3 is over the limit of 65536 bytes"),
    ],
)
def test_a_plan_that_is_not_whole_is_refused_with_its_line(raw: bytes, message: str) -> None:
    with pytest.raises(InvalidContent, match=message):
        read(raw)
