"""Credentials for registries: auth files, and credential helpers in Docker's and in Bazel's protocol."""
