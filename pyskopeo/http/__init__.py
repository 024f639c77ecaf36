"""HTTP/1.1 transport for httpx (RFC 9112): sockets, TLS, proxies, bodies read and written by worker threads."""
