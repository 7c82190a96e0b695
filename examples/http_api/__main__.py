"""``python -m http_api``: serve on 127.0.0.1:8080, or on the host and port in ``ADDR``."""

from __future__ import annotations

import os

import uvicorn

from http_api.app import create_app


def main() -> None:
    """Serve until told to stop."""
    host, _, port = os.environ.get("ADDR", "127.0.0.1:8080").rpartition(":")
    uvicorn.run(create_app(), host=host or "0.0.0.0", port=int(port))  # noqa: S104 - ":8080" asks for every address


if __name__ == "__main__":
    main()
