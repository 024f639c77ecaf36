"""The local disk: files, tar archives, temporary directories, OCI layouts, docker archives."""
