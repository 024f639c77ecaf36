"""The files of each release, and their integrity. Written by scripts/build_release."""

PYSKOPEO_VERSIONS = {
}
