"""Signers: the programs of OpenPGP, keys of sigstore, and the services that issue certificates for sigstore."""
