"""Run random cases of `tests/faults`; print those that fail, with the command that runs each of them again."""

from __future__ import annotations

import argparse
import itertools
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Run the cases; return 1 if one has failed."""
    sys.path.insert(0, str(ROOT))

    parser = argparse.ArgumentParser(prog="soak", description="Copy images in random troubles, and check what is left.")
    parser.add_argument("--seconds", type=float, default=600, help="how long to go on (%(default)s)")
    parser.add_argument("--seed", type=int, help="the seed of the first case (random); later ones count on")
    parser.add_argument("--cases", type=int, metavar="N", help="stop after N cases")
    options = parser.parse_args()
    first = random.SystemRandom().randrange(10**9) if options.seed is None else options.seed
    print(f"soak: the first seed is {first}", flush=True)
    failed, count, end = [], 0, time.monotonic() + options.seconds
    seeds = itertools.count(first) if options.cases is None else range(first, first + options.cases)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        surround(Path(folder))
        for seed in seeds:
            if time.monotonic() > end:
                break
            count += 1
            if not run(seed, Path(folder) / str(seed)):
                failed.append(seed)
    print(f"soak: {count} cases, {len(failed)} failed: {' '.join(map(str, failed)) or '-'}")
    return 1 if failed else 0


def surround(folder: Path) -> None:
    """Set the environment that tests have: nobody's configuration, and no proxy."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith(("XDG_", "PYSKOPEO_", "DOCKER_", "CONTAINERS_")):
            del os.environ[name]
    os.environ["HOME"] = str(folder)


def run(seed: int, folder: Path) -> bool:
    """Run one case in a new folder, which is removed; return whether it has passed, and print why not."""
    from tests.faults.cases import random_case

    case = random_case(seed)
    try:
        case.run(folder)
    except Exception:  # noqa: BLE001 - a case fails in whichever way, and the next one is run
        print(f"soak: seed {seed} failed: {case}\n{traceback.format_exc()}", end="")
        print(f"soak: run it again with: scripts/soak --seed {seed} --cases 1", flush=True)
        return False
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
