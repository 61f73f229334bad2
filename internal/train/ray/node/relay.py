# A connection to `mlx agent serve`, which Ray does not offer. What the client sends are values in the store of the head,
# put there as packages; what it gets is the log of this job, which Ray streams as it grows.
import os, signal, struct, subprocess, sys, threading, time

from ray._raylet import GcsClient

nonce, mlx, root = sys.argv[1:4]
store = GcsClient(address=os.environ["RAY_ADDRESS"])
prefix = "gcs://_ray_pkg_mlxlink%s_" % nonce
IDLE = 120  # seconds without a sign of the client

log = os.open(os.readlink("/proc/self/fd/1"), os.O_RDWR | os.O_APPEND)
lock = threading.Lock()


def say(kind, data=b""):
    text = kind + struct.pack(">I", len(data)) + data
    with lock:
        while text:
            text = text[os.write(log, text):]


environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_JOB_")}
child = subprocess.Popen([mlx, "agent", "serve", root], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, env=environment, start_new_session=True)


def upward():
    while True:
        data = child.stdout.read1(1 << 20)
        if not data:
            break
        say(b"d", data)
    say(b"x", struct.pack(">i", child.wait()))


with lock:
    os.write(log, ("\nmlx-link %s\n" % nonce).encode())
threading.Thread(target=upward, daemon=True).start()



def downward():
    number, wait, heard = 0, 0.01, time.monotonic()
    while child.poll() is None:
        key = (prefix + "%d.zip" % number).encode()
        value = store.internal_kv_get(key, None)
        if value is None:
            if time.monotonic() - heard > IDLE:
                return
            time.sleep(wait)
            wait = min(wait * 1.2, 0.2)
            continue
        store.internal_kv_del(key, False, None)
        number, wait, heard = number + 1, 0.01, time.monotonic()
        kind, data = value[:1], value[1:]
        try:
            if kind == b"d":
                child.stdin.write(data)
                child.stdin.flush()
            elif kind == b"e":
                return
        except BrokenPipeError:
            return
        say(b"a", struct.pack(">I", number))


def leave():
    try:
        child.stdin.close()
        child.wait(10)
    except (OSError, subprocess.TimeoutExpired):
        child.kill()
    for key in store.internal_kv_keys(prefix.encode(), None):
        store.internal_kv_del(key, False, None)
    # The client has hung up. Each process of Ray on the way notices when it sends the next bytes of this log, not before, and until then the
    # client counts as one of the 100 that may ask at a time. There are two of them, and new bytes are looked for every 0.05 s.
    for _ in range(4):
        os.write(log, b"\n")
        time.sleep(0.2)
    os.ftruncate(log, 0)  # nobody reads it any more


signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
try:
    downward()
finally:
    leave()
