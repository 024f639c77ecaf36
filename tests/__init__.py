"""Tests: unit, contract and interop, and what they stand on."""
