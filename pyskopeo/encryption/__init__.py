"""Encrypted layers as ocicrypt writes them: keys, JSON Web Encryption, the cipher of a layer."""
