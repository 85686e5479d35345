"""What is counted of questions between nodes."""

from dataclasses import dataclass


@dataclass(slots=True)
class RequestCounters:
    """Counters from zero at the node's start; first those of the asking side, then those of the answering side."""

    asked: int = 0
    answered: int = 0  # with an answer or an error of management
    unanswered: int = 0  # refused or failed there, link lost, or not in time
    unreadable: int = 0  # answers that aren't what the question asks for
    stray_answers: int = 0  # frames of answers that nobody waits for: late, mostly
    questions: int = 0
    replies: int = 0  # answers that were sent whole
    refused: int = 0  # questions that aren't known here, too many at once, while the node starts or stops
    internal_errors: int = 0
    too_slow: int = 0  # answers that weren't ready in time
    forgotten: int = 0  # by whoever asked
    cut_off: int = 0  # answers that couldn't be sent: no link, or no room
    too_large: int = 0
