"""The one error a simulated Square answers with, in Square's own shape."""

from __future__ import annotations

from typing import Any


class SquareError(Exception):
    """A refusal: HTTP status and one entry of Square's `errors` list."""

    def __init__(
        self, status: int, category: str, code: str, detail: str, field: str | None = None
    ) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status, self.category, self.code = status, category, code
        self.detail, self.field = detail, field

    def json(self) -> dict[str, Any]:
        """Give the answer body."""
        entry = {"category": self.category, "code": self.code, "detail": self.detail}
        if self.field:
            entry["field"] = self.field
        return {"errors": [entry]}


def invalid(code: str, detail: str, field: str | None = None) -> SquareError:
    """Refuse a request that can never be right: 400."""
    return SquareError(400, "INVALID_REQUEST_ERROR", code, detail, field)


def not_found(what: str, object_id: str) -> SquareError:
    """Refuse a request for something that is not there: 404."""
    return SquareError(
        404, "INVALID_REQUEST_ERROR", "NOT_FOUND", f"{what} with ID {object_id} not found."
    )


def declined(code: str, detail: str) -> SquareError:
    """Refuse a payment that the instrument cannot make: 400."""
    return SquareError(400, "PAYMENT_METHOD_ERROR", code, detail)


def unauthorized() -> SquareError:
    """Refuse a request without a living access token: 401."""
    return SquareError(
        401, "AUTHENTICATION_ERROR", "UNAUTHORIZED", "This request could not be authorized."
    )
