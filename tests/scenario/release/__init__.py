"""What a release consists of, and what is done with it."""
