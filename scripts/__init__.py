"""Programs for people who work on rmq itself; none of them is installed.

environments        virtual environments and wheels for the Makefile (run by path; needs Python alone)
cluster             three nodes on this machine, for `make cluster` (run by path, by a Python that has rmq)
compose             three nodes in containers, for `make compose-up` and -down (run by path; needs Python alone)
docker_engine       the Docker engine for that: one that answers, or one that is started and ended here
extract_contracts   API documents -> tests/contracts/*.json (run as `python -m scripts.extract_contracts`)
seed_markdown       the tables and examples of a Markdown document
seed_rst            the definitions and examples of a reStructuredText document
seed_shapes         values -> the shape of their types
"""
