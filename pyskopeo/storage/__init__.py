"""The local disk: files, tar archives, temporary files, OCI image layouts and ``docker save`` archives."""
