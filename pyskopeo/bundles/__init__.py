"""Archives of many images for machines without a network: made, listed, verified, compared, applied."""
