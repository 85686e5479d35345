"""The command line of rmq-bench."""

from __future__ import annotations

import sys

import click

from rmq.bench.plan import PROTOCOLS, Plan, PlanError, addresses
from rmq.bench.run import run

_MODES = ("pub", "sub", "conn", "pair", "fan-in", "fan-out")
_PROTOCOL_NAMES = {**{name: name for name in PROTOCOLS}, "3": "3.1", "4": "3.1.1", "311": "3.1.1", "31": "3.1"}

_HELP = """Load an MQTT broker and say what it did.

\b
pub      CLIENTS publishers; the window counts what the broker has not acknowledged
sub      CLIENTS subscribers that count what others publish
conn     CLIENTS connections, each with one subscription; --hold keeps them open
pair     CLIENTS publishers, each with its own topic and subscriber
fan-in   CLIENTS publishers, one subscriber to all of them
fan-out  one publisher, CLIENTS subscribers to its topic

Closed loop unless --rate is given: every publisher keeps --window messages on their way, and a message received by
its subscriber (by all of them, for fan-out) lets it send the next. With --rate the messages follow a schedule and
their latency counts from the time they were due (below 1.5 ms between two messages the loop spins to be on time).
Latency is sampled: one send in seven carries its time, one message of each socket read is looked at, at a rotating
place, and counts with the number of messages of that read.

--persistent gives the subscribers sessions that outlive their connections (MQTT 3: clean session 0, MQTT 5: Session
Expiry Interval 3600); publishers stay clean. A run removes what it leaves at the broker, those sessions (by connecting
clean) and what it published with --retain, at its end and, in case another run was killed, also before it begins.

A cluster is loaded with --at: connections are spread over its addresses in turn, those of publishers over the
addresses of --publishers-at if it is given. So `--publishers-at A,B,C --at B,C,A` has each pair on two nodes.

Exit code: 0 done, 1 connections failed or messages did not arrive, 2 usage.
"""


@click.command(help=_HELP, context_settings={"help_option_names": ["--help"], "max_content_width": 120})
@click.argument("mode", type=click.Choice(_MODES))
@click.option("-h", "--host", default="127.0.0.1", show_default=True)
@click.option("-p", "--port", type=click.IntRange(1, 65535), default=1883, show_default=True)
@click.option("-V", "--protocol", type=click.Choice(sorted(_PROTOCOL_NAMES)), default="3.1.1", show_default=True)
@click.option("-q", "--qos", type=click.IntRange(0, 2), default=0, show_default=True, help="Of all messages.")
@click.option("-c", "--clients", type=int, default=1, show_default=True, help="Connections or pairs, see above.")
@click.option("-s", "--size", type=int, default=64, show_default=True, help="Payload bytes.")
@click.option("-w", "--window", type=int, default=16, show_default=True, help="Messages on their way per publisher.")
@click.option("-r", "--rate", type=float, default=0.0, help="Messages a second of all publishers together (open loop).")
@click.option("-d", "--duration", type=float, default=5.0, show_default=True, help="Seconds to measure.")
@click.option("-n", "--messages", type=int, default=0, help="Send so many messages in all, instead of --duration.")
@click.option("--warmup", type=float, default=1.0, show_default=True, help="Seconds of load before measuring.")
@click.option("--drain", type=float, default=10.0, show_default=True, help="Seconds to wait for the last messages.")
@click.option("-t", "--topic", default="bench", show_default=True, help="Topic prefix.")
@click.option("-i", "--client-id", default="bench", show_default=True, help="Client id prefix.")
@click.option("-u", "--username", default=None)
@click.option("-P", "--password", default=None, envvar="RMQ_BENCH_PASSWORD", help="Or RMQ_BENCH_PASSWORD.")
@click.option("-k", "--keep-alive", type=click.IntRange(0, 65535), default=0, show_default=True, help="Seconds.")
@click.option("--subscribe/--no-subscribe", default=True, help="conn: one subscription per connection (default: yes).")
@click.option("--hold", type=float, default=0.0, help="conn: seconds to keep the idle connections open.")
@click.option("--in-flight", type=int, default=50, show_default=True, help="Handshakes at a time.")
@click.option("--timeout", type=float, default=30.0, show_default=True, help="Seconds a handshake may take.")
@click.option("--persistent", is_flag=True, help="Subscribers whose sessions outlive their connections.")
@click.option("--retain", is_flag=True, help="Publish retained messages.")
@click.option(
    "--until-acked", is_flag=True, help="A message stays in its window until the broker has acknowledged it as well."
)
@click.option("--at", default="", help="host:port,… to spread connections over, instead of -h and -p.")
@click.option("--publishers-at", default="", help="host:port,… to spread publishers over, instead of --at.")
@click.option("--ack-latency", is_flag=True, help="With --rate: also tell how long publishers wait to be acknowledged.")
@click.option(
    "--spin/--no-spin", default=True, help="With --rate: stay awake to be on time, or sleep and be up to 1 ms late."
)
@click.option("--json", "as_json", is_flag=True, help="The result as one line of JSON on stdout.")
@click.option("--progress/--no-progress", default=None, help="A line a second on stderr (default: on a terminal).")
def main(
    mode: str, host: str, port: int, protocol: str, qos: int, clients: int, size: int, window: int, rate: float,
    duration: float, messages: int, warmup: float, drain: float, topic: str, client_id: str, username: str | None,
    password: str | None, keep_alive: int, subscribe: bool, hold: float, in_flight: int, timeout: float,
    persistent: bool, retain: bool, until_acked: bool, at: str, publishers_at: str, ack_latency: bool,
    spin: bool, as_json: bool, progress: bool | None,
) -> None:  # fmt: skip
    """Entry point of the console script."""
    try:
        plan = Plan(
            mode, host, port, _PROTOCOL_NAMES[protocol], qos, clients, size, window, rate, duration, messages, warmup,
            drain, topic, client_id, username, password, keep_alive, subscribe, hold, in_flight, timeout,
            persistent, retain, until_acked, addresses(at), addresses(publishers_at), ack_latency, spin,
        )  # fmt: skip
        plan.check()
    except PlanError as error:
        raise click.UsageError(str(error)) from error
    live = sys.stderr.isatty() if progress is None else progress
    try:
        result = run(plan, _live_line if live else _silent)
    except KeyboardInterrupt:
        click.echo("rmq-bench: interrupted", err=True)
        sys.exit(130)
    if live and sys.stderr.isatty():
        click.echo("\r\x1b[K", nl=False, err=True)
    click.echo(result.as_json() if as_json else result.as_text())
    if as_json and result.error:
        click.echo(f"rmq-bench: {result.error}", err=True)
    sys.exit(result.exit_code())


def _live_line(line: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{line}", nl=False, err=True)
    else:
        click.echo(line, err=True)


def _silent(_line: str) -> None:
    pass


if __name__ == "__main__":
    main()
