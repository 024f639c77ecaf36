"""The parts of `scripts/build_image`."""
