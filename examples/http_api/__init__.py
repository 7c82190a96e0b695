"""An HTTP API around the library: the one that the original workflow-manager had, with its status codes put right."""
