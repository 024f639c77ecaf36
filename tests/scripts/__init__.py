"""Tests of what `scripts/` computes; that the scripts run, other tests say."""
