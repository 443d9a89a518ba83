"""The parts of docs/performance.md: what each runs, and how its figures are shown."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from bench import comparison, imports, package, room
from bench.comparison import BARE, GATEWAY, SEQUENCE, THREADS
from bench.plot import bars, chart

Lines: TypeAlias = Sequence[Mapping[str, Any]]
Rendered: TypeAlias = tuple[str, Mapping[str, str]]

_POSTS = {
    "crt": "CrtGateway over HTTP",
    "app": "`app.websocket_api.send`",
    "boto3": "boto3, 32 threads",
}
_SOCKETS = ("500", "2000")
_RATES = "5,20,40,60,80,100,120,140,160"
_BACKOFFS = "5/50,5/100,10/500"
_LONG = ("--seconds", "20")
# What was set out to be reached: at most, or at least.
_AIMS = {
    "wall, gateway / bare sockets": "at most 1.25",
    "CPU, gateway / bare sockets": "at most 2",
    "wall, 32 threads / gateway": "at least 5",
    "wall, sequence / gateway": "at least 50",
    "CPU, 32 threads / gateway": "at least 8",
    "CPU, sequence / gateway": "at least 8",
    "p99 of the others, with / without": "at most 1.2",
}


class Part(NamedTuple):
    """Modules of bench with their arguments, and what makes Markdown and plots of their lines."""

    commands: Sequence[Sequence[str]]
    render: Callable[[Sequence[Lines]], Rendered]


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, cells))} |" for cells in lines)


def _startup(measured: Sequence[Lines]) -> Rendered:
    [[result]] = measured
    runs = ", ".join(f"{seconds:.2f}" for seconds in result["seconds"])
    return table(["runs, s", "median, s"], [[runs, f"**{result['median']:.2f}**"]]), {}


def _gateway(measured: Sequence[Lines]) -> Rendered:
    rows = [
        [
            _POSTS[result["server"].rpartition(" ")[2]],
            f"{result['sockets']:,}",
            f"{result['connects_per_s']:,.0f}",
            f"{result['last_recipient_ms_median']:,.0f} ms",
            f"{result['deliveries_per_s']:,.0f}",
            f"{result['server_peak_mb'] or 0:,.0f} MB",
        ]
        for [result] in measured
    ]
    head = ["the handler posts with", "sockets", "connects/s", "last recipient", "deliveries/s"]
    return table([*head, "memory"], rows), {}


def _fanout(measured: Sequence[Lines]) -> Rendered:
    [tcp], [tls] = measured
    ratios = [
        [name, _AIMS.get(name, ""), f"{tcp['ratios'][name]:.2f}", f"{tls['ratios'][name]:.2f}"]
        for name in tcp["ratios"]
    ]
    text = "\n\n".join(
        [
            "Over TCP:",
            comparison.report(tcp, ratios=False),
            "Over TLS, from another run:",
            comparison.report(tls, ratios=False),
            table(["ratio", "aim", "TCP", "TLS"], ratios),
            "![What each way takes over TCP](images/fanout.svg)",
        ]
    )
    return text, {"fanout.svg": _fanout_plot(tcp["ways"])}


def _fanout_plot(ways: Mapping[str, Any]) -> str:
    order = (SEQUENCE, THREADS, GATEWAY, BARE)
    return bars(
        {
            "until 1,000 posts are answered, ms": {it: ways[it]["wall_ms"] for it in order},
            "CPU of a post, us": {it: ways[it]["cpu_us_per_post"] for it in order},
        }
    )


def _faults(measured: Sequence[Lines]) -> Rendered:
    [[result]] = measured
    rows = [
        [
            name,
            f"{row['wall_ms']:,.0f} ms",
            f"{row['p99_ms']:,.0f} ms",
            comparison.counted(row["outcomes"]),
            *(comparison.counted(row["faulty"].get(fault, {})) for fault in comparison.FAULTS),
        ]
        for name, row in result["ways"].items()
    ]
    head = ["recipients", "wall", "p99 of the others", "the others", *comparison.FAULTS]
    ratios = [[name, _AIMS[name], f"{it:.2f}"] for name, it in result["ratios"].items()]
    return f"{table(head, rows)}\n\n{table(['ratio', 'aim', 'measured'], ratios)}", {}


def _room(measured: Sequence[Lines]) -> Rendered:
    [[result]] = measured
    lines = {
        name: [(row["recipients"], row[field]) for row in result["rooms"]]
        for name, field in (
            ("the last recipient has it", "last_ms"),
            ("the same posts over bare sockets", "bare_ms"),
            ("the author has the ack", "ack_ms"),
        )
    }
    plot = chart(lines, across="recipients", up="after so many ms", logarithmic=True)
    picture = "![When the ack and the last recipient are served](images/room.svg)"
    return f"{room.report(result)}\n\n{picture}", {"room.svg": plot}


def _imports(measured: Sequence[Lines]) -> Rendered:
    [[result]] = measured
    return imports.report(result), {}


def _package(measured: Sequence[Lines]) -> Rendered:
    [[result]] = measured
    return package.report(result), {}


def _transactions(measured: Sequence[Lines]) -> Rendered:
    [lines] = measured
    rows = [
        [f"{it['items']:,}", f"{it['moto_ms']:g} ms", f"{it['localgateway_ms']:g} ms"]
        for it in lines
    ]
    return table(["items in the table", "moto", "localgateway"], rows), {}


def _requests(measured: Sequence[Lines]) -> Rendered:
    [lines] = measured
    rows = [
        [it["action"], it["requests"], f"{it['wcu']:g}", f"{it['rcu']:g}", it["posts"]]
        for it in lines
    ]
    return table(["action", "DynamoDB requests", "WCU", "RCU", "posts"], rows), {}


def _arrivals(measured: Sequence[Lines]) -> Rendered:
    offered, read_first = measured
    ours = offered[0]["backoff"]
    compared = [it for it in offered if it["load"] in {100, 160}]
    trusting = [it for it in offered if it["backoff"] == ours]
    text = "\n\n".join(
        [
            f"The server's backoff, {ours}:",
            table(["offered/s", *_APPENDS], ([it["load"], *_appends(it)] for it in trusting)),
            "![How long an append takes by the rate of messages](images/append.svg)",
            "Three backoffs:",
            table(
                ["offered/s", "backoff", *_APPENDS],
                ([it["load"], it["backoff"], *_appends(it)] for it in compared),
            ),
            "With `--read-first`, functions that never trust their memory of where the room ends:",
            table(["offered/s", *_APPENDS], ([it["load"], *_appends(it)] for it in read_first)),
        ]
    )
    return text, {"append.svg": _append_plot(offered)}


def _writers(measured: Sequence[Lines]) -> Rendered:
    rows = [
        [it["load"], pause, *_appends(it)]
        for pause, lines in zip(("15 ms", "none"), measured, strict=True)
        for it in lines
    ]
    return table(["writers", "pause", *_APPENDS], rows), {}


_APPENDS = ("messages/s", "cancelled", "p50 ms", "p99 ms", "refused")


def _appends(it: Mapping[str, Any]) -> list[object]:
    names = ("acknowledged_per_second", "cancelled_per_message", "p50_ms", "p99_ms", "unavailable")
    return [it[name] for name in names]


def _append_plot(offered: Lines) -> str:
    lines: dict[str, list[tuple[float, float]]] = {}
    for it in offered:
        for which in ("p99", "p50"):
            name = f"{which}, backoff {it['backoff']} ms"
            lines.setdefault(name, []).append((it["load"], it[f"{which}_ms"]))
    return chart(lines, across="messages offered to one room, a second", up="an append takes, ms")


def _flood(measured: Sequence[Lines]) -> Rendered:
    rows = [
        [
            number,
            *(f"{it[name]:,.1f} ms" for name in ("calm_p50_ms", "calm_p99_ms")),
            *(f"{it[name]:,.1f} ms" for name in ("flood_p50_ms", "flood_p99_ms")),
            f"{it['ratio_p50']:.2f}",
            it["errors"],
            f"{it['flood_refused']:,} of {it['flood_frames']:,}",
        ]
        for number, [it] in enumerate(measured, 1)
    ]
    head = ["run", "without the flood, p50", "p99", "with it, p50", "p99", "ratio of the p50s"]
    return table([*head, "errors of the nine", "refused of the flood"], rows), {}


PARTS: Mapping[str, Part] = {
    "startup": Part([["startup"]], _startup),
    "imports": Part([["imports"]], _imports),
    "package": Part([["package"]], _package),
    "gateway": Part(
        [
            ["gateway", "--sockets", sockets, "--broadcasts", "5", "--post", post]
            for sockets in _SOCKETS
            for post in _POSTS
        ],
        _gateway,
    ),
    "fanout": Part(
        [["fanout", "--repetitions", "9"], ["fanout", "--tls", "--repetitions", "7"]], _fanout
    ),
    "faults": Part([["fanout", "--faults", "--repetitions", "7"]], _faults),
    "room": Part([["room"]], _room),
    "transactions": Part([["transactions"]], _transactions),
    "requests": Part([["requests"]], _requests),
    "arrivals": Part(
        [
            ["append", *_LONG, "--rates", _RATES, "--backoff", _BACKOFFS],
            ["append", *_LONG, "--rates", "5,20,60", "--read-first"],
        ],
        _arrivals,
    ),
    "writers": Part([["append", *_LONG], ["append", *_LONG, "--pause-ms", "0"]], _writers),
    "flood": Part([["flood"]] * 3, _flood),
}
