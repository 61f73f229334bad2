"""The users of a service: ask it about the flights of a month, one after the other, and count what gets no answer.

usage: ask.py URL MONTH RATE        reads data/year; RATE is in requests a second
       ask.py - MONTH N             prints N such requests, to warm a server up

It goes on until it is told to end (TERM), then says how many it asked and how long they took, and ends with status 1 if one was lost:
no answer, or one that is not a probability. It never asks twice.
"""

import http.client
import json
import queue
import signal
import sys
import threading
import time
import urllib.parse

import pandas

from train import CATEGORIES, NUMBERS, read

WORKERS = 8


def questions(month):
    flights = read("data/year")
    flights = flights[flights["month"] == month].sample(frac=1, random_state=13)  # users ask about any day
    rows = flights[CATEGORIES + NUMBERS].astype(object).where(flights[CATEGORIES + NUMBERS].notna(), None)
    return [(flight, json.dumps({"instances": [row]})) for flight, row in zip(rows.index, rows.to_dict("records"))]


def main(url, month, rate):
    asked = questions(month)
    due, took, lost, ended = queue.Queue(), [], [], []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))  # no lock is taken: the main thread may hold it just then

    def rest(until=float("inf")):
        while not ended and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))

    def work():
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=30)
        while (item := due.get()) is not None:
            flight, body = item
            started = time.monotonic()
            try:
                connection.request("POST", "/predict", body, {"Content-Type": "application/json", "X-Request-Id": str(flight)})
                answer = connection.getresponse()
                said = json.loads(answer.read())
                if answer.status != 200 or not 0 <= said["predictions"][0] <= 1:
                    lost.append(f"{answer.status} {said}")
            except (OSError, ValueError, http.client.HTTPException) as why:
                connection.close()
                lost.append(repr(why))
            took.append(time.monotonic() - started)

    workers = [threading.Thread(target=work) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    begun = time.monotonic()
    for n, item in enumerate(asked):
        rest(begun + n / rate)
        if ended:
            break
        due.put(item)
    rest()
    for _ in workers:
        due.put(None)
    for worker in workers:
        worker.join()
    took = pandas.Series(took)
    print(f"asked {len(took)}, lost {len(lost)}; half within {took.median() * 1000:.0f} ms, 99 of 100 within {took.quantile(.99) * 1000:.0f} ms")
    for why in lost[:5]:
        print(why)
    return 1 if lost else 0


if __name__ == "__main__":
    if sys.argv[1] == "-":
        for _, body in questions(int(sys.argv[2]))[:int(sys.argv[3])]:
            print(body)
        sys.exit(0)
    sys.exit(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
