"""A request that the service refuses."""

from __future__ import annotations


class Refusal(Exception):
    """Answered with HTTP *status*, error *code* and *message*, which botocore raises as a ClientError."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


def client_error(message: str) -> Refusal:
    """Batch's ClientException, with the sentence as it stands."""
    return Refusal("ClientException", message)


def request_error(message: str, request_id: str = "00000000-0000-0000-0000-000000000000") -> Refusal:
    """Batch's ClientException in the wording of what its service itself refuses."""
    return client_error(f"Error executing request, Exception : {message}, RequestId: {request_id}")
