"""Messages: kept, on their way, late, slow, and counted by topic.

delayed             messages that are published later, and the rules for them
retaining           how retaining is configured, and all retained messages deleted
of_session          the messages of one session
slow_subscriptions  whose deliveries took longest lately
topic_metrics       figures of single topic names, while somebody wants them
sharing             which member of a shared subscription gets a message
"""
