"""HTTP/1.1 below httpx: sockets, TLS, proxies, bodies read and written by worker threads."""
