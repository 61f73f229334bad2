"""usage: dag.py FILE…  Read DAG files as Airflow does; the last line is JSON: a list of {id: {needs, script}}."""

import json
import os
import sys
import tempfile

with tempfile.TemporaryDirectory() as home:
    os.environ.update(AIRFLOW_HOME=home, AIRFLOW__CORE__LOAD_EXAMPLES="False", AIRFLOW__CORE__UNIT_TEST_MODE="True")
    try:
        from airflow.dag_processing.dagbag import DagBag  # Airflow 3
    except ImportError:
        from airflow.models.dagbag import DagBag
    all_tasks = []
    for path in sys.argv[1:]:
        bag = DagBag(path)
        if bag.import_errors or len(bag.dags) != 1:
            sys.exit(f"{bag.import_errors} {list(bag.dags)}")
        (dag,) = bag.dags.values()
        for task in dag.tasks:
            if task.template_fields:
                sys.exit(f"{task.task_id} has templates: {task.template_fields}")
        all_tasks.append({t.task_id: {"needs": sorted(t.upstream_task_ids), "script": t.bash_command} for t in dag.tasks})
    print("\n" + json.dumps(all_tasks), flush=True)
