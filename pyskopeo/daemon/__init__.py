"""A Docker daemon, by the calls of its Engine API that move images."""
