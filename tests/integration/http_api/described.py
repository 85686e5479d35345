"""The HTTP client for whom every answer must be what the node's own OpenAPI document says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.integration.http_api.http import Answer, Http
from tests.support.openapi import Description


@dataclass(frozen=True)
class DescribedHttp(Http):
    """As ``Http``; an answer that isn't as it is described fails the test, whatever the test is about."""

    descriptions: list[Description] = field(default_factory=list)

    @property
    def description(self) -> Description:
        """The document, asked for once."""
        if not self.descriptions:
            self.descriptions.append(Description(super().send("GET", "/api/v1/openapi.json", None, {}).json))
        return self.descriptions[0]

    def send(self, method: str, path: str, content: bytes | None, headers: Mapping[str, str]) -> Answer:
        """One request."""
        answer = super().send(method, path, content, headers)
        self.description.check(method, path, answer.status, answer.headers, answer.body)
        return answer
