"""Values and grammars of the OCI image and distribution specifications, without I/O, clock or ``await``."""
