package export

import (
	"strings"

	"mlx/internal/fault"
)

// crontab writes a line for cron. Cron ends a command at a percent sign unless it is escaped, and has no way to write a
// line end.
func crontab(stage string, site Site, when cron) ([]File, error) {
	if err := onOneLine("crontab", stage, site.Root); err != nil {
		return nil, err
	}
	command := "cd " + shellWord(site.Root) + " && " + repro(stage, "-q")
	return []File{{"crontab", when.text + "  " + strings.ReplaceAll(command, "%", `\%`) + "\n"}}, nil
}

// systemd writes a service and the timer that starts it.
func systemd(stage string, site Site, when cron) ([]File, error) {
	if err := onOneLine("systemd", stage, site.Root); err != nil {
		return nil, err
	}
	unit := "mlx-" + strings.ToLower(identifiers([]string{stage})[0])
	head := heading("#", "systemd stage:"+stage)
	about := "[Unit]\nDescription=mlx repro " + unitText(stage) + "\n\n"
	words := []string{"/usr/bin/env", "mlx", "-C", unitWord(site.Root), "repro", "-q", "--", unitWord(stage)}
	service := head + about + "[Service]\nType=oneshot\nExecStart=" + strings.Join(words, " ") + "\n"
	timer := head + about + "[Timer]\n"
	for _, c := range when.calendars() {
		timer += "OnCalendar=" + c + "\n"
	}
	timer += "Persistent=true\n\n[Install]\nWantedBy=timers.target\n"
	return []File{{unit + ".service", service}, {unit + ".timer", timer}}, nil
}

func onOneLine(form, stage, root string) error {
	if printable(stage) && printable(root) {
		return nil
	}
	return fault.New(fault.Usage, "cannot export a %s: the stage %q or its folder has control characters in its name, which it cannot hold", form, stage)
}

// unitText is text in which systemd finds no specifier, and no backslash that would join the next line.
func unitText(s string) string { return strings.NewReplacer("%", "%%", `\`, `\\`).Replace(s) }

// unitWord is one argument of a command of systemd.
func unitWord(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "$", "$$").Replace(s) + `"`
}
