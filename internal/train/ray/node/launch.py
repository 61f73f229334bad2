# Executes a job on several nodes: one place for all of them at once, one task in each, which is the agent.
import ctypes, json, os, signal, socket, subprocess, sys, threading

import ray
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

digest, nodes, resources, folder = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3]), sys.argv[4]


home = os.path.expanduser(folder)


def follow():
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: the agent does not outlive the worker of Ray


@ray.remote(max_restarts=0)
class Node:
    child, stopped = None, False

    def where(self):
        with socket.socket() as s:
            s.bind(("", 0))
            return ray.util.get_node_ip_address(), s.getsockname()[1], ray.get_runtime_context().get_node_id()

    def mark(self, name):
        os.makedirs(home, exist_ok=True)
        open(os.path.join(home, name), "w").close()

    def sees(self, name):
        return os.path.exists(os.path.join(home, name))

    def unmark(self, name):
        os.remove(os.path.join(home, name))

    def run(self, rank, address, port, shared):
        environment = dict(os.environ, MLX_NODE_RANK=str(rank), MLX_NODES=str(nodes), MLX_MASTER_ADDR=address,
                           MLX_MASTER_PORT=str(port), MLX_SHARED=str(int(shared)), MLX_NODE_SHARED=str(int(shared)))
        self.child = subprocess.Popen(["sh", "./mlx-start", digest, "run", folder], env=environment,
                                      stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=follow)
        if self.stopped:
            self.child.send_signal(signal.SIGTERM)
        status = self.child.wait()
        return status if status >= 0 else 128 - status

    def stop(self):
        self.stopped = True
        if self.child and self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)


def place(number):
    group = placement_group([dict(resources) for _ in range(number)], strategy="SPREAD")
    print("mlx: waiting for a place for %d nodes" % number, flush=True)
    ray.get(group.ready())
    return group


def main():
    ray.init(address="auto", logging_level="ERROR")
    group = place(nodes)
    actors = []
    for rank in range(nodes):
        kinds = {k: v for k, v in resources.items() if k not in ("CPU", "GPU", "memory")}
        actors.append(Node.options(
            num_cpus=resources.get("CPU", 0), num_gpus=resources.get("GPU", 0), memory=resources.get("memory"),
            resources=kinds, max_concurrency=4,
            scheduling_strategy=PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=rank)).remote())
    where = ray.get([a.where.remote() for a in actors])
    # Ranks are in the order of the nodes: that of rank 0 is where the client looks for the results.
    address, port, node = where[0]
    print("mlx-rank-0 %s %s" % (node, address), flush=True)

    # Whether a node has the folder of the first, because it is the same node or the disk is shared, is tried.
    mark = ".first-" + ray.get_runtime_context().get_job_id()
    ray.get(actors[0].mark.remote(mark))
    shared = ray.get([a.sees.remote(mark) for a in actors])
    ray.get(actors[0].unmark.remote(mark))

    def stop(*_):
        threading.Thread(target=lambda: [a.stop.remote() for a in actors]).start()

    signal.signal(signal.SIGTERM, stop)
    waiting = {a.run.remote(rank, address, port, shared[rank]): rank for rank, a in enumerate(actors)}
    status = 0
    while waiting:
        done, _ = ray.wait(list(waiting), timeout=1)
        for ref in done:
            rank = waiting.pop(ref)
            try:
                code = ray.get(ref)
            except ray.exceptions.RayError as e:
                print("mlx: node %d is lost: %s" % (rank, e), flush=True)
                code = 255
            if code and not status:
                status = code
                stop()  # the others would wait for it for ever
    remove_placement_group(group)
    sys.exit(status)


main()
