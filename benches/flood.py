#!/usr/bin/env python3
"""Measures how long the owner of a console waits for an echo while another client of the same user floods the server.

usage: flood.py VUART ENGINE FLOOD [SECONDS]

VUART is the command, ENGINE is software or kvm, and FLOOD is one of

  none      nobody floods
  toolong   connects, announces a frame of 65,537 bytes, and goes away, in a loop
  input     watches, and sends frames of 65,536 bytes of input without end
  status    asks who is there, without end

The owner types a character each 50 ms, at the monitor of `vuart demo`. The output is one line: how many characters, and the
median, the 90th percentile and the longest time in milliseconds. Compare two commands in turn, on the same machine: the figures
depend on what else it does. docs/guide/reliability.md has some.
"""

import json
import multiprocessing
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time

HELLO, ATTACH, INPUT, STATUS, WELCOME, OUTPUT = 0x01, 0x02, 0x03, 0x06, 0x81, 0x83


def send(console, kind, payload=b""):
    console.sendall(struct.pack("<IB", len(payload), kind) + payload)


def receive(console, count):
    data = b""
    while len(data) < count:
        piece = console.recv(count - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def frame(console):
    length, kind = struct.unpack("<IB", receive(console, 5))
    return kind, receive(console, length)


def connect(path, label):
    console = socket.socket(socket.AF_UNIX)
    console.connect(path)
    send(console, HELLO, json.dumps({"version": 1, "label": label}).encode())
    assert frame(console)[0] == WELCOME
    return console


def flood(kind, path, until):
    """Floods until the time is over."""
    if kind == "toolong":
        while time.monotonic() < until:
            console = socket.socket(socket.AF_UNIX)
            try:
                console.connect(path)
                console.sendall(struct.pack("<IB", 65537, HELLO))
            except OSError:
                pass
            console.close()
    elif kind == "input":
        console = connect(path, "spectator")
        send(console, ATTACH, b'{"mode":"spectate"}')
        console.settimeout(0.5)
        while time.monotonic() < until:
            try:
                send(console, INPUT, b"x" * 65536)
            except OSError:
                break
    elif kind == "status":
        console = connect(path, "asks")
        while time.monotonic() < until:
            send(console, STATUS)
            frame(console)


def echo(owner):
    """Types a character and wipes it out. Returns how long its echo took, in milliseconds."""
    begin = time.monotonic()
    send(owner, INPUT, b"a")
    while frame(owner)[0] != OUTPUT:
        pass
    took = (time.monotonic() - begin) * 1000
    send(owner, INPUT, b"\x7f")
    time.sleep(0.05)
    owner.setblocking(False)
    try:
        while owner.recv(65536):
            pass
    except BlockingIOError:
        pass
    owner.settimeout(60)
    return took


def main():
    command, engine, kind = sys.argv[1:4]
    seconds = float(sys.argv[4]) if len(sys.argv) > 4 else 8
    directory = os.path.join(tempfile.mkdtemp(), "run")
    demo = subprocess.Popen(
        [command, "demo", "--no-attach", "--engine", engine, "--name", "flood"],
        env=dict(os.environ, VUART_RUNTIME_DIR=directory),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    path = os.path.join(directory, "flood.ctl")
    try:
        while not os.path.exists(path):
            time.sleep(0.05)
        owner = connect(path, "owner")
        owner.settimeout(60)
        send(owner, ATTACH, b'{"mode":"take-over","replay":"all"}')
        seen = b""
        while not seen.endswith(b"> "):
            event, payload = frame(owner)
            if event == OUTPUT:
                seen += payload[8:]
        time.sleep(0.3)
        until = time.monotonic() + seconds
        flooder = multiprocessing.Process(target=flood, args=(kind, path, until))
        flooder.start()
        times = []
        while time.monotonic() < until:
            times.append(echo(owner))
        flooder.join(20)
        flooder.kill()
        times.sort()
        count = len(times)
        print(
            f"{engine} {kind}: {count} characters, median {times[count // 2]:.2f} ms, "
            f"90 % {times[count * 9 // 10]:.2f} ms, longest {times[-1]:.2f} ms",
            flush=True,
        )
    finally:
        demo.terminate()
        demo.wait(10)


main()
