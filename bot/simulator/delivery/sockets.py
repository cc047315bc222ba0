"""Socket Mode: tickets, at most ten sockets, one random socket for each payload, acknowledgements."""

import asyncio
import json
import time
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from bot.simulator.delivery.deliver import Ack, Delivery, Undelivered
from bot.simulator.delivery.faults import Faults
from bot.simulator.workspace.state import APP_ID, Workspace

MOST_SOCKETS = 10
CONNECTION_SECONDS = 3600
SOCKET_REASONS = {"http_timeout": "timeout", "": ""}


class Socket:
    def __init__(self, ws: web.WebSocketResponse, request: web.Request) -> None:
        self.ws = ws
        self.waiting: dict[str, asyncio.Future[Any]] = {}
        self.late: set[str] = set()
        self._request = request

    def settle(self, frame: dict[str, Any]) -> str | None:
        """Returns a sentence where the frame is no answer."""
        envelope_id = frame.get("envelope_id")
        if not isinstance(envelope_id, str):
            return "a frame without an envelope_id"
        future = self.waiting.pop(envelope_id, None)
        if future and not future.done():
            future.set_result(frame.get("payload"))
            return None
        return "acknowledged after more than three seconds" if envelope_id in self.late else "unknown envelope_id"

    def lose(self) -> None:
        for future in self.waiting.values():
            if not future.done():
                future.set_exception(Undelivered("connection_lost"))

    def cut(self) -> None:
        """Without a close frame, as a broken network does."""
        if transport := self._request.transport:
            transport.abort()


class Sockets:
    name = "socket"

    def __init__(self, workspace: Workspace, faults: Faults, ack_seconds: float) -> None:
        self._ack_seconds = ack_seconds
        self._workspace = workspace
        self._faults = faults
        self._tickets: set[str] = set()
        self._open: list[Socket] = []
        self._somebody = asyncio.Event()
        self._envelopes = 0

    @property
    def count(self) -> int:
        return len(self._open)

    def new_ticket(self) -> str:
        ticket = self._workspace.new_hex(16**32, 32)
        self._tickets.add(ticket)
        return ticket

    async def wait_for_route(self) -> bool:
        return await self._somebody.wait()

    async def hand_over(self, delivery: Delivery) -> Ack:
        if not self._open:
            raise Undelivered("connection_failed")
        socket = self._workspace.random.choice(self._open)
        envelope = self._envelope(delivery)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        socket.waiting[envelope["envelope_id"]] = future
        started = time.perf_counter()
        await self._send(socket, envelope)
        payload = await self._answer(socket, envelope["envelope_id"], future)
        return Ack(payload, (time.perf_counter() - started) * 1000)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=403, text="This ticket was used or never issued.")
        self._tickets.discard(ticket)
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        if len(self._open) < MOST_SOCKETS:
            await self._keep(Socket(ws, request))
            return ws
        self._workspace.violation("more than ten sockets")
        await ws.send_json({"type": "disconnect", "reason": "too_many_websockets"})
        await ws.close()
        return ws

    async def disconnect(self, reason: str) -> None:
        if self._open:
            socket = self._workspace.random.choice(self._open)
            self._forget(socket)
            await socket.ws.send_json({"type": "disconnect", "reason": reason, "debug_info": {"host": "simulator"}})
            await socket.ws.close()

    def drop(self, how_many: int) -> int:
        doomed = self._workspace.random.sample(self._open, min(how_many, len(self._open)))
        for socket in doomed:
            self._forget(socket)
            socket.cut()
        return len(doomed)

    async def close(self) -> None:
        for socket in list(self._open):
            self._forget(socket)
            await socket.ws.close(code=WSCloseCode.GOING_AWAY)

    def _envelope(self, delivery: Delivery) -> dict[str, Any]:
        self._envelopes += 1
        envelope: dict[str, Any] = {
            "envelope_id": f"{self._envelopes:08x}-{self._workspace.random.randrange(16**12):012x}",
            "type": delivery.sort,
            "payload": delivery.payload,
            "accepts_response_payload": delivery.sort != "events_api",
        }
        if delivery.sort == "events_api":
            reason = SOCKET_REASONS.get(delivery.reason, "connection_failed")
            envelope |= {"retry_attempt": delivery.attempt, "retry_reason": reason}
        return envelope

    async def _send(self, socket: Socket, envelope: dict[str, Any]) -> None:
        try:
            await socket.ws.send_str(json.dumps(envelope))
        except ConnectionError as problem:
            self._forget(socket)
            raise Undelivered("connection_lost") from problem
        if self._faults.take_delivery("drop_socket"):
            self._forget(socket)
            socket.cut()

    async def _answer(self, socket: Socket, envelope_id: str, future: asyncio.Future[Any]) -> Any:
        try:
            return await asyncio.wait_for(future, self._ack_seconds)
        except TimeoutError as problem:
            socket.late.add(envelope_id)
            raise Undelivered("http_timeout") from problem
        finally:
            socket.waiting.pop(envelope_id, None)

    async def _keep(self, socket: Socket) -> None:
        self._open.append(socket)
        self._somebody.set()
        self._workspace.record("socket", event="open", open=self.count)
        try:
            await socket.ws.send_json(self._hello())
            async for message in socket.ws:
                if message.type is WSMsgType.TEXT:
                    self._read(socket, message.data)
        except ConnectionError:
            return  # the line broke; the finally clause below is all there is to do
        finally:
            self._forget(socket)
            self._workspace.record("socket", event="closed", open=self.count)

    def _hello(self) -> dict[str, Any]:
        return {
            "type": "hello",
            "num_connections": self.count,
            "connection_info": {"app_id": APP_ID},
            "debug_info": {"host": "simulator", "approximate_connection_time": CONNECTION_SECONDS},
        }

    def _read(self, socket: Socket, text: str) -> None:
        try:
            frame = json.loads(text)
        except ValueError:
            frame = None
        problem = socket.settle(frame) if isinstance(frame, dict) else "a frame that is no JSON object"
        if problem:
            self._workspace.violation(f"socket: {problem}")

    def _forget(self, socket: Socket) -> None:
        if socket in self._open:
            self._open.remove(socket)
        if not self._open:
            self._somebody.clear()
        socket.lose()
