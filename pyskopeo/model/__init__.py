"""Values and grammar of the image and distribution specifications: no I/O, no clock, no await."""
