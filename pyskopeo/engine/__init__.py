"""Decide what a copy does, then carry it out: knows two ends and a plan, no transport, file or registry."""
