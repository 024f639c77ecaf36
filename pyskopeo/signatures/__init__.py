"""What a signature proves: decisions about bytes, keys and a time, without I/O."""
