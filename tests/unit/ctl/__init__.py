"""rmq-ctl against an API that is made up: what it asks, what it prints, and how it ends."""
