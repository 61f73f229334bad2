package export

import "strconv"

// gitlab writes a configuration of GitLab CI: a job a stage, in one stage of GitLab, ordered by needs.
func gitlab(nodes []node, site Site) []File {
	before := list{install}
	if site.Folder != "." {
		before = append(before, "cd "+shellWord(site.Folder))
	}
	before = append(before,
		`git fetch -q origin "+refs/heads/$CI_DEFAULT_BRANCH:refs/remotes/origin/$CI_DEFAULT_BRANCH"`,
		`mlx trust --at "origin/$CI_DEFAULT_BRANCH" -y`,
		"mlx pull",
	)
	base := mapping{{"stage", "mlx"}, {"variables", mapping{{"GIT_DEPTH", "0"}}}}
	if site.Image != "" {
		base = append(base, field{"image", site.Image})
	}
	base = append(base, field{"before_script", before})
	doc := mapping{{"stages", flow{"mlx"}}, {".mlx", base}}
	for _, n := range nodes {
		job := mapping{{"extends", ".mlx"}}
		if len(n.needs) > 0 {
			job = append(job, field{"needs", flow(n.needs)})
		} else {
			job = append(job, field{"needs", flow{}})
		}
		if n.Timeout > 0 {
			job = append(job, field{"timeout", strconv.Itoa(limit(n.Timeout, n.Retries)) + " minutes"})
		}
		script := list{}
		for _, c := range []string{n.command(), "mlx push"} {
			script = append(script, c)
		}
		job = append(job, field{"script", script})
		doc = append(doc, field{n.id, job})
	}
	notes := installing()
	if len(site.Secrets) > 0 {
		notes = append(notes, "Variables of the project that give access to the remote:")
		for _, name := range site.Secrets {
			notes = append(notes, "  "+name)
		}
	}
	return []File{{".gitlab-ci.yml", heading("#", "gitlab", notes...) + "\n" + yaml(doc)}}
}
