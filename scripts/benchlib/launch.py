"""Start a command, wait for it, and write down what it took: ``launch.py REPORT COMMAND...``.

A process of its own, and a small one: Linux counts the memory of whoever starts a program into the
program's peak, so the benchmark itself must not be the one who starts it.
"""

import json
import os
import sys
import time


def main() -> None:
    """Run the command, write the report, exit as the command did."""
    report, command = sys.argv[1], sys.argv[2:]
    started = time.perf_counter()
    try:
        pid = os.posix_spawnp(command[0], command, os.environ)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")
    _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - started
    code = os.waitstatus_to_exitcode(status)
    found = {
        "seconds": seconds,
        "exit_code": code,
        "peak_kib": usage.ru_maxrss,
        "user": usage.ru_utime,
        "system": usage.ru_stime,
    }
    with open(report, "w", encoding="utf-8") as out:
        json.dump(found, out)
    sys.exit(code if code >= 0 else 128 - code)


main()
