"""Raw ceilings: what RabbitMQ and pika do without causalkv, one message per write.

A durable fanout with three durable classic queues, persistent messages of 200 bytes, confirms on with a window of 1000,
one publishing and three consuming processes on SelectConnection: the fastest plain way to use pika.
"""

from __future__ import annotations

import multiprocessing
import secrets
import struct
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import pika

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

BODY_BYTES = 200
WINDOW_MESSAGES = 1000
CONSUMERS = 3
PREFETCH_MESSAGES = 500
ACK_EVERY = 100
_STAMP = struct.Struct("<q")


def throughput(url: str, messages: int) -> float:
    """Messages a second until all three consumers have all of them."""
    elapsed, _ = _run(url, messages, rate_per_second=None)
    return messages / elapsed


def one_hop_seconds(url: str, messages: int, rate_per_second: float) -> list[float]:
    """Time from publish to receipt of each message at one consumer, at a steady rate."""
    _, latencies = _run(url, messages, rate_per_second)
    return latencies


def _run(url: str, messages: int, rate_per_second: float | None) -> tuple[float, list[float]]:
    exchange = f"raw-{secrets.token_hex(4)}"
    queues = [f"{exchange}.{n}" for n in range(CONSUMERS)]
    _declare(url, exchange, queues)
    context = multiprocessing.get_context("spawn")
    results: Queue[tuple[float, list[float]]] = context.Queue()
    consumers = [context.Process(target=_consume, args=(url, queue, messages, results)) for queue in queues]
    for consumer in consumers:
        consumer.start()
    _wait_for_consumers(url, queues)
    began = time.monotonic()
    publisher = context.Process(target=_publish, args=(url, exchange, messages, rate_per_second))
    publisher.start()
    found = [results.get(timeout=300) for _ in consumers]
    for process in (*consumers, publisher):
        process.join()
    _delete(url, exchange, queues)
    # The publisher's start-up is no part of the rate: its first stamp counts.
    first_stamp = min(latencies[0] for _, latencies in found)
    return max(ended for ended, _ in found) - max(began, first_stamp), found[0][1][1:]


def _declare(url: str, exchange: str, queues: list[str]) -> None:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.exchange_declare(exchange, "fanout", durable=True)
        for queue in queues:
            channel.queue_declare(queue, durable=True)
            channel.queue_bind(queue, exchange)


def _delete(url: str, exchange: str, queues: list[str]) -> None:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        for queue in queues:
            channel.queue_delete(queue)
        channel.exchange_delete(exchange)


def _wait_for_consumers(url: str, queues: list[str]) -> None:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        while any(channel.queue_declare(queue, passive=True).method.consumer_count == 0 for queue in queues):
            time.sleep(0.02)


def _consume(url: str, queue: str, messages: int, results: Any) -> None:
    latencies: list[float] = []

    def received(channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        stamp = _STAMP.unpack_from(body)[0] / 1e9
        now = time.monotonic()
        if not latencies:
            latencies.append(stamp)
        latencies.append(now - stamp)
        if method.delivery_tag % ACK_EVERY == 0 or method.delivery_tag == messages:
            channel.basic_ack(method.delivery_tag, multiple=True)
        if method.delivery_tag == messages:
            results.put((now, latencies))
            channel.connection.close()

    def opened(channel: Any) -> None:
        channel.basic_qos(prefetch_count=PREFETCH_MESSAGES)
        channel.basic_consume(queue, received)

    _connect(url, opened)


def _publish(url: str, exchange: str, messages: int, rate_per_second: float | None) -> None:
    properties = pika.BasicProperties(delivery_mode=2, content_type="application/json")
    filler = b"x" * (BODY_BYTES - _STAMP.size)
    state = {"sent": 0, "confirmed": 0}
    due: deque[float] = deque()

    def send(channel: Any) -> None:
        # At a steady rate the clock decides, not the window.
        window = messages if rate_per_second is not None else WINDOW_MESSAGES
        while state["sent"] < messages and state["sent"] - state["confirmed"] < window:
            if due and time.monotonic() < due[0]:
                channel.connection.ioloop.call_later(due[0] - time.monotonic(), lambda: send(channel))
                return
            if due:
                due.popleft()
            channel.basic_publish(exchange, "", _STAMP.pack(time.monotonic_ns()) + filler, properties)
            state["sent"] += 1

    def opened(channel: Any) -> None:
        def confirmed(frame: Any) -> None:
            tag = frame.method.delivery_tag
            state["confirmed"] = max(state["confirmed"], tag) if frame.method.multiple else state["confirmed"] + 1
            if state["confirmed"] >= messages:
                channel.connection.close()
            elif rate_per_second is None:
                send(channel)

        channel.confirm_delivery(confirmed)
        if rate_per_second is not None:
            start = time.monotonic() + 0.2
            due.extend(start + n / rate_per_second for n in range(messages))
        send(channel)

    _connect(url, opened)


def _connect(url: str, opened: Any) -> None:
    """Open a channel on a SelectConnection and run until it is closed."""
    connection = pika.SelectConnection(
        pika.URLParameters(url),
        on_open_callback=lambda opened_connection: opened_connection.channel(on_open_callback=opened),
        on_close_callback=lambda closed, _reason: closed.ioloop.stop(),
    )
    connection.ioloop.start()
