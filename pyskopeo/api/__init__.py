"""The functions of the library, which take image names: copy, inspect, list tags, tag, delete, logins."""
