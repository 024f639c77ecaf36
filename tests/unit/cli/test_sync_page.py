"""The report of a sync as a page."""

from __future__ import annotations

import pytest

from pyskopeo.cli import sync_page as module
from pyskopeo.cli.sync_page import sync_page
from pyskopeo.model.digest import Digest
from pyskopeo.syncing.sync_request import ImageResult, Status, SyncImage, SyncReport

DIGEST = Digest.parse("sha256:" + "ab" * 32)


def result(name: str, status: Status, error: str = "") -> ImageResult:
    image = SyncImage(f"docker://h.example/{name}", f"docker://m.example/{name}")
    return ImageResult(image, status, DIGEST, 1024, 2.0, error)


def shown(*results: ImageResult, failures: int = 0, dry_run: bool = False) -> str:
    report = SyncReport(results, 2, failures, 61.0)
    return sync_page("registry:h.example", "docker://m.example", report, dry_run=dry_run)


def test_failures_come_first() -> None:
    html = shown(result("a:1", "present"), result("b:1", "copied"), result("c:1", "failed", "no <room>"), failures=1)
    assert html.index("h.example/c:1") < html.index("h.example/b:1") < html.index("h.example/a:1")
    assert "no &lt;room&gt;" in html
    assert "1 image of 3 failed; 1 source could not be listed" in html
    assert "<dt>Moved</dt><dd>3.0 KiB</dd>" in html
    assert "<dt>Time</dt><dd>1m01s</dd>" in html


def test_a_dry_run_says_so() -> None:
    html = shown(result("a:1", "planned"), result("b:1", "obsolete"), dry_run=True)
    assert "Dry run: nothing was copied" in html
    assert html.index("To be deleted") < html.index("To be copied")


def test_nothing_of_it_is_run_or_loaded() -> None:
    html = shown(result('"><script>x</script>:1', "copied"), result("\x1b[31mred\u202e:1", "failed", "\x07bell"))
    assert "<script" not in html
    assert not {"\x1b", "\x07", "\u202e"} & set(html)
    assert "http" not in html.replace("http-equiv", "")


def test_images_beyond_a_number_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 3)
    html = shown(*(result(f"a:{n}", "copied") for n in range(10)))
    assert html.count("<tr>") == 4
    assert "10 images; 7 are left out here" in html


def test_no_images() -> None:
    assert "All of 0 images are done" in shown()
