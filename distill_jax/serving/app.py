"""The ASGI application: paths → answers, each within the limits, counted and logged."""

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

from distill_jax.errors import InputError
from distill_jax.serving.batches import Batches
from distill_jax.serving.bodies import JSON, LINES, PLAIN, texts_of_json, texts_of_lines
from distill_jax.serving.http import Receive, Request, Response, Scope, Send, json_response, refusal
from distill_jax.serving.limits import ClientGone, Limits, Refused, too_busy
from distill_jax.serving.logs import log, log_fault
from distill_jax.serving.metrics import MEDIA_TYPE, Metrics
from distill_jax.serving.models import Model
from distill_jax.serving.openapi import openapi
from distill_jax.serving.pages import HTML, PAGE_HEADERS, own_page, paths_page
from distill_jax.serving.streams import answers

_Handler = Callable[[Request], Awaitable[Response]]
_COUNTED_EVERY = 1.0  # seconds
_GONE = 499


class App:
    """Serves students; ``/predict`` is the first one's, ``/models/NAME/predict`` each one's.

    Attributes:
        draining: it is about to end, and takes no new clients.
        limits: what a client may ask for.

    Args:
        models: the students, at least one.
        limits: what a client may ask for.
        metrics: what counts; None = an own one, of this process.
        log_requests: write a line for each request.
    """

    def __init__(
        self, models: Sequence[Model], limits: Limits, metrics: Metrics | None = None, *, log_requests: bool = False
    ) -> None:
        self.draining = False
        self._models, self.limits, self._log_requests = models, limits, log_requests
        self._metrics = metrics or Metrics(models)
        self._thread = ThreadPoolExecutor(1, "predict")
        self._one_explains = asyncio.Lock()
        self._under_way, self._streams = 0, 0
        self._own_page: bytes | None = None
        self._routes = {path: (endpoint, method, handler) for path, endpoint, method, handler in self._all_routes()}

    def _all_routes(self) -> list[tuple[str, str, str, _Handler]]:
        names = [model.name for model in self._models]
        document = json.dumps(openapi(self._models, self.limits), ensure_ascii=False).encode()
        docs = Response(paths_page(json.loads(document)).encode(), HTML, headers=PAGE_HEADERS)
        routes: list[tuple[str, str, str, _Handler]] = [
            ("/", "pages", "GET", self._page),
            ("/docs", "pages", "GET", _always(docs)),
            ("/openapi.json", "pages", "GET", _always(Response(document))),
            ("/health", "health", "GET", _always(json_response({"status": "ok"}))),
            ("/ready", "ready", "GET", self._ready),
            ("/metrics", "metrics", "GET", self._metrics_text),
            ("/models", "info", "GET", _always(json_response({"models": names}))),
        ]
        for model in self._models:
            batches = Batches(model, self._thread)
            for prefix in ("", f"/models/{model.name}") if model is self._models[0] else (f"/models/{model.name}",):
                routes += [
                    (f"{prefix}/predict", "predict", "POST", self._predicting(batches)),
                    (f"{prefix}/explain", "explain", "POST", self._explaining(model)),
                    (f"{prefix}/info", "info", "GET", _always(json_response(model.about))),
                ]
        return routes

    def use_row(self, worker: int) -> None:
        """Count as a worker, from 0, of those that were forked."""
        self._metrics.use_row(worker)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as ASGI asks."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._answer(Request(scope, receive, self.limits), send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        counting = asyncio.create_task(self._count())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        counting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await counting
        self._metrics.flush()
        self._thread.shutdown(wait=False, cancel_futures=True)
        await send({"type": "lifespan.shutdown.complete"})

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(_COUNTED_EVERY)
            self._metrics.flush()

    async def _answer(self, request: Request, send: Send) -> None:
        started, endpoint, status = perf_counter(), "none", _GONE
        self._metrics.begin()
        try:
            endpoint, response = await self._response(request)
            status = response.status
            await response.send(send, with_body=request.method != "HEAD")
        except ClientGone:
            status = _GONE
        except Exception:  # of a stream that has begun: uvicorn ends the connection and logs where it came from
            status = 500
            raise
        finally:
            seconds = perf_counter() - started
            self._metrics.end(endpoint, status, seconds)
            if self._log_requests:
                milliseconds = round(1_000 * seconds, 2)
                log("request", method=request.method, path=request.path, status=status, milliseconds=milliseconds)

    async def _response(self, request: Request) -> tuple[str, Response]:
        endpoint = "none"
        try:
            endpoint, handler = self._route(request)
            return endpoint, await handler(request)
        except Refused as refused:
            return endpoint, refusal(refused)
        except ClientGone:
            raise
        except InputError as error:
            return endpoint, refusal(Refused(422, str(error)))
        except Exception as error:  # noqa: BLE001 - a fault of ours is an answer too, and the worker lives on
            log_fault(error, path=request.path)
            return endpoint, refusal(Refused(500, "server: a fault of ours; its log says where"))

    def _route(self, request: Request) -> tuple[str, _Handler]:
        if request.path not in self._routes:
            raise Refused(404, f"{request.path[:100]}: there is no such path; /docs lists them")
        endpoint, method, handler = self._routes[request.path]
        allowed = ("GET", "HEAD") if method == "GET" else (method,)
        if request.method not in allowed:
            sentence = f"{request.path[:100]}: expected the method {method}, got {request.method[:20]}"
            raise Refused(405, sentence, {"Allow": ", ".join(allowed)})
        return endpoint, handler

    async def _ready(self, request: Request) -> Response:
        del request
        if self.draining:
            return json_response({"status": "draining"}, 503)
        return json_response({"status": "ready"})

    async def _page(self, request: Request) -> Response:
        """Return the first student's own page, or, where a page cannot compute it, one that asks this server."""
        del request
        if self._own_page is None:
            self._own_page = (await self._beside(own_page, self._models)).encode()
        return Response(self._own_page, HTML, headers=PAGE_HEADERS)

    async def _beside(self, work: Callable[..., Any], *arguments: object) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    async def _metrics_text(self, request: Request) -> Response:
        del request
        return Response(self._metrics.text().encode(), MEDIA_TYPE)

    def _predicting(self, batches: Batches) -> _Handler:
        async def predict(request: Request) -> Response:
            kind = request.media_type((JSON, PLAIN, LINES))
            self._require_room()
            if kind == LINES:
                if request.http_version == "1.0":
                    raise Refused(505, f"Content-Type: {LINES} is answered over HTTP/1.1, got HTTP/1.0; send {JSON}")
                if self._streams >= self.limits.max_streams:
                    raise too_busy(f"{self._streams} streams")
                return Response(self._streamed(request, batches), LINES)
            with self._admitted():
                body = await request.body()
                if kind == PLAIN:
                    lines = await batches.answer(texts_of_lines(body, self.limits))
                    return Response("".join(f"{line}\n" for line in lines).encode(), LINES)
                lines = await batches.answer(texts_of_json(body, self.limits))
                return Response(f'{{"predictions": [{", ".join(lines)}]}}'.encode())

        return predict

    def _explaining(self, model: Model) -> _Handler:
        limits = dataclasses.replace(self.limits, max_texts=self.limits.max_explained)

        async def answer(request: Request) -> Response:
            request.media_type((JSON,))
            self._require_room()
            with self._admitted():
                texts, found = texts_of_json(await request.body(), limits), []
                async with request.watched() as require_there:
                    for text in texts:
                        async with self._one_explains:  # predictions that need the thread wait for one text at most
                            require_there()
                            found.append(await self._beside(_explanation, model, text))
                return json_response({"explanations": found})

        return answer

    async def _streamed(self, request: Request, batches: Batches) -> AsyncGenerator[bytes]:
        self._streams += 1
        try:
            with self._admitted():  # until the stream's end
                async for part in answers(request.parts(), batches, self.limits):
                    yield part
        finally:
            self._streams -= 1

    def _require_room(self) -> None:
        if self._under_way >= self.limits.max_under_way:
            raise too_busy(f"{self._under_way} requests")

    @contextlib.contextmanager
    def _admitted(self) -> Iterator[None]:
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1


def _explanation(model: Model, text: str) -> dict[str, Any]:
    (explanation,) = model.predictor.explain([text])
    return explanation.to_json()


def _always(response: Response) -> _Handler:
    async def handler(request: Request) -> Response:
        del request
        return response

    return handler
