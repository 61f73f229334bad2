package export

import (
	"slices"
	"strings"

	"mlx/internal/fault"
)

// argo writes a Workflow of Argo: a task a stage, all of one template.
func argo(nodes []node, site Site) []File {
	tasks := list{}
	for _, n := range nodes {
		t := mapping{{"name", n.id}, {"template", "stage"}}
		if len(n.needs) > 0 {
			t = append(t, field{"dependencies", flow(n.needs)})
		}
		command := mapping{{"name", "command"}, {"value", n.command()}}
		tasks = append(tasks, append(t, field{"arguments", mapping{{"parameters", list{command}}}}))
	}
	parameter := func(name, value string) mapping {
		if value == "" {
			return mapping{{"name", name}}
		}
		return mapping{{"name", name}, {"value", value}}
	}
	env := append(list{
		variable("MLX_REPOSITORY", "{{workflow.parameters.repository}}"),
		variable("MLX_REVISION", "{{workflow.parameters.revision}}"),
		variable("MLX_INSTALL", "{{workflow.parameters.install}}"),
		variable("MLX_COMMAND", "{{inputs.parameters.command}}"),
	}, secrets(site)...)
	stage := mapping{
		{"name", "stage"},
		{"inputs", mapping{{"parameters", list{mapping{{"name", "command"}}}}}},
		{"container", mapping{
			{"image", "{{workflow.parameters.image}}"},
			{"command", flow{"sh", "-ec"}},
			{"args", list{script(site, "mlx pull", `eval "$MLX_COMMAND"`, "mlx push")}},
			{"env", env},
		}},
	}
	doc := mapping{
		{"apiVersion", "argoproj.io/v1alpha1"},
		{"kind", "Workflow"},
		{"metadata", mapping{{"generateName", "mlx-"}}},
		{"spec", mapping{
			{"entrypoint", "pipeline"},
			{"arguments", mapping{{"parameters", list{
				parameter("image", site.Image), parameter("repository", site.GitURL), parameter("revision", "HEAD"), mapping{{"name", "install"}, {"value", ""}},
			}}}},
			{"templates", list{
				mapping{{"name", "pipeline"}, {"dag", mapping{{"tasks", tasks}}}},
				stage,
			}},
		}},
	}
	notes := append(kubeNotes(site),
		"Parameters: image, with git, mlx and what the stages need; repository, which git clones; revision, best a commit;",
		"install, a shell command that puts mlx on the PATH, empty where it is there.")
	return []File{{"workflow.yaml", heading("#", "argo", notes...) + "\n" + yaml(doc)}}
}

// cronJob writes a CronJob of Kubernetes that runs a task at given times.
func cronJob(t Task, site Site, when cron) ([]File, error) {
	switch {
	case site.Image == "":
		return nil, fault.New(fault.Usage, "cannot export a cronjob without an image to run").
			Hint("mlx export cronjob %s --image IMAGE …   # one with git, mlx and what it needs", shellWord(t.ref()))
	case site.GitURL == "":
		return nil, fault.New(fault.Usage, "cannot export a cronjob: git has no remote that a container could clone").
			Hint("git remote add origin URL")
	}
	id := strings.ToLower(t.id())
	lines := t.away()
	for i, l := range lines {
		lines[i] = kubeText(l)
	}
	container := mapping{
		{"name", "mlx"},
		{"image", site.Image},
		{"command", flow{"sh", "-ec"}},
		{"args", list{script(site, lines...)}},
		{"env", append(list{variable("MLX_REPOSITORY", kubeText(site.GitURL)), variable("MLX_REVISION", "HEAD")}, secrets(site)...)},
	}
	schedule := mapping{{"schedule", when.text}}
	if t.zone != "" {
		schedule = append(schedule, field{"timeZone", t.zone})
	}
	doc := mapping{
		{"apiVersion", "batch/v1"},
		{"kind", "CronJob"},
		{"metadata", mapping{{"name", "mlx-" + id}}},
		{"spec", append(schedule, mapping{
			{"concurrencyPolicy", "Forbid"},
			{"jobTemplate", mapping{{"spec", mapping{
				{"backoffLimit", 0},
				{"template", mapping{{"spec", mapping{
					{"restartPolicy", "Never"},
					{"containers", list{container}},
				}}}},
			}}}},
		}...)},
	}
	text := heading("#", "cronjob "+t.kind+":"+headingName(t.name), kubeNotes(site)...) + "\n" + yaml(doc)
	return []File{{"cronjob.yaml", text}}, nil
}

func kubeNotes(site Site) []string {
	notes := []string{"Each pod clones the repository and exchanges data and records with the default remote of mlx.yaml."}
	if len(site.Secrets) > 0 {
		notes = append(notes, "The secret called mlx holds the variables that give access to it.")
	}
	if site.Issues {
		notes = append(notes, "The secret called mlx holds "+githubToken+" for the issues that drift opens.")
	}
	return notes
}

func variable(name, value string) mapping { return mapping{{"name", name}, {"value", value}} }

// secrets are variables whose values are in the secret mlx. A key that it lacks is left out.
func secrets(site Site) list {
	var all list
	names := site.Secrets
	if site.Issues {
		names = append(slices.Clone(names), githubToken)
	}
	for _, name := range names {
		ref := mapping{{"name", "mlx"}, {"key", name}, {"optional", true}}
		all = append(all, mapping{{"name", name}, {"valueFrom", mapping{{"secretKeyRef", ref}}}})
	}
	return all
}

// script clones the repository and runs commands in it. It has no parenthesis behind a dollar sign, which Kubernetes
// would take for one of its variables.
func script(site Site, commands ...string) string {
	lines := []string{install, "cd /tmp", `git clone -q -- "$MLX_REPOSITORY" repository`, "cd repository", `git checkout -q "$MLX_REVISION"`}
	if site.Folder != "." {
		lines = append(lines, "cd "+kubeText(shellWord(site.Folder)))
	}
	lines = append(append(lines, "mlx trust --at origin/HEAD -y"), commands...)
	return strings.Join(lines, "\n") + "\n"
}

// kubeText is text in which Kubernetes finds no variable of its own: $(NAME) is one, $$ is a dollar sign.
func kubeText(s string) string { return strings.NewReplacer("$$", "$$$$", "$(", "$$(").Replace(s) }
