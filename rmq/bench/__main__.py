"""`python -m rmq.bench` is rmq-bench."""

from rmq.bench.cli import main

main()
