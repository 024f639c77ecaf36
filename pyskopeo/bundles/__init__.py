"""Archives of many images, for machines without a network."""
