"""Say what Python would import from each of many files, without running any of it.

stdin: files, each after its length in 8 bytes, little-endian. stdout: one JSON line a file: the names that find_class was asked for.
Every name gives a stand-in that can be called, built and filled, so that what comes after a call is reached too.
"""
import bz2, io, json, lzma, pickle, resource, struct, sys, zipfile, zlib


class Stand:
    def __init__(self, *a, **k): pass
    def __new__(cls, *a, **k): return object.__new__(cls)
    def __call__(self, *a, **k): return Stand()
    def __setstate__(self, state): pass
    def __setitem__(self, k, v): pass
    def append(self, x): pass
    def extend(self, x): pass
    def add(self, x): pass
    def __hash__(self): return id(self)
    def __reduce_ex__(self, p): return (Stand, ())


class Recorder(pickle.Unpickler):
    def __init__(self, f, names):
        super().__init__(f)
        self.names = names

    def find_class(self, module, name):
        self.names.add(module + "\x00" + name)
        return type("S", (Stand,), {})

    def persistent_load(self, pid):
        return Stand()

    def get_extension(self, code):
        self.names.add("extension\x00registry")
        return Stand


def row(b, names):
    f = io.BytesIO(b)
    while True:
        before = f.tell()
        try:
            Recorder(f, names).load()
        except Exception:
            return
        if f.tell() == before or f.tell() >= len(b):
            return


def streams(b):
    kinds = ((b[0] & 15 == 8, lambda: zlib.decompressobj(15)), (b[:2] == b"\x1f\x8b", lambda: zlib.decompressobj(31)), (b[:3] == b"BZh", bz2.BZ2Decompressor),
             (b[:1] in (b"\xfd", b"\x5d"), lzma.LZMADecompressor)) if b else ()
    for new in [new for is_one, new in kinds if is_one]:
        d, out = new(), b""
        try:
            for i in range(0, len(b), 64):
                out += d.decompress(b[i:i + 64], 1 << 20) if new is not bz2.BZ2Decompressor else d.decompress(b[i:i + 64])
                if len(out) > 1 << 20:
                    break
        except Exception:
            pass
        if out:
            yield out


def members(b):
    try:
        z = zipfile.ZipFile(io.BytesIO(b))
        infos = z.infolist()
    except Exception:
        return
    for info in infos[:50]:
        try:
            f = z.open(info)
            f._expected_crc = None
            yield f.read(1 << 20)
        except Exception:
            continue


def look(b, names, depth=0):
    row(b, names)
    if b[:6] == b"\x93NUMPY" and len(b) > 10:
        row(b[10 + b[8] + 256 * b[9]:], names)
    if depth < 3:
        for inner in list(streams(b)) + list(members(b)):
            look(inner, names, depth + 1)


sys.setrecursionlimit(2000)
resource.setrlimit(resource.RLIMIT_AS, (512 << 20, 512 << 20))  # a damaged PUT asks the real reader for gigabytes
data = sys.stdin.buffer
while True:
    head = data.read(8)
    if len(head) < 8:
        break
    names = set()
    look(data.read(struct.unpack("<Q", head)[0]), names)
    print(json.dumps(sorted(names)))
