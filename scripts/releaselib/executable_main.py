"""The program in the executable."""

from pyskopeo.cli.main import run

run()
