"""Verify every byte of an OCI layout: verify_layout.py DIRECTORY.

Exits with 1 if anything is wrong.
"""

import sys

import pyskopeo


def main(directory: str) -> int:
    with pyskopeo.SyncClient() as client:
        report = client.verify(f"oci:{directory}", deep=True)
    print(f"{report.images} images, {report.blobs} blobs")
    for fault in report.faults:
        where = fault.digest or fault.path
        print(f"{fault.what} {where}: {fault.message}")
    return 1 if report.faults else 0


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except pyskopeo.PyskopeoError as error:
        sys.exit(f"error: {error}")
