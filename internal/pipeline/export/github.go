package export

import (
	"slices"
	"strings"
	"time"
)

// github writes a workflow of GitHub Actions: a job a stage.
func github(nodes []node, site Site) []File {
	jobs := mapping{}
	for _, n := range nodes {
		j := mapping{{"name", githubText(n.Name)}}
		if len(n.needs) > 0 {
			j = append(j, field{"needs", flow(n.needs)})
		}
		j = append(j, githubJob(site, []string{n.command()}, limit(n.Timeout, n.Retries))...)
		jobs = append(jobs, field{n.id, j})
	}
	on := mapping{{"workflow_dispatch", mapping{}}}
	return []File{{".github/workflows/mlx.yaml", githubWorkflow(site, "github", "mlx pipeline", on, jobs)}}
}

// githubScheduled writes a workflow that runs a task at given times.
func githubScheduled(t Task, site Site, when cron) ([]File, error) {
	id := t.id()
	on := mapping{{"schedule", list{mapping{{"cron", when.text}}}}, {"workflow_dispatch", mapping{}}}
	job := append(mapping{{"name", githubText(t.name)}}, githubJob(site, []string{t.command("--pull")}, limit(0, 0))...)
	if !t.pulls {
		job = append(mapping{{"name", githubText(t.name)}}, githubSteps(site, []string{strings.Join(t.away(), "\n") + "\n"}, limit(0, 0))...)
	}
	text := githubWorkflow(site, "github "+t.kind+":"+headingName(t.name), "mlx "+id, on, mapping{{id, job}})
	if t.zone != "" && t.zone != "UTC" {
		text = "# GitHub reads the schedule as UTC; mlx.yaml means the time of " + t.zone + ".\n" + text
	}
	return []File{{".github/workflows/mlx-" + id + ".yaml", text}}, nil
}

// githubToken is the variable that mlx opens issues with. The token of a workflow is let into its own repository alone, so that a secret goes
// before it: names of secrets cannot begin with GITHUB_.
const (
	githubToken  = "GITHUB_TOKEN"
	issuesSecret = "MLX_ISSUES_TOKEN"
)

func githubWorkflow(site Site, command, name string, on, jobs mapping) string {
	rights := "read"
	if site.PushGit {
		rights = "write"
	}
	run := mapping{{"shell", "bash"}}
	if site.Folder != "." {
		run = append(run, field{"working-directory", githubText(site.Folder)})
	}
	env := mapping{{"MLX_INSTALL", "${{ vars.MLX_INSTALL }}"}, {"MLX_TRUSTED", "origin/${{ github.event.repository.default_branch }}"}}
	for _, name := range site.Secrets {
		env = append(env, field{name, "${{ secrets." + name + " }}"})
	}
	permissions := mapping{{"contents", rights}}
	if site.Issues {
		permissions = append(permissions, field{"issues", "write"})
		env = append(env, field{githubToken, "${{ secrets." + issuesSecret + " || github.token }}"})
	}
	return heading("#", command, installing()...) + "\n" + yaml(mapping{
		{"name", name},
		{"on", on},
		{"permissions", permissions},
		{"concurrency", mapping{{"group", "${{ github.workflow }}-${{ github.ref }}"}, {"cancel-in-progress", false}}},
		{"defaults", mapping{{"run", run}}},
		{"env", env},
		{"jobs", jobs},
	})
}

// githubJob is a job from its runner on. fetch-depth 0 brings the default branch, by which mlx.yaml is trusted.
func githubJob(site Site, commands []string, minutes int) mapping {
	return githubSteps(site, slices.Concat([]string{"mlx pull"}, commands, []string{"mlx push"}), minutes)
}

// githubSteps is a job that runs just these commands.
func githubSteps(site Site, commands []string, minutes int) mapping {
	job := mapping{{"runs-on", "${{ vars.MLX_RUNS_ON || 'ubuntu-latest' }}"}, {"timeout-minutes", minutes}}
	if site.Image != "" {
		job = append(job, field{"container", site.Image})
	}
	checkout := mapping{{"fetch-depth", 0}}
	if !site.PushGit {
		checkout = append(checkout, field{"persist-credentials", false})
	}
	steps := list{
		mapping{{"uses", "actions/checkout@v5"}, {"with", checkout}},
		mapping{{"name", "Install mlx"}, {"run", install}},
		mapping{{"run", `mlx trust --at "$MLX_TRUSTED" -y`}},
	}
	for _, c := range commands {
		steps = append(steps, mapping{{"run", c}})
	}
	return append(job, field{"steps", steps})
}

// install runs what the variable of the project says, if it says anything.
const install = `if [ -n "${MLX_INSTALL:-}" ]; then eval "$MLX_INSTALL"; fi`

// githubText is text in which GitHub finds no expression.
func githubText(s string) string { return strings.ReplaceAll(s, "${{", "${{ '${{' }}") }

// limit is how many minutes a job may take: all attempts of the stage and a quarter of an hour for data, or the six
// hours that hosted runners allow.
func limit(timeout time.Duration, retries int) int {
	if timeout <= 0 {
		return 360
	}
	whole := timeout * time.Duration(retries+1)
	return int((whole+time.Minute-1)/time.Minute) + 15
}

// headingName is a name in a comment: it stays on its line.
func headingName(name string) string {
	if !printable(name) {
		return identifier(name)
	}
	return name
}
