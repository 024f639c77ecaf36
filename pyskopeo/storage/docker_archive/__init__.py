"""Read and write the archive format of ``docker save`` (Docker image specification v1.2)."""
