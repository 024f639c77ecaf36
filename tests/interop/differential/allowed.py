"""The differences that differences.md lists, as the two programs show them.

Each undoes itself: given both outcomes it returns ours as it would be without the difference. What it returns is ours
unchanged where the difference is not there, so that one that has gone is noticed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from tests.interop.differential.outcome import Outcome
from tests.interop.differential.world import Request

Undo = Callable[[Outcome, Outcome], Outcome]

_PROGRESS = re.compile(
    r"(Getting image (source|list) signatures|Copying (blob|config|image) sha256:\w+( \(\d/\d\))?"
    r"|Copying \d (of|images generated from) \d images in list|Writing manifest( list)? to image destination|Storing (list )?signatures"
    r"|Skipping: image already present at destination)\n"
)
_VERSION = "Directory Transport Version: 1.1\n"
_WRITES = ("put", "upload", "delete")


def taken(theirs: Outcome, ours: Outcome) -> Outcome:
    """skopeo refuses what we do; all else follows from that."""
    return theirs if (theirs.code, ours.code) == (1, 0) else ours


def refused(theirs: Outcome, ours: Outcome) -> Outcome:
    """We refuse what skopeo does, and write nothing."""
    silent = not ours.stdout and not any(request[1] in _WRITES for request in ours.requests)
    whole = not (ours.files.keys() - theirs.files.keys())
    return theirs if (theirs.code, ours.code) == (0, 1) and silent and whole else ours


def incomplete(theirs: Outcome, ours: Outcome) -> Outcome:
    """Both do what can be done; we then fail."""
    return replace(ours, code=0) if (theirs.code, ours.code) == (0, 1) else ours


def progress(theirs: Outcome, ours: Outcome) -> Outcome:
    """skopeo's progress is on its standard output."""
    lines = theirs.stdout.splitlines(keepends=True)
    told = bool(lines) and all(_PROGRESS.fullmatch(line) for line in lines)
    return replace(ours, stdout=theirs.stdout) if told and not ours.stdout else ours


def help_text(theirs: Outcome, ours: Outcome) -> Outcome:
    """Both show a usage, in their own words."""
    shown = all("Usage:\n" in said.stdout and "--" in said.stdout for said in (theirs, ours))
    return replace(ours, stdout=theirs.stdout) if shown else ours


def version(theirs: Outcome, ours: Outcome) -> Outcome:
    """Each says its own name and version, in the same form."""
    shape = r"{} version [0-9]+\.[0-9]+\.[0-9]+\n"
    alike = re.fullmatch(shape.format("skopeo"), theirs.stdout) and re.fullmatch(shape.format("pyskopeo"), ours.stdout)
    return replace(ours, stdout=theirs.stdout) if alike else ours


def left_behind(theirs: Outcome, ours: Outcome) -> Outcome:
    """After a failure there are an empty destination and its parents, which the next try finds."""
    more = {path: theirs.files[path] for path in theirs.files.keys() - ours.files.keys()}
    begun = all(mode[0] == "d" or content == _VERSION.encode() for mode, content in more.values())
    return replace(ours, files={**ours.files, **more}) if begun and theirs.code else ours


def unfinished(theirs: Outcome, ours: Outcome) -> Outcome:
    """skopeo looks at a flag when it has copied everything."""
    more = {path: theirs.files[path] for path in theirs.files.keys() - ours.files.keys()}
    return replace(ours, files={**ours.files, **more}) if (theirs.code, ours.code) == (1, 1) else ours


def without_platforms(index: bytes) -> bytes:
    """An ``index.json`` as it is without the platforms of its entries, which are last in them."""
    return re.sub(rb',"platform":\{[^}]*\}', b"", index)


def layout_platform(theirs: Outcome, ours: Outcome) -> Outcome:
    """skopeo's entries in the index of a layout have no platform."""
    found = {path: file for path, file in ours.files.items() if path.endswith("/index.json") or path == "new.oci.tar"}
    plain = {path: (mode, without_platforms(content)) for path, (mode, content) in found.items()}
    return replace(ours, files={**ours.files, **plain})


def retagged(theirs: Outcome, ours: Outcome) -> Outcome:
    """skopeo's index keeps the older image, without its name, before ours."""
    mode, content = ours.files["new/index.json"]
    kept = json.loads(theirs.files["new/index.json"][1])["manifests"]
    if len(kept) != 2 or "annotations" in kept[0] or kept[1:] != json.loads(content)["manifests"]:
        return ours
    return replace(ours, files={**ours.files, "new/index.json": (mode, theirs.files["new/index.json"][1])})


def signed_anew(theirs: Outcome, ours: Outcome) -> Outcome:
    """Both sign schema 1 with a key that nobody knows, which is another one each time."""
    mode, content = ours.files["new/manifest.json"]
    both = [json.loads(found) for found in (content, theirs.files["new/manifest.json"][1])]
    if not all(signed.pop("signatures", None) for signed in both) or both[0] != both[1]:
        return ours
    return replace(ours, files={**ours.files, "new/manifest.json": (mode, theirs.files["new/manifest.json"][1])})


def record(theirs: Outcome, ours: Outcome) -> Outcome:
    """The record of a sync."""
    files = {path: found for path, found in ours.files.items() if not path.endswith("/.pyskopeo-sync.json")}
    return replace(ours, files=files)


def made_by_dry_run(theirs: Outcome, ours: Outcome) -> Outcome:
    """Directories, in the way of the run that follows."""
    more = {path: theirs.files[path] for path in theirs.files.keys() - ours.files.keys()}
    empty = all(mode[0] == "d" for mode, _ in more.values())
    return replace(ours, files={**ours.files, **more}) if empty else ours


def _credentials(outcome: Outcome) -> tuple[str, Mapping[str, object]]:
    mode, content = outcome.files["home/run/containers/auth.json"]
    return mode, json.loads(content)


def more_fields(theirs: Outcome, ours: Outcome) -> Outcome:
    """Fields that are not skopeo's stay."""
    mode, found = _credentials(ours)
    if found.get("more") != 1 or (mode, {**found, "more": None}) != (mode, {**_credentials(theirs)[1], "more": None}):
        return ours
    return replace(ours, files=theirs.files) if mode == _credentials(theirs)[0] else ours


def untouched(theirs: Outcome, ours: Outcome) -> Outcome:
    """There is nothing to write, and skopeo writes it anew."""
    same = _credentials(theirs)[1].items() <= _credentials(ours)[1].items()
    return replace(ours, files=theirs.files) if same else ours


def _fewer(theirs: Outcome, ours: Outcome, action: str) -> Outcome:
    """Ours without what ``action`` says, where skopeo does more of it; what content it is about must be the same."""
    more = {request for request in theirs.requests if request[1] == action}
    mine = {request for request in ours.requests if request[1] == action}
    if not more or {request[3] for request in mine} - {request[3] for request in more}:
        return ours
    return replace(ours, requests=(ours.requests - mine) | more)


def downloads(theirs: Outcome, ours: Outcome) -> Outcome:
    """No blob is read that is there, that another image has brought, or that a registry can mount."""
    return _fewer(theirs, ours, "download")


def asked_by_head(theirs: Outcome, ours: Outcome) -> Outcome:
    """Our question whether an image is there already is a HEAD, which is not counted when nothing is there.

    Of several tags with one image the last ones may find it there.
    """
    written = {(place, name) for place, action, name, _ in theirs.requests if action == "put"}
    found = {request for request in ours.requests if request[1] == "read" and (request[0], request[2]) in written}
    return _fewer(theirs, replace(ours, requests=ours.requests - found), "not there")


def deleted_unread(theirs: Outcome, ours: Outcome) -> Outcome:
    """The digest is known: nothing has to be read."""
    return _fewer(theirs, ours, "read")


def deleted_tags(theirs: Outcome, ours: Outcome) -> Outcome:
    """We ask which tags refer to what is deleted, to say so."""
    asked = {request for request in ours.requests - theirs.requests if request[1] in ("tags", "read")}
    return replace(ours, requests=ours.requests - asked) if asked else ours


def already_there(theirs: Outcome, ours: Outcome) -> Outcome:
    """skopeo writes a manifest that is there; we look."""
    put: set[Request] = {request for request in theirs.requests if request[1] == "put"}
    looked: set[Request] = {(place, "read", name, what) for place, _, name, what in put}
    return replace(ours, requests=ours.requests - looked | put) if looked and looked <= ours.requests else ours


def pull_scope(theirs: Outcome, ours: Outcome) -> Outcome:
    """A token for deleting allows reading by name, too."""
    return replace(ours, requests=frozenset((a, b, c.replace(":*,pull", ":*"), d) for a, b, c, d in ours.requests))


ALLOWED: Mapping[str, Undo] = {
    "help-text": help_text,
    "version": version,
    "progress": progress,
    "left-behind": left_behind,
    "tag-and-digest": taken,
    "archive-over-file": refused,
    "retagged": retagged,
    "layout-platform": layout_platform,
    "additional-tag": taken,
    "registry-tags": refused,
    "schema1-signature": signed_anew,
    "refused-early": unfinished,
    "already-there": already_there,
    "moved-once": downloads,
    "artifact": taken,
    "delete-tags": deleted_tags,
    "delete-unread": deleted_unread,
    "delete-scope": pull_scope,
    "tmpdir-unused": taken,
    "mirrored-tags": taken,
    "v1-registries": refused,
    "docker-host": taken,
    "credential-fields": more_fields,
    "credential-file-kept": untouched,
    "sync-record": record,
    "sync-head": asked_by_head,
    "sync-dry-run": made_by_dry_run,
    "sync-update": taken,
    "sync-listing": incomplete,
    "sync-oci": taken,
    "preserve-digests": refused,
}
