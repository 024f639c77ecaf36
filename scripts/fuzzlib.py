"""Run the targets of `tests/fuzz` with atheris, each in a process of its own, one for each processor at a time."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT / "tests" / "fuzz" / "corpus"
LEARNT = ROOT / ".fuzz"
FINDINGS = LEARNT / "findings"
# Of one input: longer ones, slower ones and those that need more memory are findings.
BYTES, SECONDS, MEBIBYTES = 65536, 10, 2048


def main() -> int:
    """Fuzz the targets that are named, or all; return 1 if there is a finding."""
    sys.path.insert(0, str(ROOT))
    from tests.fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(prog="fuzz", description="Feed random bytes to the parsers of foreign text.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"one of {', '.join(TARGETS)} (all)")
    parser.add_argument("--seconds", type=int, default=60, help="how long each target runs (%(default)s)")
    parser.add_argument("--runs", type=int, metavar="N", help="N inputs for each target, the same ones every time")
    options = parser.parse_args()
    if unknown := set(options.targets) - set(TARGETS):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    names = options.targets or list(TARGETS)
    FINDINGS.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        sound = pool.map(lambda name: run(name, options.seconds, options.runs), names)
        failed = [name for name, found_nothing in zip(names, sound, strict=True) if not found_nothing]
    print(f"fuzz: {len(names) - len(failed)} targets without a finding, {len(failed)} with: {' '.join(failed) or '-'}")
    return 1 if failed else 0


def run(name: str, seconds: int, runs: int | None) -> bool:
    """Fuzz one target in a child process; return whether it found nothing, and print what it said otherwise.

    With a number of runs, which are counted instead of seconds, what was learnt before is not used.
    """
    command = [sys.executable, str(Path(__file__)), f"--child={name}"]
    command += [f"-max_len={BYTES}", f"-timeout={SECONDS}", f"-rss_limit_mb={MEBIBYTES}"]
    command += [f"-artifact_prefix={FINDINGS}/{name}-"]
    command += [f"-max_total_time={seconds}"] if runs is None else [f"-runs={runs}", "-seed=1"]
    with tempfile.TemporaryDirectory() as empty:
        # New inputs are written to the first directory.
        learnt = Path(empty) if runs is not None else LEARNT / name
        learnt.mkdir(exist_ok=True)
        command += [str(learnt), str(CORPUS / name)]
        # Hashes of strings decide the order of sets, and so what the fuzzer sees.
        done = subprocess.run(command, capture_output=True, check=False, env=os.environ | {"PYTHONHASHSEED": "0"})
    lines = (done.stdout + done.stderr).decode(errors="replace").splitlines()
    if not done.returncode:
        print(f"fuzz: {name}: {next((line for line in reversed(lines) if 'DONE' in line), 'done')}", flush=True)
        return True
    told = [line for line in lines if not line.startswith(("#", "INFO", "WARNING", "0x", "MS:"))]
    print("\n".join((f"fuzz: {name}: FOUND", *told[-60:])), flush=True)
    return False


def child(name: str, words: list[str]) -> None:
    """Fuzz one target in this process, which ends with it."""
    import atheris

    sys.path.insert(0, str(ROOT))
    with atheris.instrument_imports(include=["pyskopeo", "http"]):
        from tests.fuzz.targets import TARGETS
    atheris.Setup([sys.argv[0], *words], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1].startswith("--child="):
        child(sys.argv[1].partition("=")[2], sys.argv[2:])
    sys.exit(main())
