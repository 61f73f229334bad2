"""All ranks meet at MASTER_ADDR:MASTER_PORT; rank 0 says who came. Only the standard library."""
import os, socket, time

rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
place = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
if rank == 0:
    begun = time.monotonic()
    with socket.create_server(place, backlog=world) as server:
        server.settimeout(60)
        came = {0}
        peers = []
        while len(came) < world:
            peer, _ = server.accept()
            came.add(int(peer.recv(16)))
            peers.append(peer)
        for peer in peers:
            peer.sendall(b"go")
            peer.close()
    assert came == set(range(world)), came
    print(f"{world} ranks met within {time.monotonic() - begun:.2f} s", flush=True)
else:
    end = time.monotonic() + 60
    while True:
        try:
            with socket.create_connection(place, timeout=60) as peer:
                peer.sendall(str(rank).encode())
                assert peer.recv(2) == b"go"
            break
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
