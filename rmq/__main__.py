"""`python -m rmq` is rmq-node."""

from rmq.cli import main

if __name__ == "__main__":
    main(prog_name="rmq-node")
