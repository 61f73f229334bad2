# Ends the actor that waits for the place of a job: Ray's own stop leaves such a job waiting (ray#58353).
import sys

import ray

ray.init(address="auto", namespace="SUPERVISOR_ACTOR_RAY_NAMESPACE", log_to_driver=False, logging_level="ERROR")
try:
    ray.kill(ray.get_actor("_ray_internal_job_actor_" + sys.argv[1]), no_restart=True)
except ValueError:
    pass  # it is gone
