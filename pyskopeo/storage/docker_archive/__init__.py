"""The archive format of ``docker save``, version 1.2 of Docker's image specification."""
