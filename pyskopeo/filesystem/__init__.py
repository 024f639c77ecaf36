"""The files of images: layers as tables of entries, their merged view, and what is made of it."""
