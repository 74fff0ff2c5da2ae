"""Tests: unit (no I/O), contract (real servers), local (the local cloud), e2e, faults."""
