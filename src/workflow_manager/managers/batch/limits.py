"""What AWS Batch refuses (Batch API: SubmitJob, RegisterJobDefinition, DescribeJobs; User Guide: Service quotas)."""

from __future__ import annotations

MOST_DEPENDENCIES = 20
SMALLEST_ARRAY, LARGEST_ARRAY = 2, 10_000
MOST_ATTEMPTS = 10
SHORTEST_TIMEOUT = 60
"""Seconds."""
LONGEST_OVERRIDES = 8192
"""Bytes of ``containerOverrides`` as JSON; a longer one is accepted and the job then fails."""
LARGEST_REQUEST = 30 * 1024
MOST_DESCRIBED = 100
LONGEST_REASON = 1024
MOST_TAGS, LONGEST_TAG_KEY, LONGEST_TAG_VALUE = 50, 128, 256
