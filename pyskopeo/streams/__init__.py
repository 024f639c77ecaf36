"""Blocking byte streams in worker threads (pump, compression, decompression) and bounded concurrency of tasks."""
