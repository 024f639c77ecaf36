"""The distribution specification, seen from the client."""
