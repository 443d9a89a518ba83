"""Runs Lambda functions: concurrency, timeouts, context and environment as Lambda has them."""

import json
import logging
import re
import threading
import time
import traceback
from asyncio import CancelledError
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from chalice.local import LambdaContext

from localgateway import journal
from localgateway.functions import Function, FunctionError, Invocation

_LOG = logging.getLogger(__name__)

# Lambda's default quota of concurrent executions of an account.
ACCOUNT_CONCURRENCY = 1000

# Of a name: `arn:aws:lambda:{region}:{account}:function:`, and shorter forms of it.
_QUALIFIERS = re.compile(r"(?:^|:)function:")

Scope = Callable[[Mapping[str, str]], AbstractContextManager[None]]


class Runtime:
    """Invokes the functions of an app in threads.

    A function beyond its reserved concurrency, or an account beyond its quota, is throttled and
    not queued, as on Lambda:
    https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html

    Two things differ from Lambda. All functions share one process, so what a module remembers is
    seen by all of them. And a thread cannot be killed: a handler that has timed out is given up,
    but goes on, and counts against its concurrency, until it returns.
    """

    def __init__(
        self,
        functions: Mapping[str, Function],
        *,
        region: str = "us-east-1",
        scope: Scope | None = None,
        account_concurrency: int = ACCOUNT_CONCURRENCY,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.functions = functions
        self._variables = {name: _variables(each) for name, each in functions.items()}
        self._region = region
        self._scope: Scope = scope or (lambda _variables: nullcontext())
        self._clock = clock
        reserved = {name: f.reserved_concurrency or 0 for name, f in functions.items()}
        self._account = threading.BoundedSemaphore(account_concurrency)
        self._reserved = {
            name: threading.BoundedSemaphore(most) for name, most in reserved.items() if most
        }
        # A thread for whatever is admitted: nothing ever waits in the queue of the pool.
        self._pool = ThreadPoolExecutor(
            account_concurrency + sum(reserved.values()), thread_name_prefix="lambda"
        )

    def find(self, name: str) -> Function | None:
        """Find a function by short name, deployed name or ARN, with or without a qualifier."""
        name = _QUALIFIERS.split(name)[-1].partition(":")[0]
        by_deployed_name = {f.deployed_name: f for f in self.functions.values()}
        return self.functions.get(name) or by_deployed_name.get(name)

    def call(self, name: str, event: Any) -> Invocation:
        """Run a function here and now, in this thread, without a timeout."""
        return self._admitted(name, event) if self._admit(name) else Invocation(throttled=True)

    def submit(
        self, name: str, event: Any, *, then: Callable[[Invocation], None] | None = None
    ) -> "Future[Invocation]":
        """Run a function in a thread of its own.

        Args:
            name: The function's.
            event: Its event.
            then: Called with the outcome, in that thread. An event loop would rather have this
                than wait for the future: to be told by a future takes its lock, which a thread
                that is waiting for the interpreter may hold.
        """
        if self._admit(name):
            return self._pool.submit(self._admitted, name, event, then)
        throttled: Future[Invocation] = Future()
        throttled.set_result(Invocation(throttled=True))
        if then is not None:
            then(throttled.result())
        return throttled

    def invoke(self, name: str, event: Any) -> Invocation:
        """Run a function in a thread of its own and wait for it, at most its timeout."""
        future = self.submit(name, event)
        try:
            return future.result(self.functions[name].timeout)
        except TimeoutError:
            return self.timed_out(name)

    def background(self, work: Callable[..., None], *args: Any) -> None:
        """Run something that outlasts a request in a thread that nobody waits for."""
        threading.Thread(target=work, args=args, daemon=True).start()

    def timed_out(self, name: str) -> Invocation:
        """Give a function up, with the error that Lambda reports."""
        message = f"Task timed out after {self.functions[name].timeout:.2f} seconds"
        _LOG.warning("%-20s %s", name, message)
        return Invocation(error=FunctionError("Sandbox.Timedout", message), timed_out=True)

    def close(self) -> None:
        """Take no more work; handlers that still run are not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _admit(self, name: str) -> bool:
        quota = self._reserved.get(name, self._account)
        if self.functions[name].reserved_concurrency != 0 and quota.acquire(blocking=False):
            return True
        _LOG.warning("%-20s throttled", name)
        return False

    def _admitted(
        self, name: str, event: Any, then: Callable[[Invocation], None] | None = None
    ) -> Invocation:
        try:
            outcome = self._run(self.functions[name], event)
        finally:
            self._reserved.get(name, self._account).release()
        if then is not None:
            then(outcome)
        return outcome

    def _run(self, function: Function, event: Any) -> Invocation:
        started = self._clock()
        with self._scope(self._variables[function.name]):
            try:
                returned = function.handler(event, self._context(function))
            except (Exception, SystemExit, CancelledError) as error:  # noqa: BLE001 - any handler's
                outcome = Invocation(error=_function_error(error))
            else:
                outcome = _serialised(returned)
        elapsed = (self._clock() - started) * 1000
        if _LOG.isEnabledFor(logging.INFO):
            what = journal.summary(event)
            said = outcome.error.type if outcome.error else journal.result(outcome.payload)
            _LOG.info("%-20s %-40s %s, %.1f ms", function.name, what, said, elapsed)
        if outcome.error is not None:
            _LOG.error("%s", outcome.error)
        return outcome

    def _context(self, function: Function) -> LambdaContext:
        context = LambdaContext(
            function.deployed_name, function.memory, max_runtime_ms=int(function.timeout * 1000)
        )
        context.invoked_function_arn = (
            f"arn:aws:lambda:{self._region}:123456789012:function:{function.deployed_name}"
        )
        context.log_group_name = f"/aws/lambda/{function.deployed_name}"
        return context


def _serialised(returned: Any) -> Invocation:
    """Pass the answer through JSON, as Lambda does; what JSON cannot hold is an error there too."""
    try:
        return Invocation(payload=json.loads(json.dumps(returned)))
    except (TypeError, ValueError, RecursionError) as error:
        message = f"Unable to marshal response: {error}"
        return Invocation(error=FunctionError("Runtime.MarshalError", message))


def _function_error(error: BaseException) -> FunctionError:
    # Without the frame of this module, which is not in a stack trace of Lambda's either.
    trace = traceback.format_list(traceback.extract_tb(error.__traceback__)[1:])
    return FunctionError(type(error).__name__, str(error), trace)


def _variables(function: Function) -> dict[str, str]:
    return {
        **function.environment,
        "AWS_LAMBDA_FUNCTION_NAME": function.deployed_name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    }
