"""What Prometheus and Grafana are given in deploy/, tried with promtool and a live cluster."""
