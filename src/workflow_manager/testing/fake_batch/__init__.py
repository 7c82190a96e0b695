"""An AWS Batch for tests: real boto3 clients, a virtual clock, no network.  Begin with :class:`FakeBatch`."""

from workflow_manager.testing.fake_batch.ends import JobEnd, JobRun
from workflow_manager.testing.fake_batch.fake import FakeBatch
from workflow_manager.testing.fake_batch.faults import Fault, Faults
from workflow_manager.testing.fake_batch.records import Delays, Status

__all__ = ["Delays", "FakeBatch", "Fault", "Faults", "JobEnd", "JobRun", "Status"]
