"""Blocks of bytes and who moves them: pump, compress, decompress in worker threads; bounded concurrency of tasks."""
