"""Client of the OCI distribution specification 1.1: sessions, authorization, pulling, pushing, mirrors."""
