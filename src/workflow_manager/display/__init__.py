"""For people: what definitions and workflows look like."""

from workflow_manager.display.graph import graph_text

__all__ = ["graph_text"]
