"""rmq-web-hook: its parts, and in a running node beside a real HTTP server."""
