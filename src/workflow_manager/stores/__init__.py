"""Where definitions, state resources, workflows and histories are kept."""
