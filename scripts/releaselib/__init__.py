"""Builds the files of a release; `scripts/build_release` is the command."""
