"""The parts of :mod:`workflow_manager.engine.fold`, one for each kind of event."""
