"""
Who made the latest writes of an item that several write.

When an answer is lost the request is repeated, by botocore or by us, and its condition fails on its own first arrival;
meanwhile others may have written on.  So every item remembers the tokens of its latest writes.
"""

from __future__ import annotations

TOKEN_BYTES = 8
REMEMBERED = 32
"""A writer that is overtaken by more writes than this while it repeats one request is told that it lost."""


def with_token(trace: bytes, token: bytes) -> bytes:
    """*trace* with one more write at its end."""
    return (trace + token)[-TOKEN_BYTES * REMEMBERED :]


def has_token(trace: bytes, token: bytes, age: int) -> bool:
    """Whether the write that was followed by *age* others had this *token*, as far as it is remembered."""
    end = len(trace) - TOKEN_BYTES * age
    return age >= 0 and end >= TOKEN_BYTES and trace[end - TOKEN_BYTES : end] == token
