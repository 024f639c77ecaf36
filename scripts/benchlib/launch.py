"""Run a command and write its time and memory to a file, as JSON: ``launch.py REPORT COMMAND...``.

This is a small process of its own because Linux counts the memory of the process that starts a program into the
program's peak: the benchmark itself would be too large.
"""

import json
import os
import sys
import time


def main() -> None:
    """Run the command, write the report, exit with the command's exit code."""
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
