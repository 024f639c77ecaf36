"""Plan a copy from manifests alone, then carry it out; independent of transports, files and registries."""
