"""What the tests stand on: generated images, real programs, and a registry that misbehaves on request."""
