"""Processes of the command line: killed at random moments, and two at once at one destination."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from random import Random
from subprocess import Popen

import pytest

from tests.support.commands import started
from tests.support.faults import Delay, Drip
from tests.support.processes import wait_until

from . import children
from .fetches import LOCKS, Fetches, asked_blobs
from .images import LARGE, NEXT
from .invariants import check_between, check_final, check_sound, check_state, require
from .jobs import Job
from .places import DESTINATIONS
from .scenes import Scene, opened, undisturbed

COPIED = [name for name, place in DESTINATIONS.items() if not place.syncs]
# Where each image has a name of its own, beside others.
SEVERAL = ("oci", "oci-shared", "docker")
_WAIT = 60.0


def command(job: Job) -> Iterator[object]:
    """The words of the command line for a job."""
    source, destination = job.syncs or ("", "")
    yield from ("sync", "--src", source, "--dest", destination) if job.syncs else ("copy",)
    for side, name, transport in (("src", job.source, source), ("dest", job.destination, destination)):
        if "docker" in (transport, name.partition("://")[0]):
            yield f"--{side}-tls-verify=false"
    if job.shared_blobs is not None:
        yield from ("--dest-shared-blob-dir", job.shared_blobs)
    yield from ("--user-agent-prefix", job.agent, job.source, job.destination)


def finish(process: Popen[bytes]) -> int:
    _, said = process.communicate(timeout=_WAIT)
    assert b"Traceback" not in said, said.decode()
    return process.returncode


@pytest.mark.parametrize("destination", DESTINATIONS)
def test_a_command_that_is_killed(destination: str, tmp_path: Path) -> None:
    """After so many of its requests."""
    rng = Random(destination)
    fresh = rng.random() < 0.5
    reference = undisturbed("docker", destination, fresh=fresh)
    with opened("docker", destination, tmp_path, fresh=fresh) as scene:
        before = scene.state()
        assert scene.registry is not None
        scene.registry.on_blob(LARGE, Drip(65536, 0.005))
        with started(*command(scene.job)) as process:
            requests = rng.randint(1, reference.requests)
            assert wait_until(lambda: scene.requests >= requests or process.poll() is not None, _WAIT)
            process.send_signal(signal.SIGKILL)
            killed = process.wait(_WAIT) == -signal.SIGKILL
        if killed:
            check_between(before, scene.state(), reference.final, killed=True)
        scene.heal()
        fetches, before = Fetches(scene), scene.state()
        with started(*command(scene.job)) as process:
            assert finish(process) == 0
        check_final(scene.state(), reference.final, before)
        fetches.check_requests()


def other_job(scene: Scene) -> Job:
    """A copy of another image to the same place, by a name of its own where the place has several."""
    assert scene.registry is not None
    scene.registry.add(NEXT, "test/image", "next")
    job = scene.job
    named = job.destination.removesuffix(":new") + ":next" if job.destination.endswith("/image:new") else job.destination
    return replace(job, source=scene.registry.name(tag="next"), destination=named)


def slow(scene: Scene) -> None:
    """Let copies take so long that two of them are under way at the same time."""
    assert scene.registry is not None
    scene.registry.on_blob(LARGE, Drip(131072, 0.01))
    scene.registry.on("/v2/*/blobs/*", Delay(0.01))


@pytest.mark.parametrize("destination", DESTINATIONS)
def test_two_at_once_copy_the_same(destination: str, tmp_path: Path) -> None:
    reference = undisturbed("docker", destination, fresh=False)
    with opened("docker", destination, tmp_path, fresh=False) as scene:
        slow(scene)
        before = scene.state()
        codes = at_once(scene.job, scene.job)
        assert 0 in codes
        if destination in SEVERAL:
            assert codes == [0, 0]
        check_final(scene.state(), reference.final, before)
        if destination in LOCKS:
            require("each blob is fetched once", unless=[d for d, count in asked_blobs(scene).items() if count > 1])


@pytest.mark.parametrize("destination", COPIED)
def test_two_at_once_copy_different_images(destination: str, tmp_path: Path) -> None:
    fresh = Random(destination).random() < 0.5
    reference = undisturbed("docker", destination, fresh=fresh)
    with opened("docker", destination, tmp_path, fresh=fresh) as scene:
        slow(scene)
        before = scene.state()
        other = other_job(scene)
        codes = at_once(scene.job, other)
        after = scene.state()
        check_sound(after)
        require("no litter", unless=sorted(after.temporary))
        if destination in SEVERAL:
            assert codes == [0, 0]
            assert before.names.items() <= after.names.items()
            assert reference.final.names.items() <= after.names.items()
            (added,) = after.names.keys() - reference.final.names.keys()
            assert (after.names[added], added.endswith(":next")) == (NEXT.digest, True)
        else:
            assert 0 in codes
            assert after.names.keys() == reference.final.names.keys()


@pytest.mark.parametrize("number", range(2))
@pytest.mark.parametrize("destination", DESTINATIONS)
def test_one_of_two_is_killed(destination: str, number: int, tmp_path: Path) -> None:
    """The other one goes on, and takes over what it waits for."""
    rng = Random(f"{destination} {number}")
    fresh = rng.random() < 0.5
    reference = undisturbed("docker", destination, fresh=fresh)
    with opened("docker", destination, tmp_path, fresh=fresh) as scene:
        slow(scene)
        before = scene.state()
        at = rng.randrange(max(1, reference.changes))
        with children.started(scene.job, (at, "before")) as killed, children.started(scene.job) as other:
            killed.join(_WAIT)
            other.join(_WAIT)
            codes = killed.exitcode, other.exitcode
        assert None not in codes, "still running"
        if destination in SEVERAL:
            assert codes[1] == children.DONE
        check_between(before, scene.state(), reference.final, killed=True)
        scene.heal()
        if not scene.destination.replaces:
            scene.neighbour.with_name("image.tar").unlink(missing_ok=True)
        run = scene.run()
        assert run.error is None, run.error
        check_final(scene.state(), reference.final, before)


def at_once(*jobs: Job) -> list[int]:
    """The exit codes of copies that are run at the same time, each in a process."""
    with ExitStack() as stack:
        running = [stack.enter_context(started(*command(job))) for job in jobs]
        return [finish(process) for process in running]


def test_the_words_of_a_sync(tmp_path: Path) -> None:
    with opened("docker", "sync-docker", tmp_path, fresh=True) as scene:
        words = list(command(scene.job))
        assert words[:5] == ["sync", "--src", "docker", "--dest", "docker"]
        assert words[5:7] == ["--src-tls-verify=false", "--dest-tls-verify=false"]
        check_state(scene.state())
