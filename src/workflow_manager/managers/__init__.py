"""Workflow managers: what decides and carries out, over a store."""
