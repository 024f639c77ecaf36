"""Clients: the functions of the library as methods that share settings, connections and tokens."""
