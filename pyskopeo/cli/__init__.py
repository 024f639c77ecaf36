"""The command line: the only place with print, argv and environ."""
