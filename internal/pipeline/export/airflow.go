package export

import (
	"strconv"
	"strings"
)

// airflow writes a module of Python that defines a DAG for Airflow 2.4 and later, and 3: a task a stage.
func airflow(nodes []node, site Site) []File {
	var b strings.Builder
	notes := []string{
		"MLX_REPOSITORY, a variable of the workers' environment, is the folder of a clone that every worker has, trusted with",
		"mlx trust. Each task exchanges data and records with the default remote of mlx.yaml.",
	}
	if len(site.Secrets) > 0 {
		notes = append(notes, "The workers' environment gives access to it: "+strings.Join(site.Secrets, ", ")+".")
	}
	b.WriteString(heading("#", "airflow", notes...) + airflowHead)
	b.WriteString("REPOSITORY = os.environ.get(\"MLX_REPOSITORY\", " + pythonText(site.Root) + ")\n\n")
	b.WriteString("# What each task is called, what it runs, and for how many seconds at most.\nSTAGES = [\n")
	for _, n := range nodes {
		seconds := "None"
		if n.Timeout > 0 {
			seconds = strconv.Itoa(limit(n.Timeout, n.Retries) * 60)
		}
		b.WriteString("    (" + pythonText(n.id) + ", " + pythonText(n.command()) + ", " + seconds + "),\n")
	}
	b.WriteString("]\n\n# Which task comes before which.\nEDGES = [\n")
	for _, n := range nodes {
		for _, before := range n.needs {
			b.WriteString("    (" + pythonText(before) + ", " + pythonText(n.id) + "),\n")
		}
	}
	id := identifier(site.Name)
	b.WriteString("]\n" + strings.ReplaceAll(airflowTail, "DAG_ID", pythonText("mlx-"+id)))
	return []File{{"mlx_" + strings.ReplaceAll(strings.ToLower(id), "-", "_") + ".py", b.String()}}
}

// pythonText is a literal of Python in ASCII.
func pythonText(s string) string { return strconv.QuoteToASCII(strings.ToValidUTF8(s, "\uFFFD")) }

const airflowHead = `
import os
from datetime import datetime, timedelta, timezone

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG
try:
    from airflow.providers.standard.operators.bash import BashOperator
except ImportError:  # Airflow 2 without the provider
    from airflow.operators.bash import BashOperator

`

const airflowTail = `

class Stage(BashOperator):
    template_fields = ()  # a command is what it says, never a template


with DAG(
    dag_id=DAG_ID,
    schedule=None,
    start_date=datetime(2020, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
) as dag:
    tasks = {
        task_id: Stage(
            task_id=task_id,
            bash_command="set -eu\nmlx pull\n" + command + "\nmlx push\n",
            cwd=REPOSITORY,
            retries=0,  # mlx tries again by itself, as mlx.yaml says
            execution_timeout=None if seconds is None else timedelta(seconds=seconds),
        )
        for task_id, command, seconds in STAGES
    }
    for before, after in EDGES:
        tasks[before] >> tasks[after]
`
