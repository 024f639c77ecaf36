"""Programs that know credentials, in Docker's protocol and in Bazel's, and files that keep them."""
