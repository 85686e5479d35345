"""rmq-ctl by `python -m rmq.ctl`, where it isn't installed as a command."""

from rmq.ctl.program import main

main(prog_name="rmq-ctl")
