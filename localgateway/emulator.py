"""Puts an emulated stage together: engine, resources, app, gateway, server and event sources."""

import asyncio
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Collection, Iterator, Mapping, MutableMapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from localgateway import callbacks, environment, projects, sources
from localgateway.authorizers import Authorizer
from localgateway.engine import ACCESS_KEY, REGION, SECRET_KEY, Engine, MotoEngine, RemoteEngine
from localgateway.events import Api
from localgateway.gateway import Gateway
from localgateway.limits import Beliefs, Limits
from localgateway.rest import RestGateway
from localgateway.runtime import Runtime
from localgateway.server import Server, listen
from localgateway.stacks import create_stack

# Nothing listens on the discard port: what has no engine fails at once, and never reaches AWS.
_NOWHERE = "http://127.0.0.1:9"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line sets; cli.py documents each."""

    app: Path = Path()
    stage: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    engine: str = "moto"
    template: Path | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    partial_batch_failures: Collection[str] = ()
    authorizer: Authorizer | None = None
    events: bool = True
    limits: Limits = field(default_factory=Limits)
    beliefs: Beliefs = field(default_factory=Beliefs)


class _NoEngine(Engine):
    url = _NOWHERE


def run(options: Options) -> int:
    """Serve until SIGINT or SIGTERM, then stop everything that was started.

    Raises:
        LocalGatewayError: Something the user can mend.
    """
    started = time.monotonic()
    directory = options.app.resolve()
    config = projects.configure(directory, options.stage)
    with ExitStack() as stack:
        listener = stack.enter_context(listen(options.host, options.port))
        engine = stack.enter_context(start_engine(options.engine))
        api = _api(options.host, listener, projects.api_stage(config))
        isolate(os.environ, engine.url, api)
        if options.template is not None:
            parameters = {"Stage": config.chalice_stage, **options.parameters}
            name = f"{config.app_name}-{config.chalice_stage}"
            create_stack(engine, options.template, parameters, stack_name=name, region=api.region)
        gateway = Gateway(
            api, authorizer=options.authorizer, limits=options.limits, beliefs=options.beliefs
        )
        stack.enter_context(callbacks.intercepted(gateway))
        # Before the app is imported, which may keep what it finds as os.environ.
        environ = environment.FunctionEnviron(os.environ)
        stack.enter_context(environment.replaced(environ, {}))
        os.chdir(directory)
        project = projects.load(directory, config)
        if options.authorizer is not None:
            options.authorizer.verify(project.functions)
        gateway.deploy(set(project.app.websocket_handlers))
        stack.enter_context(callbacks.attached(project.app, gateway))
        runtime = Runtime(project.functions, region=api.region, scope=environ.scoped)
        stack.callback(runtime.close)
        events = sources.find(
            project.app,
            invoker=runtime,
            client=engine.client,
            region=api.region,
            stage=project.stage,
            timeouts={name: it.timeout for name, it in project.functions.items()},
            partial_batch_failures=options.partial_batch_failures,
        )
        stack.callback(events.stop)

        def ready() -> None:
            if options.events:
                events.start()
            addresses = _addresses(api, engine, options)
            _announce(addresses, project.stage, events, time.monotonic() - started)

        server = Server(gateway, runtime, RestGateway(project, runtime), ready=ready)
        _raise_file_limit()
        with _handlers_restored(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(server, listener))
    return 0


def start_engine(engine: str) -> Engine:
    """Start moto, or find what runs already; `none` is an engine that refuses everything.

    Raises:
        EngineError: It does not start, or does not answer.
    """
    if engine == "moto":
        return MotoEngine.start()
    return _NoEngine() if engine == "none" else RemoteEngine(engine)


def isolate(environ: MutableMapping[str, str], engine: str, api: Api) -> None:
    """Point the AWS SDKs of this process at the engine and at the gateway, and nowhere else.

    Profiles, roles and endpoints of the user's shell are set aside. So are the credentials, except
    for an engine on another machine, which may want them.
    """
    kept = {"AWS_REGION", "AWS_DEFAULT_REGION"}
    elsewhere = urlsplit(engine).hostname not in _LOOPBACK
    if elsewhere and {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= set(environ):
        kept |= {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
    for name in [name for name in environ if name.startswith("AWS_") and name not in kept]:
        del environ[name]
    environ.setdefault("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    environ.setdefault("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    # Neither the engine nor the gateway is behind the proxy that http_proxy may name.
    direct = [urlsplit(url).hostname for url in (engine, f"//{api.domain_name}")]
    for name in ("NO_PROXY", "no_proxy"):
        environ[name] = ",".join(host for host in (environ.get(name), *direct) if host)
    here = f"http://{api.domain_name}"
    environ.update(
        {
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_REGION": api.region,
            "AWS_DEFAULT_REGION": api.region,
            "AWS_ENDPOINT_URL": engine,
            "AWS_ENDPOINT_URL_LAMBDA": here,
            "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": f"{here}/{api.stage}",
        }
    )


async def _serve(server: Server, listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def interrupt() -> None:
        if stop.is_set():  # the second Ctrl-C: not another moment
            os._exit(130)
        stop.set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, interrupt)
    await server.serve(listener, stop)


@contextmanager
def _handlers_restored() -> Iterator[None]:
    """Hear signals after the loop too: uvloop's handlers stay, and are deaf once it is closed."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _api(host: str, listener: socket.socket, stage: str) -> Api:
    # An address to listen on, like 0.0.0.0, is not always one to connect to.
    reachable = "127.0.0.1" if host in ("", "0.0.0.0", "::") else host
    reachable = f"[{reachable}]" if ":" in reachable else reachable
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or REGION
    port = listener.getsockname()[1]
    return Api(domain_name=f"{reachable}:{port}", stage=stage, region=region)


def _announce(addresses: list[str], stage: str, events: sources.Sources, elapsed: float) -> None:
    lines = [
        f"Ready in {elapsed:.1f} s, stage {stage}. Ctrl-C stops everything.",
        *addresses,
        *(f"  not emulated: {trigger}" for trigger in events.unsupported),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _addresses(api: Api, engine: Engine, options: Options) -> list[str]:
    lines = [
        f"  http       http://{api.domain_name}/",
        f"  websocket  ws://{api.domain_name}/{api.stage}",
        f"  engine     {engine.url if engine.url != _NOWHERE else 'none'}",
    ]
    if (authorizer := options.authorizer) is not None:
        lines.append(
            f"  authorizer {', '.join((authorizer.function, *authorizer.identity_sources))}"
        )
    if not options.events:
        lines.append("  events     none run here")
    return lines


def _raise_file_limit() -> None:
    """Allow as many sockets as the system lets this process have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS calls its limit infinite and refuses that
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
