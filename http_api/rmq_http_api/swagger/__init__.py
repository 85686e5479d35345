"""Swagger UI 5.24.2 as it is published (swagger-ui-dist, Apache-2.0), and the page that opens it; no code of ours."""
