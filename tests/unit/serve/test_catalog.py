"""Names, tags and pages of the registry of a layout, also while the layout changes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import anyio
import pytest

from pyskopeo.model.layout import LayoutIndex
from tests.support.images import BuiltImage
from tests.support.outputs import write_layout
from tests.support.serving import CONTAINERD_NAME, REF_NAME, annotate, client, code_of, edit_index, get

pytestmark = pytest.mark.anyio
NO_DIGEST = "sha256:" + "0" * 64


async def test_tags_of_every_kind_of_name(tmp_path: Path, image: BuiltImage, other: BuiltImage) -> None:
    layout = write_layout(image, tmp_path / "layout", tag="a")
    write_layout(other, layout, tag="b")
    annotate(
        layout,
        {REF_NAME: "registry.example:5000/team/app:1.0"},
        {REF_NAME: "2.0", CONTAINERD_NAME: "docker.io/library/app:newest"},
    )
    assert (await get(layout, "/v2/x/tags/list")).json() == {"name": "x", "tags": ["1.0", "2.0", "newest"]}
    for tag, wanted in (("1.0", image), ("2.0", other), ("newest", other)):
        assert (await get(layout, f"/v2/x/manifests/{tag}")).content == wanted.root.raw
    assert (await get(layout, "/v2/x/manifests/latest")).status_code == 404


@pytest.mark.parametrize("annotations", [{}, {REF_NAME: "docker.io/library/app"}])
async def test_an_image_without_a_tag(
    tmp_path: Path, image: BuiltImage, other: BuiltImage, annotations: dict[str, str]
) -> None:
    layout = write_layout(image, tmp_path / "layout", tag="x")
    annotate(layout, annotations)
    assert (await get(layout, "/v2/x/tags/list")).json()["tags"] == ["latest"]
    assert (await get(layout, "/v2/x/manifests/latest")).content == image.root.raw
    write_layout(other, layout, tag="y")
    annotate(layout, annotations, {})
    assert (await get(layout, "/v2/x/tags/list")).json()["tags"] == []
    assert (await get(layout, "/v2/x/manifests/latest")).status_code == 404
    for made in (image, other):
        assert (await get(layout, f"/v2/x/manifests/{made.digest}")).content == made.root.raw


async def test_the_repository_decides_between_images_of_one_tag(
    tmp_path: Path, image: BuiltImage, other: BuiltImage
) -> None:
    layout = write_layout(image, tmp_path / "layout", tag="a")
    write_layout(other, layout, tag="b")
    annotate(
        layout,
        {REF_NAME: "latest", CONTAINERD_NAME: "docker.io/library/one:latest"},
        {REF_NAME: "latest", CONTAINERD_NAME: "docker.io/library/two:latest"},
    )
    for name, wanted in (("library/one", image), ("one", image), ("library/two", other)):
        assert (await get(layout, f"/v2/{name}/manifests/latest")).content == wanted.root.raw
        assert (await get(layout, f"/v2/{name}/tags/list")).json()["tags"] == ["latest"]
    answer = await get(layout, "/v2/neone/manifests/latest")
    assert (answer.status_code, code_of(answer)) == (404, "MANIFEST_UNKNOWN")
    assert "pull by digest" in answer.text
    assert (await get(layout, "/v2/neone/tags/list")).json()["tags"] == []


async def test_entries_of_other_types_are_passed_over(layout: Path, image: BuiltImage) -> None:
    entry = {"mediaType": "text/plain", "digest": NO_DIGEST, "size": 3, "annotations": {REF_NAME: "text"}}
    edit_index(layout, lambda entries: entries.insert(0, entry))
    assert (await get(layout, "/v2/x/tags/list")).json()["tags"] == ["v1"]
    assert (await get(layout, "/v2/x/manifests/v1")).content == image.root.raw


@pytest.mark.parametrize(
    ("query", "tags", "link"),
    [
        ("", ["a", "B", "b", "C", "d", "e"], None),
        ("?n=2", ["a", "B"], "?n=2&last=B"),
        ("?n=2&last=B", ["b", "C"], "?n=2&last=C"),
        ("?n=2&last=C", ["d", "e"], None),
        ("?n=2&last=e", [], None),
        ("?last=c", ["d", "e"], None),
        ("?last=zz", [], None),
        ("?n=0", [], None),
        ("?n=6", ["a", "B", "b", "C", "d", "e"], None),
        ("?n=999999999", ["a", "B", "b", "C", "d", "e"], None),
    ],
)
async def test_paging(many: Path, query: str, tags: list[str], link: str | None) -> None:
    answer = await get(many, f"/v2/team/x/tags/list{query}")
    assert answer.json() == {"name": "team/x", "tags": tags}
    assert answer.headers.get("link") == (link and f'</v2/team/x/tags/list{link}>; rel="next"')


@pytest.mark.parametrize("n", ["-1", "x", "1.5", "", "9999999999", "%D9%A1"])
@pytest.mark.parametrize("path", ["/v2/x/tags/list", "/v2/_catalog"])
async def test_bad_page_sizes(many: Path, path: str, n: str) -> None:
    answer = await get(many, f"{path}?n={n}")
    assert (answer.status_code, code_of(answer)) == (400, "UNSUPPORTED")


async def test_a_growing_layout(layout: Path, image: BuiltImage, other: BuiltImage) -> None:
    index = layout / "index.json"
    async with client(layout) as http:
        raw = index.read_bytes()
        index.unlink()
        answer = await http.get("/v2/x/tags/list")
        assert (answer.status_code, code_of(answer)) == (404, "NAME_UNKNOWN")
        index.write_bytes(raw)
        assert (await http.get("/v2/x/manifests/v1")).content == image.root.raw
        write_layout(other, layout, tag="v2")
        assert (await http.get("/v2/x/manifests/v2")).content == other.root.raw
        assert (await http.get("/v2/x/tags/list")).json()["tags"] == ["v1", "v2"]


async def test_a_change_that_the_clock_does_not_show(
    layout: Path, image: BuiltImage, other: BuiltImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same length, same times, same file: a recent one is not taken for unchanged."""
    write_layout(other, layout, tag="v2")
    index = layout / "index.json"
    now = time.time_ns()
    monkeypatch.setattr("pyskopeo.serve.catalog.file_state", lambda fd: (now, now, 1, 1, 1))
    async with client(layout) as http:
        raw = index.read_bytes()
        assert (await http.get("/v2/x/manifests/v1")).content == image.root.raw
        index.write_bytes(raw.replace(b'"v1"', b'"v0"').replace(b'"v2"', b'"v1"'))
        assert (await http.get("/v2/x/manifests/v1")).content == other.root.raw


async def test_an_old_index_is_parsed_once(layout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = []
    parse = LayoutIndex.parse

    def counted(raw: bytes, where: str = "index.json") -> Any:
        parsed.append(raw)
        return parse(raw, where)

    monkeypatch.setattr(LayoutIndex, "parse", counted)
    monkeypatch.setattr("pyskopeo.serve.catalog._CLOCK_STEP_NS", -1)
    async with client(layout) as http:
        for _ in range(3):
            assert (await http.get("/v2/x/manifests/v1")).status_code == 200
        assert len(parsed) == 1
        (layout / "index.json").write_bytes(parsed[0] + b" ")
        assert (await http.get("/v2/x/manifests/v1")).status_code == 200
        assert len(parsed) == 2


async def test_a_half_written_index_is_waited_for(layout: Path, image: BuiltImage) -> None:
    index = layout / "index.json"
    raw = index.read_bytes()
    index.write_bytes(raw[:40])
    async with client(layout) as http, anyio.create_task_group() as tasks:
        answers = []

        async def ask() -> None:
            answers.append(await http.get("/v2/x/manifests/v1"))

        tasks.start_soon(ask)
        await anyio.sleep(0.05)
        assert not answers
        index.write_bytes(raw)
    assert answers[0].content == image.root.raw


async def test_a_broken_index(layout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyskopeo.serve.catalog._PAUSE", 0)
    (layout / "index.json").write_text("{")
    answer = await get(layout, "/v2/x/tags/list")
    assert (answer.status_code, code_of(answer)) == (500, "UNKNOWN")
    assert "index.json is not valid JSON" in answer.text
