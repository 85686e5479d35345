"""What deploy/ brings: its files agree with each other and the node, open nothing by accident, and work.

files            what is in deploy/, read once for all tests
test_compose_file  docker-compose.yml, the image and the balancer
test_kubernetes  the manifests, by Kubernetes' own schemas
test_unit_file   the systemd unit
test_systemd     systemd's own opinion of it, where its tools are
test_secrets     no secret is in any file, and those that are made are their owner's
test_engine      which Docker engine is used, started and ended
test_page        docs/deployment.md names what is there
test_containers  three nodes in containers, one of them killed: `make compose-test`
"""
