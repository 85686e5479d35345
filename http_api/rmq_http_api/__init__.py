"""The HTTP API of rmq: one management service, presented in the dialects that existing tools speak.

Nothing is here yet. A later release brings the server, authentication, metrics for scraping, the dashboard, and one
sub-package for each dialect.
"""
