"""The cluster package: links, requests, Raft and what is built of them."""
