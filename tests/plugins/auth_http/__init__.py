"""rmq-auth-http: its parts, and in a running node beside a real HTTP server."""
